// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/code_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/search/graph_vectors.h"
#include "tenfold/search/kmeans.h"
#include "tenfold/search/search_tasks.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kGroup = 8;           // queries that share the blocks in the cache
constexpr std::size_t kLinkedLists = 8192;  // lists from which a graph of their centroids pays
constexpr std::size_t kSharing = 64;        // queries that share lists in the cache
constexpr std::size_t kFirst = 8;           // lists that a query looks into before it shares
constexpr std::size_t kPieceRows = 1024;    // rows of a store that they scan in turn

[[noreturn]] void fail_lists(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              "index.lists",
              {.what = std::move(what), .seen = std::move(seen), .wanted = std::move(wanted)});
}

void check_coarse(const std::vector<float>& coarse, std::size_t dimension) {
  const bool finite = std::all_of(coarse.begin(), coarse.end(), [](float x) { return std::isfinite(x); });
  if (!coarse.empty() && coarse.size() % dimension == 0 && finite) return;
  throw Error(ErrorClass::kData,
              "index.coarse",
              {.what = "the coarse centroids do not fit the quantiser",
               .seen = fmt::format("{} numbers{}", coarse.size(), finite ? "" : ", one not finite"),
               .wanted = fmt::format("a whole number of vectors of dimension {}, at least one", dimension)});
}

// Every number below `size` must stand in exactly one place.
void check_numbers(const CodeIndex::Parts& parts) {
  Bitmap seen(parts.size);
  for (const auto& numbers : parts.numbers) {
    for (const std::uint32_t number : numbers) {
      if (number == kNoRow) continue;
      if (number >= parts.size || seen.test(number)) {
        fail_lists("a row's number is too large or stands twice in the lists",
                   fmt::format("{}", number),
                   fmt::format("every number below {} once", parts.size));
      }
      seen.set(number);
    }
  }
  if (seen.count() != parts.size)
    fail_lists(
        "a row is in no list", fmt::format("{} rows in lists", seen.count()), fmt::format("{}", parts.size));
}

struct Visit {
  std::uint32_t list, query;
};

// The lists of each query beyond its first kFirst ones, in the order of the lists.
void add_by_list(const std::vector<std::vector<std::uint32_t>>& lists_of,
                 std::size_t lists,
                 std::vector<Visit>& visits) {
  const std::size_t first = visits.size();
  std::vector<std::size_t> ends(lists + 1, 0);
  const auto for_each = [&](const auto& visit) {
    for (std::uint32_t q = 0; q < lists_of.size(); ++q) {
      for (std::size_t i = kFirst; i < lists_of[q].size(); ++i) visit(lists_of[q][i], q);
    }
  };
  for_each([&](std::uint32_t list, std::uint32_t) { ++ends[list + 1]; });
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  visits.resize(first + ends.back());
  for_each([&](std::uint32_t list, std::uint32_t q) { visits[first + ends[list]++] = {list, q}; });
}

}  // namespace

CodeIndex::CodeIndex(ProductQuantizer quantizer) : quantizer_(std::move(quantizer)) {
  parts_.stores.emplace_back(quantizer_.blocks(), quantizer_.bits());
}

CodeIndex::CodeIndex(ProductQuantizer quantizer, std::vector<float> coarse)
    : quantizer_(std::move(quantizer)) {
  check_coarse(coarse, dimension());
  parts_.stores.assign(coarse.size() / dimension(), CodeStore(quantizer_.blocks(), quantizer_.bits()));
  parts_.numbers.resize(lists());
  parts_.coarse = std::move(coarse);
  coarse_ = std::make_unique<kernels::NearestTable>(parts_.coarse, dimension());
  if (lists() >= kLinkedLists) link_coarse();
}

CodeIndex::CodeIndex(ProductQuantizer quantizer, Parts parts)
    : quantizer_(std::move(quantizer)), parts_(std::move(parts)) {
  for (const CodeStore& store : parts_.stores) {
    if (store.codes() != quantizer_.blocks() || store.bits() != quantizer_.bits()) {
      fail_lists("the codes are of another quantiser",
                 fmt::format("{} codes of {} bits", store.codes(), store.bits()),
                 fmt::format("{} codes of {} bits", quantizer_.blocks(), quantizer_.bits()));
    }
  }
  if (parts_.removed.size() != parts_.size)
    fail_lists("the bitmap of removed rows has another size",
               fmt::format("{}", parts_.removed.size()),
               fmt::format("{}", parts_.size));
  if (has_lists()) {
    check_coarse(parts_.coarse, dimension());
    if (parts_.coarse.size() / dimension() != lists() || parts_.numbers.size() != lists()) {
      fail_lists("lists and coarse centroids differ in number",
                 fmt::format("{} lists, {} with numbers", lists(), parts_.numbers.size()),
                 fmt::format("{}", parts_.coarse.size() / dimension()));
    }
    for (std::size_t list = 0; list < lists(); ++list) {
      if (parts_.numbers[list].size() != parts_.stores[list].rows()) {
        fail_lists(fmt::format("list {} has another number of codes than of rows", list),
                   fmt::format("{}", parts_.numbers[list].size()),
                   fmt::format("{}", parts_.stores[list].rows()));
      }
    }
    check_numbers(parts_);
    if (parts_.coarse_graph && parts_.coarse_graph->size() != lists())
      fail_lists("the graph of the coarse centroids has another size",
                 fmt::format("{}", parts_.coarse_graph->size()),
                 fmt::format("{}", lists()));
    coarse_ = std::make_unique<kernels::NearestTable>(parts_.coarse, dimension());
  } else if (lists() != 1 || parts_.stores[0].rows() != parts_.size) {
    fail_lists("an index without coarse centroids has one list of all rows",
               fmt::format("{} lists", lists()),
               fmt::format("1 list of {} rows", parts_.size));
  }
  set_removed(parts_.removed);
}

std::string_view CodeIndex::kind() const {
  return has_lists() ? "ivf" : quantizer_.bits() == 8 ? "pq" : "fast scan";
}

std::size_t CodeIndex::bytes() const {
  std::size_t total =
      (parts_.coarse_graph ? parts_.coarse_graph->bytes() : 0) +
      (parts_.coarse.size() + quantizer_.parts().centroids.size() + quantizer_.parts().rotation.size()) *
          sizeof(float);
  for (const CodeStore& store : parts_.stores) total += store.blocks().size();
  for (const auto& numbers : parts_.numbers) total += numbers.size() * sizeof(std::uint32_t);
  return total;
}

ScanFilter CodeIndex::filter(std::size_t list, const Bitmap* allowed) const {
  ScanFilter result;
  result.allowed = allowed;
  result.removed = removed_or_null();
  if (has_lists()) result.numbers = parts_.numbers[list];
  return result;
}

void CodeIndex::add_bytes(std::span<const std::uint8_t> bytes, const Vectors& rotated) {
  const std::size_t codes = quantizer_.blocks(), rows = bytes.size() / codes;
  if (!has_lists()) {
    parts_.stores[0].append(bytes);
  } else {
    const std::vector<std::uint32_t> list_of = assign(rotated, parts_.coarse);
    std::vector<std::vector<std::uint8_t>> pending(lists());
    for (std::size_t i = 0; i < rows; ++i) {
      const auto code = bytes.subspan(i * codes, codes);
      pending[list_of[i]].insert(pending[list_of[i]].end(), code.begin(), code.end());
      parts_.numbers[list_of[i]].push_back(static_cast<std::uint32_t>(parts_.size + i));
    }
    for (std::size_t list = 0; list < lists(); ++list) parts_.stores[list].append(pending[list]);
  }
  parts_.size += rows;
  grow();
}

void CodeIndex::add(const Vectors& rows) {
  check_vectors(rows, dimension(), "documents");
  check_room(rows.rows);
  constexpr std::size_t kPiece = 65536;  // so that the rotated copy stays small
  for (std::size_t first = 0; first < rows.rows; first += kPiece) {
    const std::vector<float> rotated =
        quantizer_.rotate(rows.slice(first, std::min(kPiece, rows.rows - first)));
    const Vectors piece = as_vectors(rotated, dimension());
    add_bytes(quantizer_.codes_of_rotated(piece), piece);
  }
}

void CodeIndex::add_codes(std::span<const std::uint8_t> codes) {
  check_internal(codes.size() % quantizer_.code_bytes() == 0, "whole codes");
  const std::size_t rows = codes.size() / quantizer_.code_bytes();
  check_room(rows);
  std::vector<std::uint8_t> bytes(rows * quantizer_.blocks());
  quantizer_.unpack(codes, bytes);
  std::vector<float> decoded;
  if (has_lists()) {
    std::vector<float> rows_of_codes(rows * dimension());
    quantizer_.decode(codes, rows_of_codes);
    decoded = quantizer_.rotate(as_vectors(rows_of_codes, dimension()));
  }
  add_bytes(bytes, {decoded.data(), has_lists() ? rows : 0, dimension()});
}

void CodeIndex::update(std::span<const std::uint32_t> numbers, const Vectors& rows) {
  check_vectors(rows, dimension(), "documents");
  check_internal(numbers.size() == rows.rows, "one number a row");
  check_rows(numbers, "update");
  const std::vector<float> rotated = quantizer_.rotate(rows);
  const Vectors turned = as_vectors(rotated, dimension());
  const std::vector<std::uint8_t> bytes = quantizer_.codes_of_rotated(turned);
  const auto code = [&](std::size_t i) {
    return std::span(bytes).subspan(i * quantizer_.blocks(), quantizer_.blocks());
  };
  if (!has_lists()) {
    for (std::size_t i = 0; i < numbers.size(); ++i) parts_.stores[0].set(numbers[i], code(i));
    return;
  }
  Bitmap moving(size());
  for (const std::uint32_t number : numbers) moving.set(number);
  for (auto& list : parts_.numbers) {
    std::replace_if(
        list.begin(),
        list.end(),
        [&](auto number) { return number != kNoRow && moving.test(number); },
        kNoRow);
  }
  std::unordered_map<std::uint32_t, std::size_t>
      last;  // of a number that stands twice, the later vector counts
  for (std::size_t i = 0; i < numbers.size(); ++i) last[numbers[i]] = i;
  const std::vector<std::uint32_t> list_of = assign(turned, parts_.coarse);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (last[numbers[i]] != i) continue;
    parts_.stores[list_of[i]].append(code(i));
    parts_.numbers[list_of[i]].push_back(numbers[i]);
  }
}

void CodeIndex::keep_only(std::span<const std::uint32_t> rows) {
  if (!has_lists()) {
    parts_.stores[0].keep_only(rows);
  } else {
    std::vector<std::uint32_t> number_of(size(), kNoRow), kept;
    for (std::uint32_t i = 0; i < rows.size(); ++i) number_of[rows[i]] = i;
    for (std::size_t list = 0; list < lists(); ++list) {
      std::vector<std::uint32_t> numbers;
      kept.clear();
      for (std::uint32_t place = 0; place < parts_.numbers[list].size(); ++place) {
        const std::uint32_t before = parts_.numbers[list][place];
        if (before == kNoRow || number_of[before] == kNoRow) continue;
        kept.push_back(place);
        numbers.push_back(number_of[before]);
      }
      parts_.stores[list].keep_only(kept);
      parts_.numbers[list] = std::move(numbers);
    }
  }
  parts_.size = rows.size();
  parts_.removed = Bitmap(parts_.size);
}

void CodeIndex::own_codes() {
  for (CodeStore& store : parts_.stores) store.own();
}

std::vector<std::uint8_t> CodeIndex::codes() const {
  const std::size_t codes = quantizer_.blocks();
  std::vector<std::uint8_t> bytes(size() * codes), packed(size() * quantizer_.code_bytes());
  for (std::size_t list = 0; list < lists(); ++list) {
    for (std::size_t row = 0; row < parts_.stores[list].rows(); ++row) {
      const std::uint32_t number = filter(list, nullptr).number(row);
      if (number != kNoRow) parts_.stores[list].get(row, std::span(bytes).subspan(number * codes, codes));
    }
  }
  quantizer_.pack(bytes, packed);
  return packed;
}

std::vector<Hits> CodeIndex::search_checked(const Vectors& queries, const SearchRequest& request) const {
  return has_lists() ? search_lists(queries, request) : search_all(queries, request);
}

std::vector<Hits> CodeIndex::search_all(const Vectors& queries, const SearchRequest& request) const {
  const CodeStore& store = parts_.stores[0];
  const ScanFilter accepted = filter(0, request.allowed);
  const std::size_t step = kPieceRows / store.block_rows(),
                    table_size = quantizer_.blocks() * quantizer_.codewords();
  const std::size_t pieces = (store.block_count() + step - 1) / step;
  return search_in_tasks(
      queries.rows,
      kGroup,
      pieces,
      std::min(request.k, size()),
      [&](auto first, auto last, auto begin, auto end, std::vector<TopK>& best) {
        const std::vector<float> floats = quantizer_.tables(queries.slice(first, last - first));
        std::vector<QueryTables> tables;
        for (std::size_t q = 0; q < last - first; ++q) {
          tables.emplace_back(std::span(floats).subspan(q * table_size, table_size), quantizer_.codewords());
        }
        for (std::size_t piece = begin; piece < end; ++piece) {
          const std::size_t block = piece * step, block_end = std::min(block + step, store.block_count());
          for (std::size_t q = 0; q < tables.size(); ++q)
            store.scan(tables[q], accepted, block, block_end, best[q]);
        }
      });
}

void CodeIndex::link_coarse(const GraphOptions& options) {
  check_internal(has_lists(), "lists to link");
  parts_.coarse_graph.emplace(options);
  parts_.coarse_graph->add(VectorSpace(as_vectors(parts_.coarse, dimension())));
}

std::vector<std::vector<std::uint32_t>> CodeIndex::nearest_lists(const Vectors& rotated,
                                                                 std::size_t probes) const {
  std::vector<std::vector<std::uint32_t>> result(rotated.rows);
  const auto take = [&](std::size_t q, const Hits& hits) {
    for (std::size_t i = 0; i < std::min(probes, hits.size()); ++i) result[q].push_back(hits[i].row);
  };
  const std::size_t wanted = 2 * probes + 32;  // in sight, so that nearly all of the nearest are among them
  const auto& graph = parts_.coarse_graph;
  if (graph && wanted * static_cast<std::size_t>(graph->options().neighbors) < lists() / 2) {
    const Vectors coarse = as_vectors(parts_.coarse, dimension());
    for (std::size_t q = 0; q < rotated.rows; ++q)
      take(q, graph->search(VectorQuery(coarse, rotated.row(q)), wanted));
    return result;
  }
  std::vector<float> products(rotated.rows * coarse_->padded());
  const kernels::GemmTerm term{.a = rotated.data,
                               .row_stride = static_cast<std::ptrdiff_t>(rotated.stride),
                               .b = coarse_->columns(),
                               .steps = dimension(),
                               .b_step = static_cast<std::ptrdiff_t>(coarse_->padded())};
  kernels::gemm({&term, 1},
                rotated.rows,
                coarse_->padded(),
                {.c = products.data(), .row_stride = static_cast<std::ptrdiff_t>(coarse_->padded())});
  for (std::size_t q = 0; q < rotated.rows; ++q) {
    TopK best(std::min(probes, lists()));
    for (std::uint32_t list = 0; list < lists(); ++list)
      best.add({list, products[q * coarse_->padded() + list]});
    take(q, best.take());
  }
  return result;
}

std::vector<Hits> CodeIndex::search_lists(const Vectors& queries, const SearchRequest& request) const {
  const auto threads = static_cast<std::size_t>(thread_count());
  const std::size_t group = std::clamp((queries.rows + threads - 1) / threads, kGroup, kSharing);
  std::vector<Hits> results(queries.rows);
  parallel_for(queries.rows, group, [&](std::size_t begin, std::size_t end) {
    search_lists_of(
        queries.slice(begin, end - begin), request, std::span(results).subspan(begin, end - begin));
  });
  return results;
}

// Each query first looks into the lists nearest to it, so that it knows what a row must reach; the other lists are then visited one after
// the other, by all queries that look into them while their codes are in the cache.
void CodeIndex::search_lists_of(const Vectors& queries,
                                const SearchRequest& request,
                                std::span<Hits> results) const {
  const std::size_t probes = request.probes == 0 ? default_probes() : request.probes,
                    table_size = quantizer_.blocks() * quantizer_.codewords();
  const std::vector<float> rotated = quantizer_.rotate(queries);
  const Vectors turned = as_vectors(rotated, dimension());
  const std::vector<float> floats = quantizer_.tables_of_rotated(turned);
  const auto nearest = nearest_lists(turned, probes);
  std::vector<Visit> visits;
  for (std::uint32_t q = 0; q < queries.rows; ++q) {
    for (std::size_t i = 0; i < std::min(kFirst, nearest[q].size()); ++i)
      visits.push_back({nearest[q][i], q});
  }
  add_by_list(nearest, lists(), visits);
  std::vector<QueryTables> tables;
  std::vector<TopK> best(queries.rows, TopK(std::min(request.k, size())));
  for (std::size_t q = 0; q < queries.rows; ++q)
    tables.emplace_back(std::span(floats).subspan(q * table_size, table_size), quantizer_.codewords());
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const auto [list, query] = visits[i];
    if (i + 2 < visits.size()) {
      __builtin_prefetch(&parts_.stores[visits[i + 2].list]);
      __builtin_prefetch(&parts_.numbers[visits[i + 2].list]);
    }
    const CodeStore* next = i + 1 < visits.size() ? &parts_.stores[visits[i + 1].list] : nullptr;
    parts_.stores[list].scan(tables[query],
                             filter(list, request.allowed),
                             0,
                             parts_.stores[list].block_count(),
                             best[query],
                             next);
  }
  for (std::size_t q = 0; q < queries.rows; ++q) results[q] = best[q].take();
}

std::vector<Hits> CodeIndex::range_checked(const Vectors& queries, float least, const Bitmap* allowed) const {
  std::vector<Hits> results(queries.rows);
  parallel_for(queries.rows, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t q = begin; q < end; ++q) {
      const std::vector<float> floats = quantizer_.tables(queries.slice(q, 1));
      const QueryTables tables(floats, quantizer_.codewords());
      for (std::size_t list = 0; list < lists(); ++list) {
        parts_.stores[list].scan_range(
            tables, filter(list, allowed), least, [&](std::uint32_t number, float score) {
              results[q].push_back({number, score});
            });
      }
      std::sort(results[q].begin(), results[q].end(), better);
    }
  });
  return results;
}

std::vector<float> train_coarse(const ProductQuantizer& quantizer,
                                const Vectors& rows,
                                std::size_t lists,
                                std::uint64_t seed) {
  check_vectors(rows, quantizer.dimension(), "training vectors");
  const std::vector<float> rotated = quantizer.rotate(rows);
  return kmeans(as_vectors(rotated, rows.dimension), lists, {.seed = static_cast<std::int64_t>(seed)})
      .centroids;
}

}  // namespace tenfold::search
