// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/bench/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/process.h"
#include "tenfold/base/threads.h"
#include "tenfold/io/bundle.h"
#include "tenfold/kernels/adc_scan.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/search/bm25.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/search/graph_index.h"
#include "tenfold/search/index_bundle.h"
#include "tenfold/search/kmeans.h"
#include "tenfold/search/sinkhorn.h"
#include "tenfold/systems/repconc/bench/bench_data.h"
#include "tenfold/systems/repconc/bench/floors.h"
#include "tenfold/systems/repconc/bench/runner.h"

namespace tenfold::repconc {
namespace {

using search::Vectors;

constexpr std::size_t kDimension = 768, kCodeBytes = 48, kBest = 100, kBatch = 64;
constexpr std::size_t kSmallDimension = 96, kFew = 10;
volatile float sink = 0;  // results go here, so that nothing is left out as unused

// The thread setting comes back whatever happens.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T, CacheLineAllocator<T>>& values) {
  return std::as_bytes(std::span(values));
}

template <typename Values>
void share(BenchRunner& runner, const std::string& name, const Values& values) {
  runner.share(name, values.data(), values.size() * sizeof(values[0]));
}

void use(const std::vector<search::Hits>& hits) {
  sink = sink + (hits[0].empty() ? 0.0f : hits[0][0].score);
}

void keep(std::uint64_t bits) {
  sink = sink + static_cast<float>(bits & 1);
}

// Codes for scans of 48 bytes a row: what they say is no matter for the time.
struct ScanScene {
  std::size_t count, bits, blocks;
  AlignedVector<std::uint8_t> codes;
  AlignedVector<float> queries;
  search::CodeIndex index;

  ScanScene(std::size_t documents, std::size_t code_bits)
      : count(documents),
        bits(code_bits),
        blocks(kCodeBytes * 8 / bits),
        codes(noise_bytes(count * kCodeBytes, 2)),
        queries(noise(kBatch * kDimension, 3)),
        index(noise_quantizer(kDimension, blocks, bits)) {
    index.add_codes(codes);
  }
  double millions() const { return static_cast<double>(count) / 1e6; }
  void search(std::size_t asked) const {
    use(index.search({queries.data(), asked, kDimension}, {.k = kBest}));
  }
  void read_codes() const { keep(read_bytes(bytes_of(codes))); }
};

void scan_one(BenchRunner& runner, const ScanScene& scene, std::vector<BenchRow>& rows) {
  BenchRow row{.name = fmt::format("adc{}", scene.bits),
               .what = fmt::format("{} rows of 48 bytes, {} bits a code, one query, best {} ({})",
                                   scene.count,
                                   scene.bits,
                                   kBest,
                                   kernels::adc_target()),
               .rate_unit = "M rows/s",
               .floor_note = "reading the codes"};
  runner.time(row,
              {[&] { scene.search(1); }, [&] { scene.read_codes(); }, scene.millions()},
              scene.bits == 8 ? "codes, one query" : "fast scan, one query");
  rows.push_back(row);
}

// Of a scan that looks floats up, which ours is not.
void scan_look_ups(BenchRunner& runner, const ScanScene& scene, std::vector<BenchRow>& rows) {
  const std::vector<float> tables = scene.index.quantizer().tables({scene.queries.data(), 1, kDimension});
  const auto best_of = [&](const auto& floor, std::string note) {
    BenchRow row{.name = "adc8_lookups",
                 .what = "the same beside look-ups in float tables, the bound of a scan that uses those",
                 .rate_unit = "M rows/s",
                 .floor_note = std::move(note)};
    runner.time(
        row,
        {[&] { scene.search(1); },
         [&] { sink = sink + floor(scene.codes.data(), scene.count / 16 * 16, scene.blocks, tables.data()); },
         scene.millions()},
        "");
    return row;
  };
  const BenchRow loads = best_of(load_sums, "float look-ups by loads, the faster way here"),
                 gathers = best_of(gather_sums, "float look-ups by gathers, the faster way here");
  rows.push_back(*gathers.floor_cpu < *loads.floor_cpu ? gathers : loads);
}

void scan_batch(BenchRunner& runner, const ScanScene& scene, std::vector<BenchRow>& rows) {
  BenchRow row{.name = fmt::format("adc{}_batch", scene.bits),
               .what = fmt::format("{} rows of 48 bytes, {} bits a code, {} queries that share the blocks in "
                                   "the cache",
                                   scene.count,
                                   scene.bits,
                                   kBatch),
               .rate_unit = "M rows/s",
               .floor_note = "reading the codes once a query"};
  runner.time(row,
              {[&] { scene.search(kBatch); },
               [&] {
                 for (std::size_t q = 0; q < kBatch; ++q) scene.read_codes();
               },
               scene.millions() * kBatch},
              scene.bits == 8 ? "" : "fast scan, 64 queries");
  rows.push_back(row);
}

void scan_rows(BenchRunner& runner, std::size_t bits, std::vector<BenchRow>& rows) {
  const std::string base = fmt::format("adc{}", bits);
  const bool one = runner.wanted(base), batch = runner.wanted(base + "_batch");
  if (!one && !batch) return;
  const ScanScene scene(runner.options().documents, bits);
  share(runner, "codes", scene.codes);
  share(runner, "queries", scene.queries);
  share(runner, "centroids", scene.index.quantizer().parts().centroids);
  runner.ask({{"prepare", "scan"}, {"bits", bits}, {"blocks", scene.blocks}, {"dimension", kDimension}});
  if (one) scan_one(runner, scene, rows);
  if (one && bits == 8) scan_look_ups(runner, scene, rows);
  if (batch) scan_batch(runner, scene, rows);
}

void filter_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("filter")) return;
  const std::size_t count = runner.options().documents;
  search::CodeIndex index(noise_quantizer(kDimension, kCodeBytes, 8));
  index.add_codes(noise_bytes(count * kCodeBytes, 2));
  const auto query = noise(kDimension, 3);
  const Vectors one(query.data(), 1, kDimension);
  search::Bitmap allowed(count);
  const auto draws = noise_bytes(2 * count, 4);
  for (std::size_t row = 0; row < count; ++row) {
    if (draws[2 * row] + 256u * draws[2 * row + 1] < 655) allowed.set(row);
  }
  BenchRow row{.name = "filter",
               .what = "8 bits a code, a filter that lets 1 % of the rows through, one query",
               .rate_unit = "M rows/s",
               .floor_note = "the same search without the filter"};
  runner.time(row,
              {[&] { use(index.search(one, {.k = kBest, .allowed = &allowed})); },
               [&] { use(index.search(one, {.k = kBest})); },
               static_cast<double>(count) / 1e6},
              "");
  rows.push_back(row);
}

// `panels` is taken for packed ones, whose order does not matter here.
void multiply(const float* queries, std::size_t count, const AlignedVector<float>& panels) {
  constexpr std::size_t kColumns = 2 * kernels::kPanelColumns;
  AlignedVector<float> products(count * kColumns);
  for (std::size_t at = 0; at + kColumns * kDimension <= panels.size(); at += kColumns * kDimension) {
    const kernels::GemmTerm term{
        .a = queries, .row_stride = kDimension, .b = &panels[at], .steps = kDimension};
    kernels::gemm({&term, 1}, count, kColumns, {.c = products.data(), .row_stride = kColumns});
    sink = sink + products[0];
  }
}

void flat_rows(BenchRunner& runner, std::vector<BenchRow>& rows) {
  const bool one_wanted = runner.wanted("flat"), batch_wanted = runner.wanted("flat_batch");
  if (!one_wanted && !batch_wanted) return;
  const std::size_t count = std::min<std::size_t>(50'000, runner.options().documents);
  const auto values = noise(count * kDimension, 6), queries = noise(kBatch * kDimension, 7);
  search::FlatIndex index(kDimension);
  index.add({values.data(), count, kDimension});
  share(runner, "rows", values);
  share(runner, "queries", queries);
  runner.ask({{"prepare", "flat"}, {"dimension", kDimension}});
  for (const std::size_t asked : {std::size_t{1}, kBatch}) {
    if (asked == 1 ? !one_wanted : !batch_wanted) continue;
    BenchRow row{.name = asked == 1 ? "flat" : "flat_batch",
                 .what = fmt::format("exact search, {} rows of dimension {}, {} {}",
                                     count,
                                     kDimension,
                                     asked,
                                     asked == 1 ? "query" : "queries"),
                 .rate_unit = "GFLOP/s",
                 .floor_note = asked == 1 ? "reading the vectors" : "the product of the matrices alone"};
    const auto floor = [&] {
      if (asked == 1)
        keep(read_bytes(bytes_of(values)));
      else
        multiply(queries.data(), asked, values);
    };
    runner.time(row,
                {[&] {
                   use(index.search({queries.data(), asked, kDimension}, {.k = kBest}));
                 },
                 floor,
                 2e-9 * static_cast<double>(asked * count * kDimension)},
                asked == 1 ? "flat, one query" : "flat, 64 queries");
    rows.push_back(row);
  }
}

void encode_row(BenchRunner& runner, std::size_t bits, std::vector<BenchRow>& rows) {
  const std::string name = fmt::format("encode{}", bits);
  if (!runner.wanted(name)) return;
  constexpr std::size_t kRows = 8192;
  const std::size_t blocks = kCodeBytes * 8 / bits;
  const auto values = noise(kRows * kDimension, 5);
  const auto quantizer = noise_quantizer(kDimension, blocks, bits);
  share(runner, "rows", values);
  share(runner, "centroids", quantizer.parts().centroids);
  runner.ask({{"prepare", "encode"}, {"bits", bits}, {"blocks", blocks}, {"dimension", kDimension}});
  std::vector<std::uint8_t> codes(kRows * kCodeBytes);
  // As many multiply-adds as all distances need, at the measured peak of this core.
  const double flop = 2.0 * static_cast<double>(kRows * kDimension) * static_cast<double>(1u << bits);
  BenchRow row{.name = name,
               .what = fmt::format(
                   "{} vectors of dimension {} into 48 bytes, {} bits a code", kRows, kDimension, bits),
               .rate_unit = "k rows/s",
               .floor_note = "the multiply-adds of all distances at the core's measured peak"};
  runner.time(row,
              {[&] {
                 quantizer.encode({values.data(), kRows, kDimension}, codes);
               },
               {},
               kRows / 1e3},
              "encode");
  row.floor = row.floor_cpu = 1e3 * flop / kernels::gemm_peak(false);
  row.share_of_floor = *row.floor_cpu / row.ours_cpu;
  rows.push_back(row);
}

void balance_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("balance")) return;
  constexpr std::size_t kRows = 4096, kBlocks = 16, kWords = 256, kWidth = 8;
  constexpr int kRounds = 100;
  const auto values = noise(kRows * kBlocks * kWidth, 8), words = noise(kBlocks * kWords * kWidth, 9);
  const AlignedVector<float> matrix(kRows * kWords, 1.0f);
  share(runner, "rows", values);
  share(runner, "centroids", words);
  runner.ask(
      {{"prepare", "balance"}, {"blocks", kBlocks}, {"dimension", kBlocks * kWidth}, {"rounds", kRounds}});
  BenchRow row{
      .name = "balance",
      .what = "balanced codes (Sinkhorn, in double), 4096 rows x 256 codewords x 16 blocks, 100 rounds",
      .rate_unit = "M rows x blocks/s",
      .floor_note = "reading a float matrix twice a round; it fits the third-level cache"};
  runner.time(row,
              {[&] {
                 sink = sink +
                        static_cast<float>(search::balanced_codes(
                                               {values.data(), kRows, kBlocks * kWidth}, words, kBlocks)[0]
                                               .codes[0]);
               },
               [&] {
                 for (std::size_t pass = 0; pass < 2 * kRounds * kBlocks; ++pass)
                   keep(read_bytes(bytes_of(matrix)));
               },
               kRows * kBlocks / 1e6},
              "balance");
  rows.push_back(row);
}

double recall(const std::vector<search::Hits>& found, const std::vector<search::Hits>& best) {
  std::size_t same = 0, all = 0;
  for (std::size_t q = 0; q < best.size(); ++q) {
    all += best[q].size();
    for (const search::Hit& hit : best[q]) {
      same += static_cast<std::size_t>(std::count_if(
          found[q].begin(), found[q].end(), [&](const auto& other) { return other.row == hit.row; }));
    }
  }
  return static_cast<double>(same) / static_cast<double>(all);
}

search::ProductQuantizer small_quantizer(const Vectors& rows, std::size_t bytes) {
  return search::train_product_quantizer(
      rows.slice(0, std::min<std::size_t>(rows.rows, 20'000)),
      {.method = "pq", .bytes = static_cast<std::int64_t>(bytes), .kmeans_iterations = 5});
}

std::optional<double> number(const nlohmann::json& answer, const char* key) {
  if (!answer.is_object() || !answer.contains(key)) return std::nullopt;
  return answer[key].get<double>();
}

// `row`: that of the batch, not timed yet.
BenchRow lists_one_row(BenchRunner& runner,
                       BenchRow row,
                       const search::CodeIndex& index,
                       const search::CodeIndex& whole,
                       const Vectors& asked) {
  row.name = "lists_one";
  row.what += ", one after the other";
  const auto by_one = [&](const search::CodeIndex& searched, const search::SearchRequest& request) {
    for (std::size_t q = 0; q < asked.rows; ++q) use(searched.search(asked.slice(q, 1), request));
  };
  runner.time(row,
              {[&] { by_one(index, {.k = kFew, .probes = index.lists() / 10}); },
               [&] { by_one(whole, {.k = kFew}); },
               static_cast<double>(asked.rows)},
              "");
  return row;
}

void lists_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  const bool batch = runner.wanted("lists"), one = runner.wanted("lists_one");
  if (!batch && !one) return;
  const std::size_t count = runner.options().documents,
                    lists = 4 * static_cast<std::size_t>(std::sqrt(static_cast<double>(count)));
  const auto values = grouped_vectors(count, kSmallDimension, 10),
             queries = grouped_vectors(kBatch, kSmallDimension, 11);
  const Vectors all(values.data(), count, kSmallDimension), asked(queries.data(), kBatch, kSmallDimension);
  const auto quantizer = small_quantizer(all, kCodeBytes);
  const auto coarse = search::kmeans(all, lists, {.iterations = 4, .points_per_cluster = 40}).centroids;
  search::CodeIndex index(quantizer, coarse), whole(quantizer);
  index.add(all);
  whole.add_codes(index.codes());
  const search::SearchRequest request{.k = kFew, .probes = lists / 10};
  std::vector<std::uint32_t> list_of(count);
  for (std::uint32_t list = 0; list < lists; ++list) {
    for (const std::uint32_t row : index.parts().numbers[list]) list_of[row] = list;
  }
  share(runner, "codes", index.codes());
  share(runner, "queries", queries);
  share(runner, "centroids", quantizer.parts().centroids);
  share(runner, "coarse", coarse);
  share(runner, "list_of", list_of);
  runner.ask({{"prepare", "lists"},
              {"blocks", kCodeBytes},
              {"dimension", kSmallDimension},
              {"probes", request.probes}});
  BenchRow row{
      .name = "lists",
      .what = fmt::format("{} rows of 48 bytes in {} lists, {} of them searched, {} queries, best {}",
                          count,
                          lists,
                          request.probes,
                          kBatch,
                          kFew),
      .rate_unit = "queries/s",
      .floor_note = "a scan of all rows with the same queries: how many times as long"};
  row.recall = recall(index.search(asked, request), whole.search(asked, {.k = kFew}));
  const BenchRow untimed = row;
  if (batch) {
    runner.time(row,
                {[&] { use(index.search(asked, request)); },
                 [&] { use(whole.search(asked, {.k = kFew})); },
                 static_cast<double>(kBatch)},
                "lists");
    rows.push_back(row);
  }
  if (one) rows.push_back(lists_one_row(runner, untimed, index, whole, asked));
}

void graph_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("graph")) return;
  constexpr std::size_t kBytes = 24, kQueries = 500;
  const search::GraphOptions graph{.neighbors = 16, .candidates = 100};
  const std::size_t count = std::min<std::size_t>(100'000, runner.options().documents);
  const auto values = grouped_vectors(count, kSmallDimension, 12),
             queries = grouped_vectors(kQueries, kSmallDimension, 13);
  const Vectors all(values.data(), count, kSmallDimension), asked(queries.data(), kQueries, kSmallDimension);
  const auto quantizer = small_quantizer(all, kBytes);
  search::CodeIndex whole(quantizer);
  whole.add(all);
  search::GraphIndex index(quantizer, graph);
  const Stopwatch clock;
  index.add(all);
  const double built = clock.cpu_seconds();
  share(runner, "rows", values);
  share(runner, "queries", queries);
  share(runner, "centroids", quantizer.parts().centroids);
  const nlohmann::json peer = runner.ask({{"prepare", "graph"},
                                          {"blocks", kBytes},
                                          {"dimension", kSmallDimension},
                                          {"neighbors", graph.neighbors},
                                          {"construction", graph.candidates},
                                          {"candidates", search::GraphIndex::kDefaultCandidates},
                                          {"best", kFew}});
  BenchRow row{.name = "graph",
               .what = fmt::format("HNSW over {} codes of {} bytes, {} candidates, {} queries, best {}; "
                                   "built in {:.1f} s of CPU time",
                                   count,
                                   kBytes,
                                   search::GraphIndex::kDefaultCandidates,
                                   kQueries,
                                   kFew,
                                   built),
               .rate_unit = "queries/s",
               .floor_note = "a scan of all rows with the same queries: how many times as long"};
  row.recall = recall(index.search(asked, {.k = kFew}), whole.search(asked, {.k = kFew}));
  row.peer_recall = number(peer, "recall");
  if (const auto seconds = number(peer, "build")) row.what += fmt::format(", Faiss in {:.1f} s", *seconds);
  runner.time(row,
              {[&] { use(index.search(asked, {.k = kFew})); },
               [&] { use(whole.search(asked, {.k = kFew})); },
               static_cast<double>(kQueries)},
              "graph");
  rows.push_back(row);
}

void words_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("words")) return;
  const std::size_t count = std::min<std::size_t>(100'000, runner.options().documents);
  const Texts texts = numbered_texts(count, 60, 200);
  const search::Bm25Index index(texts.documents);
  const AlignedVector<std::uint64_t> postings(std::min<std::uint64_t>(texts.postings, 4'000'000), 1);
  BenchRow row{.name = "words",
               .what = fmt::format("BM25 over {} texts of 60 words, {} queries of 3 to 6 words, best {}",
                                   count,
                                   texts.queries.size(),
                                   kFew),
               .rate_unit = "M postings/s",
               .floor_note = "reading as many postings of 8 bytes"};
  runner.time(row,
              {[&] { use(index.search(texts.queries, kFew)); },
               [&] {
                 for (std::uint64_t left = texts.postings; left > 0;) {
                   const auto part = std::min<std::uint64_t>(left, postings.size());
                   const auto bytes = bytes_of(postings).first(part * sizeof(std::uint64_t));
                   keep(read_bytes(bytes));
                   left -= part;
                 }
               },
               static_cast<double>(texts.postings) / 1e6},
              "");
  rows.push_back(row);
}

void threads_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("threads") || available_cores() < 2) return;
  constexpr std::size_t kRows = 16'384, kQueries = 1024;  // 768 KB of codes
  search::CodeIndex index(noise_quantizer(kDimension, kCodeBytes, 8));
  index.add_codes(noise_bytes(kRows * kCodeBytes, 2));
  const auto queries = noise(kQueries * kDimension, 3);
  const Vectors batch(queries.data(), kQueries, kDimension);
  const auto search_by = [&](int threads) {
    const Threads setting(threads);
    use(index.search(batch, {.k = kFew}));
  };
  BenchRow row{
      .name = "threads",
      .what = fmt::format("{} rows of 48 bytes in the cache, {} queries, two threads", kRows, kQueries),
      .rate_unit = "queries/s",
      .threads = 2,
      .floor_note = "half the time of one thread, measured in turn"};
  runner.time(row, {[&] { search_by(2); }, [&] { search_by(1); }, static_cast<double>(kQueries)}, "");
  row.floor = *row.floor / 2;
  row.floor_cpu.reset();
  row.share_of_floor = *row.floor / row.ours;
  rows.push_back(row);
}

// By how much the process grows while the index is open and after a search, pages of the file and others.
template <typename Open>
std::string open_memory(const Open& open) {
  open();  // so that what any search needs once is there
  const auto own = process_memory("RssAnon"), file = process_memory("RssFile");
  const auto members = open();
  const auto own_after = process_memory("RssAnon"), file_after = process_memory("RssFile");
  if (!own || !file || !own_after || !file_after) return "";
  return fmt::format("; memory grows by {:.2f} MB of its pages and {:.2f} MB of others",
                     (*file_after - *file) / 1e6,
                     (*own_after - *own) / 1e6);
}

void open_row(BenchRunner& runner, std::vector<BenchRow>& rows) {
  if (!runner.wanted("open")) return;
  const std::size_t count = runner.options().documents;
  search::CodeIndex index(noise_quantizer(kDimension, kCodeBytes, 8));
  index.add_codes(noise_bytes(count * kCodeBytes, 2));
  const auto query = noise(kDimension, 3);
  const Vectors one(query.data(), 1, kDimension);
  const Path folder = runner.path("index");
  io::BundleWriter writer(*runner.options().files, folder, {.system = "repconc", .created_by = "bench"});
  search::add_index_members(writer, index);
  std::uint64_t bytes = 0;
  for (const auto& member : writer.commit().members) bytes += member.size;
  BenchRow row{
      .name = "open",
      .what = fmt::format("from a bundle of {} bytes in the page cache, {:.3f} a row beside codes of "
                          "48, to the first answer",
                          bytes,
                          static_cast<double>(bytes) / static_cast<double>(count) - 48),
      .rate_unit = "GB/s",
      .floor_note = "the search alone"};
  const auto open_and_search = [&] {
    auto members = search::open_index_members(io::BundleReader::open(folder));
    use(members.index.search(one, {.k = kBest}));
    return members;
  };
  row.what += open_memory(open_and_search);
  runner.time(row,
              {[&] { open_and_search(); },
               [&] { use(index.search(one, {.k = kBest})); },
               static_cast<double>(bytes) / 1e9},
              "");
  rows.push_back(row);
  io::remove_bundle(*runner.options().files, folder);
}

}  // namespace

std::vector<std::string> bench_row_names() {
  return {"adc8",
          "adc8_batch",
          "adc4",
          "adc4_batch",
          "filter",
          "flat",
          "flat_batch",
          "encode8",
          "encode4",
          "balance",
          "lists",
          "lists_one",
          "graph",
          "words",
          "threads",
          "open"};
}

std::vector<BenchRow> bench_repconc(const BenchOptions& options) {
  if (options.repeats < 1 || options.documents < 1000) {
    throw Error(ErrorClass::kUsage,
                "bench.bad_size",
                {.what = "the benchmark cannot be run",
                 .seen = fmt::format("{} repeats, {} documents", options.repeats, options.documents),
                 .wanted = "at least 1 repeat and 1000 documents"});
  }
  const Threads one(1);
  BenchRunner runner(options);
  std::vector<BenchRow> rows;
  scan_rows(runner, 8, rows);
  scan_rows(runner, 4, rows);
  filter_row(runner, rows);
  flat_rows(runner, rows);
  encode_row(runner, 8, rows);
  encode_row(runner, 4, rows);
  balance_row(runner, rows);
  lists_row(runner, rows);
  graph_row(runner, rows);
  words_row(runner, rows);
  threads_row(runner, rows);
  open_row(runner, rows);
  return rows;
}

}  // namespace tenfold::repconc
