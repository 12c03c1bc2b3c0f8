// SPDX-License-Identifier: Apache-2.0
// Speed of the vector indexes on one thread, beside Faiss and beside what the machine can do: 8-bit and 4-bit scans of 48 bytes, exact
// search, encoding, and balanced assignment. Interleaved, medians; ratios are of CPU time.
//
//   build/release/bin/bench_vector_search [rows] [repeats] [scan8 | scan4 | filter | encode | flat | balanced]
#include <faiss/IndexFlat.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPQFastScan.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/base/clock.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/adc_scan.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/search/sinkhorn.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TENFOLD_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))
#endif

namespace {

namespace search = tenfold::search;

constexpr std::size_t kDimension = 768, kBest = 100;
std::size_t repeats = 9;
float sink = 0;  // results go here, so that nothing is left out as unused

tenfold::AlignedVector<float> normals(std::size_t count, std::uint64_t stream) {
  tenfold::random::Generator generator(1, stream);
  tenfold::AlignedVector<float> values(count);
  for (float& value : values)
    value = static_cast<float>(generator.uniform() + generator.uniform() + generator.uniform() - 1.5);
  return values;
}

struct Timed {
  std::string name;
  std::function<void()> run;
  std::vector<double> cpu, wall;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Runs all in turn, so that other work on the machine meets all alike. Prints time, rate (units of `work` a second) and the ratio of the
// first to each.
void compare(const std::string& title, double work, const std::string& unit, std::vector<Timed> timed) {
  for (std::size_t repeat = 0; repeat <= repeats; ++repeat) {
    for (Timed& t : timed) {
      const tenfold::Stopwatch clock;
      t.run();
      if (repeat == 0) continue;
      t.cpu.push_back(clock.cpu_seconds());
      t.wall.push_back(clock.wall_seconds());
    }
  }
  fmt::print("\n{}\n", title);
  for (const Timed& t : timed) {
    fmt::print("  {:44} {:10.3f} ms cpu {:10.3f} ms wall {:10.2f} {:14} x{:.2f}\n",
               t.name,
               1e3 * median(t.cpu),
               1e3 * median(t.wall),
               work / median(t.cpu),
               unit,
               median(t.cpu) / median(timed[0].cpu));
  }
}

// Reads memory and does nothing else with it.
#if defined(__x86_64__)
TENFOLD_AVX512 std::uint64_t read_all(const std::uint8_t* from, std::size_t size) {
  __m512i sums[4] = {};
  for (std::size_t i = 0; i + 256 <= size; i += 256) {
    for (std::size_t j = 0; j < 4; ++j) {
      __builtin_prefetch(from + i + 64 * j + 4096);
      sums[j] = _mm512_add_epi64(sums[j], _mm512_loadu_si512(from + i + 64 * j));
    }
  }
  return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(
      _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]))));
}

// Look-ups in float tables, 16 rows a gather, and nothing else: what a scan of float tables cannot beat.
TENFOLD_AVX512 float gather_all(const std::uint8_t* codes,
                                std::size_t rows,
                                std::size_t blocks,
                                const float* tables) {
  __m512 best = _mm512_set1_ps(-1e30f);
  for (std::size_t row = 0; row < rows; row += 16, codes += 16 * blocks) {
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t m = 0; m < blocks; ++m) {
      const __m128i code = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * m));
      sum = _mm512_add_ps(sum, _mm512_i32gather_ps(_mm512_cvtepu8_epi32(code), tables + 256 * m, 4));
    }
    best = _mm512_max_ps(best, sum);
  }
  return _mm512_reduce_max_ps(best);
}
#else
std::uint64_t read_all(const std::uint8_t* from, std::size_t size) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += from[i];
  return sum;
}
float gather_all(const std::uint8_t*, std::size_t, std::size_t, const float*) {
  return 0;
}
#endif

// Look-ups one by one, four rows at a time.
float load_all(const std::uint8_t* codes, std::size_t rows, std::size_t blocks, const float* tables) {
  float best = -1e30f;
  for (std::size_t row = 0; row + 4 <= rows; row += 4, codes += 4 * blocks) {
    float sums[4] = {};
    for (std::size_t m = 0; m < blocks; ++m) {
      for (std::size_t i = 0; i < 4; ++i) sums[i] += tables[256 * m + codes[i * blocks + m]];
    }
    best = std::max({best, sums[0], sums[1], sums[2], sums[3]});
  }
  return best;
}

std::vector<float> plain(const tenfold::AlignedVector<float>& values) {
  return {values.begin(), values.end()};
}

search::ProductQuantizer make_quantizer(std::size_t blocks, std::size_t bits) {
  return search::ProductQuantizer({kDimension, blocks, bits, plain(normals(kDimension << bits, 1))});
}

tenfold::AlignedVector<std::uint8_t> random_codes(std::size_t bytes) {
  tenfold::random::Generator generator(1, 2);
  tenfold::AlignedVector<std::uint8_t> codes(bytes);
  for (auto& code : codes) code = static_cast<std::uint8_t>(generator.next_u32());
  return codes;
}

void scan(std::size_t rows, std::size_t bits) {
  const std::size_t blocks = 48 * 8 / bits;
  const auto codes = random_codes(rows * 48);
  search::CodeIndex ours(make_quantizer(blocks, bits));
  ours.add_codes(codes);
  const auto queries = normals(64 * kDimension, 3);
  const search::Vectors one(queries.data(), 1, kDimension), batch(queries.data(), 64, kDimension);
  std::vector<float> scores(64 * kBest);
  std::vector<faiss::Index::idx_t> found(64 * kBest);

  faiss::IndexPQ theirs(kDimension, blocks, bits, faiss::METRIC_INNER_PRODUCT);
  theirs.pq.centroids = ours.quantizer().parts().centroids;
  theirs.codes.assign(codes.begin(), codes.end());
  theirs.ntotal = static_cast<faiss::Index::idx_t>(rows);
  theirs.is_trained = true;
  const std::vector<float> tables = ours.quantizer().tables(one);

  std::vector<Timed> timed{{"ours, one query", [&] { sink += ours.search(one, {.k = kBest})[0][0].score; }},
                           {"Faiss IndexPQ, one query",
                            [&] { theirs.search(1, queries.data(), kBest, scores.data(), found.data()); }},
                           {"floor: reading the codes",
                            [&] { sink += static_cast<float>(read_all(codes.data(), codes.size())); }}};
  faiss::IndexPQFastScan fast(
      theirs.pq.nbits == 4 ? theirs : faiss::IndexPQ(kDimension, blocks, 4, faiss::METRIC_INNER_PRODUCT));
  if (bits == 8) {
    timed.push_back({"floor: float look-ups by gather",
                     [&] { sink += gather_all(codes.data(), rows, blocks, tables.data()); }});
    timed.push_back({"floor: float look-ups one by one",
                     [&] { sink += load_all(codes.data(), rows, blocks, tables.data()); }});
  } else {
    timed.push_back({"Faiss IndexPQFastScan, one query",
                     [&] { fast.search(1, queries.data(), kBest, scores.data(), found.data()); }});
  }
  compare(fmt::format("{} rows of 48 bytes, {} bits a code, best {} ({})",
                      rows,
                      bits,
                      kBest,
                      tenfold::kernels::adc_target()),
          static_cast<double>(rows) / 1e6,
          "M rows/s",
          std::move(timed));
  std::vector<Timed> batched{
      {"ours, 64 queries", [&] { sink += ours.search(batch, {.k = kBest})[0][0].score; }}};
  if (bits == 4)
    batched.push_back({"Faiss IndexPQFastScan, 64 queries",
                       [&] { fast.search(64, queries.data(), kBest, scores.data(), found.data()); }});
  compare("the same, a batch", 64 * static_cast<double>(rows) / 1e6, "M rows/s", std::move(batched));
}

void filtered(std::size_t rows) {
  search::CodeIndex index(make_quantizer(48, 8));
  index.add_codes(random_codes(rows * 48));
  const auto query = normals(kDimension, 3);
  const search::Vectors one(query.data(), 1, kDimension);
  tenfold::random::Generator generator(4, 4);
  search::Bitmap allowed(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    if (generator.below(100) == 0) allowed.set(row);
  }
  compare("a filter that lets 1 % of the rows through, 8 bits",
          static_cast<double>(rows) / 1e6,
          "M rows/s",
          {{"all rows", [&] { sink += index.search(one, {.k = kBest})[0][0].score; }},
           {"filtered", [&] { sink += index.search(one, {.k = kBest, .allowed = &allowed})[0][0].score; }}});
}

void encode() {
  constexpr std::size_t kRows = 8192;
  const auto rows = normals(kRows * kDimension, 5);
  for (const std::size_t bits : {8u, 4u}) {
    const auto quantizer = make_quantizer(48 * 8 / bits, bits);
    faiss::ProductQuantizer theirs(kDimension, 48 * 8 / bits, bits);
    theirs.centroids = quantizer.parts().centroids;
    std::vector<std::uint8_t> codes(kRows * 48);
    compare(fmt::format(
                "encode {} vectors of dimension {} into 48 bytes, {} bits a code", kRows, kDimension, bits),
            kRows / 1e3,
            "k rows/s",
            {{"ours",
              [&] {
                quantizer.encode({rows.data(), kRows, kDimension}, codes);
              }},
             {"Faiss", [&] { theirs.compute_codes(rows.data(), codes.data(), kRows); }}});
  }
}

// The product of queries and vectors, 64 columns at a time; `panels` is taken for packed ones, whose order does not matter here.
void multiply(const float* queries, std::size_t count, std::span<const float> panels) {
  constexpr std::size_t kColumns = 64;
  tenfold::AlignedVector<float> products(count * kColumns);
  for (std::size_t at = 0; at + kColumns * kDimension <= panels.size(); at += kColumns * kDimension) {
    const tenfold::kernels::GemmTerm term{
        .a = queries, .row_stride = kDimension, .b = &panels[at], .steps = kDimension};
    tenfold::kernels::gemm({&term, 1}, count, kColumns, {.c = products.data(), .row_stride = kColumns});
    sink += products[0];
  }
}

void flat() {
  constexpr std::size_t kRows = 50'000;
  const auto rows = normals(kRows * kDimension, 6), queries = normals(64 * kDimension, 7);
  search::FlatIndex ours(kDimension);
  ours.add({rows.data(), kRows, kDimension});
  faiss::IndexFlatIP theirs(kDimension);
  theirs.add(kRows, rows.data());
  std::vector<float> scores(64 * kBest);
  std::vector<faiss::Index::idx_t> found(64 * kBest);
  for (const std::size_t count : {64u, 1u}) {
    compare(
        fmt::format(
            "exact search, {} rows of dimension {}, {} queries; peak of the inner loop {:.0f} GFLOP/s",
            kRows,
            kDimension,
            count,
            tenfold::kernels::gemm_peak(false) / 1e9),
        2e-9 * static_cast<double>(count * kRows * kDimension),
        "GFLOP/s",
        {{"ours",
          [&] {
            sink += ours.search({queries.data(), count, kDimension}, {.k = kBest})[0][0].score;
          }},
         {"Faiss",
          [&] {
            theirs.search(
                static_cast<faiss::Index::idx_t>(count), queries.data(), kBest, scores.data(), found.data());
          }},
         {"floor: the product alone", [&] { multiply(queries.data(), count, rows); }},
         {"floor: reading the vectors", [&] {
            sink += static_cast<float>(
                read_all(reinterpret_cast<const std::uint8_t*>(rows.data()), rows.size() * 4));
          }}});
  }
}

void balanced() {
  constexpr std::size_t kRows = 4096, kBlocks = 16, kWords = 256, kWidth = 8;
  const auto rows = normals(kRows * kBlocks * kWidth, 8), words = normals(kBlocks * kWords * kWidth, 9);
  const tenfold::AlignedVector<float> matrix(kRows * kWords, 1.0f);
  compare("balanced codes, 4096 rows x 256 codewords x 16 blocks, 100 rounds",
          1,
          "a second",
          {{"ours",
            [&] {
              sink += static_cast<float>(
                  search::balanced_codes({rows.data(), kRows, kBlocks * kWidth}, words, kBlocks)[0].codes[0]);
            }},
           {"floor: reading the float matrix twice a round", [&] {
              for (std::size_t pass = 0; pass < 2 * 100 * kBlocks; ++pass) {
                sink += static_cast<float>(
                    read_all(reinterpret_cast<const std::uint8_t*>(matrix.data()), matrix.size() * 4));
              }
            }}});
}

}  // namespace

int main(int argc, char** argv) {
  const auto rows =
      static_cast<std::size_t>(argc > 1 ? tenfold::parse_integer(argv[1]).value_or(1'000'000) : 1'000'000) /
      64 * 64;
  if (argc > 2) repeats = static_cast<std::size_t>(tenfold::parse_integer(argv[2]).value_or(9));
  tenfold::set_thread_count(1);
  omp_set_num_threads(1);
  const std::string only = argc > 3 ? argv[3] : "";
  const auto wanted = [&](const char* part) { return only.empty() || only == part; };
  if (wanted("scan8")) scan(rows, 8);
  if (wanted("scan4")) scan(rows, 4);
  if (wanted("filter")) filtered(rows);
  if (wanted("encode")) encode();
  if (wanted("flat")) flat();
  if (wanted("balanced")) balanced();
  return sink == 0.5f ? 1 : 0;
}
