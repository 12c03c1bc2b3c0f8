// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/graph_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kGrain = 8;  // queries a task, whose tables are made together

// Codes in rows, of 8 or 4 bits.
struct CodeRows {
  std::span<const std::uint8_t> codes;
  std::size_t blocks = 0, bits = 8, row_bytes = 0;

  CodeRows(const ProductQuantizer& quantizer, std::span<const std::uint8_t> packed)
      : codes(packed),
        blocks(quantizer.blocks()),
        bits(quantizer.bits()),
        row_bytes(quantizer.code_bytes()) {}
  const std::uint8_t* row(std::size_t i) const { return codes.data() + i * row_bytes; }
  std::size_t code(const std::uint8_t* row, std::size_t m) const {
    return bits == 8 ? row[m] : (row[m / 2] >> (m % 2 * 4)) & 15;
  }
};

// Sums of kRows rows at once, each in the order of the blocks, so that a row's score is the same wherever it is asked for.
template <std::size_t kRows, std::size_t kBits>
void sum_tables(const float* tables, const std::uint8_t* const* rows, std::size_t blocks, float* sums) {
  float total[kRows] = {};
  for (std::size_t m = 0; m < blocks; ++m, tables += std::size_t{1} << kBits) {
    for (std::size_t i = 0; i < kRows; ++i)
      total[i] += tables[kBits == 8 ? rows[i][m] : (rows[i][m / 2] >> (m % 2 * 4)) & 15];
  }
  std::copy_n(total, kRows, sums);
}

class CodeQuery final : public GraphQuery {
 public:
  // `lifts` of all nodes and of the query itself while a graph is built; empty: inner products alone.
  CodeQuery(const CodeRows& rows, std::span<const float> tables, std::span<const float> lifts, float lift)
      : rows_(rows), tables_(tables), lifts_(lifts), lift_(lift) {}

  void scores(std::span<const std::uint32_t> nodes, float* scores) const override {
    for (const std::uint32_t node : nodes) __builtin_prefetch(rows_.row(node));
    std::size_t i = 0;
    for (; i + 4 <= nodes.size(); i += 4) {
      const std::uint8_t* four[] = {
          rows_.row(nodes[i]), rows_.row(nodes[i + 1]), rows_.row(nodes[i + 2]), rows_.row(nodes[i + 3])};
      rows_.bits == 8 ? sum_tables<4, 8>(tables_.data(), four, rows_.blocks, scores + i)
                      : sum_tables<4, 4>(tables_.data(), four, rows_.blocks, scores + i);
    }
    for (; i < nodes.size(); ++i) {
      const std::uint8_t* one[] = {rows_.row(nodes[i])};
      rows_.bits == 8 ? sum_tables<1, 8>(tables_.data(), one, rows_.blocks, scores + i)
                      : sum_tables<1, 4>(tables_.data(), one, rows_.blocks, scores + i);
    }
    if (lifts_.empty()) return;
    for (i = 0; i < nodes.size(); ++i) scores[i] += lift_ * lifts_[nodes[i]];
  }

 private:
  const CodeRows& rows_;
  std::span<const float> tables_, lifts_;
  float lift_;
};

// A query that holds its own tables.
class OwningQuery final : public GraphQuery {
 public:
  OwningQuery(const CodeRows& rows, std::vector<float> tables, std::span<const float> lifts, float lift)
      : tables_(std::move(tables)), query_(rows, tables_, lifts, lift) {}
  void scores(std::span<const std::uint32_t> nodes, float* scores) const override {
    query_.scores(nodes, scores);
  }

 private:
  std::vector<float> tables_;
  CodeQuery query_;
};

// Nodes are what codes stand for, in the space after the rotation; the rows from `first` on look for their neighbours by themselves.
class CodeSpace final : public GraphSpace {
 public:
  CodeSpace(const ProductQuantizer& quantizer,
            std::span<const std::uint8_t> codes,
            std::size_t first,
            const Vectors& rotated)
      : quantizer_(quantizer), rows_(quantizer, codes), first_(first), rotated_(rotated) {
    const auto& centroids = quantizer_.parts().centroids;
    const std::size_t width = quantizer_.width(), words = quantizer_.codewords();
    std::vector<float> lengths(quantizer_.blocks() * words, 0.0f);
    for (std::size_t i = 0; i < centroids.size(); ++i) lengths[i / width] += centroids[i] * centroids[i];
    std::vector<float> squares(size(), 0.0f);
    parallel_for(size(), 16384, [&](std::size_t begin, std::size_t end) {
      for (std::size_t node = begin; node < end; ++node) {
        for (std::size_t m = 0; m < rows_.blocks; ++m)
          squares[node] += lengths[m * words + rows_.code(rows_.row(node), m)];
      }
    });
    lifts_ = lifts(squares);
  }

  std::size_t size() const override { return rows_.codes.size() / rows_.row_bytes; }
  std::size_t width() const override { return quantizer_.dimension() + 1; }
  void vector(std::uint32_t node, float* values) const override {
    decode(node, values);
    values[quantizer_.dimension()] = lifts_[node];
  }
  std::unique_ptr<GraphQuery> query(std::uint32_t node) const override {
    std::vector<float> decoded;
    const float* row = nullptr;
    if (node >= first_ && node - first_ < rotated_.rows) {
      row = rotated_.row(node - first_).data();
    } else {
      decoded.resize(quantizer_.dimension());
      decode(node, decoded.data());
      row = decoded.data();
    }
    return std::make_unique<OwningQuery>(
        rows_, quantizer_.tables_of_rotated({row, 1, quantizer_.dimension()}), lifts_, lifts_[node]);
  }

 private:
  void decode(std::uint32_t node, float* values) const {
    const std::size_t width = quantizer_.width();
    for (std::size_t m = 0; m < rows_.blocks; ++m) {
      const std::size_t word = m * quantizer_.codewords() + rows_.code(rows_.row(node), m);
      std::copy_n(&quantizer_.parts().centroids[word * width], width, values + m * width);
    }
  }

  const ProductQuantizer& quantizer_;
  CodeRows rows_;
  std::size_t first_;
  Vectors rotated_;
  std::vector<float> lifts_;
};

}  // namespace

GraphIndex::GraphIndex(ProductQuantizer quantizer, GraphOptions options)
    : quantizer_(std::move(quantizer)), graph_(options) {}

GraphIndex::GraphIndex(ProductQuantizer quantizer, Parts parts)
    : quantizer_(std::move(quantizer)),
      graph_(std::move(parts.graph)),
      rows_(graph_.size()),
      mapped_(parts.codes),
      keep_(std::move(parts.keep)) {
  if (parts.codes.size() != rows_ * quantizer_.code_bytes() || parts.removed.size() != rows_) {
    throw Error(ErrorClass::kData,
                "index.lists",
                {.what = "graph, codes and removed rows do not fit together",
                 .seen = fmt::format(
                     "{} nodes, {} bytes of codes, {} bits", rows_, parts.codes.size(), parts.removed.size()),
                 .wanted = fmt::format("{} bytes a node, a bit each", quantizer_.code_bytes())});
  }
  set_removed(std::move(parts.removed));
}

std::size_t GraphIndex::bytes() const {
  return codes().size() + graph_.bytes() +
         (quantizer_.parts().centroids.size() + quantizer_.parts().rotation.size()) * sizeof(float);
}

void GraphIndex::own_codes() {
  if (mapped_.empty()) return;
  owned_.assign(mapped_.begin(), mapped_.end());
  mapped_ = {};
  keep_.reset();
}

void GraphIndex::add(const Vectors& rows) {
  check_vectors(rows, dimension(), "documents");
  check_room(rows.rows);
  own_codes();
  constexpr std::size_t kPiece = 65536;  // so that the rotated copy stays small
  for (std::size_t first = 0; first < rows.rows; first += kPiece) {
    const Vectors piece = rows.slice(first, std::min(kPiece, rows.rows - first));
    const std::vector<float> rotated = quantizer_.rotate(piece);
    const Vectors turned = as_vectors(rotated, dimension());
    owned_.resize((rows_ + piece.rows) * quantizer_.code_bytes());
    quantizer_.pack(quantizer_.codes_of_rotated(turned),
                    std::span(owned_).subspan(rows_ * quantizer_.code_bytes()));
    graph_.add(CodeSpace(quantizer_, owned_, rows_, turned));
    rows_ += piece.rows;
  }
  grow();
}

void GraphIndex::add_codes(std::span<const std::uint8_t> codes) {
  check_internal(codes.size() % quantizer_.code_bytes() == 0, "whole codes");
  check_room(codes.size() / quantizer_.code_bytes());
  own_codes();
  owned_.insert(owned_.end(), codes.begin(), codes.end());
  rows_ = owned_.size() / quantizer_.code_bytes();
  graph_.add(CodeSpace(quantizer_, owned_, rows_, {}));
  grow();
}

void GraphIndex::update(std::span<const std::uint32_t> numbers, const Vectors& rows) {
  check_vectors(rows, dimension(), "documents");
  check_internal(numbers.size() == rows.rows, "one number a row");
  check_rows(numbers, "update");
  own_codes();
  std::vector<std::uint8_t> codes(rows.rows * quantizer_.code_bytes());
  quantizer_.encode(rows, codes);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::copy_n(&codes[i * quantizer_.code_bytes()],
                quantizer_.code_bytes(),
                &owned_[numbers[i] * quantizer_.code_bytes()]);
  }
  graph_.relink(CodeSpace(quantizer_, owned_, rows_, {}), numbers);
}

void GraphIndex::keep_only(std::span<const std::uint32_t> rows) {
  const std::size_t bytes = quantizer_.code_bytes();
  std::vector<std::uint8_t> kept(rows.size() * bytes);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(&codes()[rows[i] * bytes], bytes, &kept[i * bytes]);
  own_codes();
  owned_ = std::move(kept);
  rows_ = rows.size();
  graph_ = NeighborGraph(graph_.options());
  graph_.add(CodeSpace(quantizer_, owned_, rows_, {}));
}

std::vector<Hits> GraphIndex::search_checked(const Vectors& queries, const SearchRequest& request) const {
  const RowFilter filter{request.allowed, removed_or_null()};
  std::vector<std::uint32_t> passing;
  const std::size_t wanted =
      std::max(request.k, request.candidates == 0 ? kDefaultCandidates : request.candidates);
  std::size_t count = live();
  if (request.allowed != nullptr) {
    count = 0;
    for (std::size_t i = 0; i < request.allowed->words().size(); ++i)
      count += static_cast<std::size_t>(std::popcount(request.allowed->word(i) & ~removed().word(i)));
  }
  // A walk scores about `wanted` x links rows, and more the fewer of them pass; all that pass may be fewer.
  const bool all = count * count <= wanted * static_cast<std::size_t>(graph_.options().neighbors) * rows_;
  if (all) {
    for (std::size_t row = 0; row < rows_; ++row) {
      if (filter.accepts(row)) passing.push_back(static_cast<std::uint32_t>(row));
    }
  }
  const CodeRows rows(quantizer_, codes());
  const std::size_t table_size = quantizer_.blocks() * quantizer_.codewords();
  std::vector<Hits> results(queries.rows);
  parallel_for(queries.rows, kGrain, [&](std::size_t begin, std::size_t end) {
    const std::vector<float> tables = quantizer_.tables(queries.slice(begin, end - begin));
    std::vector<float> scores(passing.size());
    for (std::size_t q = begin; q < end; ++q) {
      const CodeQuery query(rows, std::span(tables).subspan((q - begin) * table_size, table_size), {}, 0);
      if (!all) {
        results[q] = graph_.search(query, wanted, filter);
        results[q].resize(std::min(results[q].size(), request.k));
        continue;
      }
      query.scores(passing, scores.data());
      TopK best(std::min(request.k, passing.size()));
      for (std::size_t i = 0; i < passing.size(); ++i) best.add({passing[i], scores[i]});
      results[q] = best.take();
    }
  });
  return results;
}

std::vector<Hits> GraphIndex::range_checked(const Vectors& queries,
                                            float least,
                                            const Bitmap* allowed) const {
  std::vector<Hits> results(queries.rows);
  const RowFilter filter{allowed, removed_or_null()};
  const CodeRows rows(quantizer_, codes());
  parallel_for(queries.rows, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t q = begin; q < end; ++q) {
      const std::vector<float> tables = quantizer_.tables(queries.slice(q, 1));
      const CodeQuery query(rows, tables, {}, 0);
      for (std::uint32_t row = 0; row < rows_; ++row) {
        float score = 0;
        if (!filter.accepts(row)) continue;
        query.scores({&row, 1}, &score);
        if (score >= least) results[q].push_back({row, score});
      }
      std::sort(results[q].begin(), results[q].end(), better);
    }
  });
  return results;
}

}  // namespace tenfold::search
