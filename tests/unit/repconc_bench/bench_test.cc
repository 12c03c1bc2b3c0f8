// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark are all there and mean what they say; its floors compute what they are named after. No test asks how long
// anything takes.
#include "tenfold/systems/repconc/bench/bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/systems/repconc/bench/bench_data.h"
#include "tenfold/systems/repconc/bench/floors.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::repconc {
namespace {

BenchOptions small(const io::TempFolder& folder) {
  BenchOptions options;
  options.documents = 1500;
  options.repeats = 1;
  options.files = &real_file_system();
  options.folder = folder.path();
  return options;
}

std::string code_of(const BenchOptions& options) {
  try {
    bench_repconc(options);
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

TEST(RepconcBench, EveryRowIsMeasuredAndCleanedUpAfter) {
  const io::TempFolder folder;
  const int threads = thread_count();
  const auto rows = bench_repconc(small(folder));
  std::set<std::string> names;
  for (const BenchRow& row : rows) {
    names.insert(row.name);
    EXPECT_GT(row.ours, 0) << row.name;
    EXPECT_GT(row.rate, 0) << row.name;
    ASSERT_TRUE(row.floor.has_value()) << row.name;
    EXPECT_FALSE(row.peer.has_value()) << row.name;
    EXPECT_EQ(row.threads, row.name == "threads" ? 2 : 1);
    EXPECT_EQ(row.repeats, 1);
    EXPECT_FALSE(row.floor_note.empty());
    if (row.threads == 1) {
      EXPECT_DOUBLE_EQ(*row.share_of_floor, *row.floor_cpu / row.ours_cpu) << row.name;
    }
    if (row.recall) {
      EXPECT_GT(*row.recall, 0.8) << row.name;
    }
  }
  for (const std::string& name : bench_row_names()) {
    if (name == "threads" && available_cores() < 2) continue;
    EXPECT_TRUE(names.count(name) == 1) << name;
  }
  EXPECT_EQ(thread_count(), threads);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RepconcBench, OnlyTheRowsAskedForAreMeasured) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.rows = {"encode8"};
  const auto rows = bench_repconc(options);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "encode8");
  EXPECT_EQ(rows[0].peer_note, "peer not asked for");
}

TEST(RepconcBench, SaysWhyThereIsNoPeer) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.rows = {"encode8"};
  options.peer = true;
  options.python = "/nonexistent/python3";
  options.peer_script = folder / "peer.py";
  const auto rows = bench_repconc(options);
  EXPECT_EQ(rows[0].peer_note.rfind("no peer: ", 0), 0u) << rows[0].peer_note;
  EXPECT_FALSE(rows[0].ratio.has_value());
}

TEST(RepconcBench, RefusesEmptySizesAndStops) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.repeats = 0;
  EXPECT_EQ(code_of(options), "bench.bad_size");
  options.repeats = 1;
  options.documents = 10;
  EXPECT_EQ(code_of(options), "bench.bad_size");
  options.documents = 1500;
  StopToken stop;
  stop.request();
  options.stop = &stop;
  EXPECT_EQ(code_of(options), "repconc.stopped");
}

TEST(Floors, AddUpWhatTheyRead) {
  AlignedVector<std::uint64_t> words(1024);
  std::iota(words.begin(), words.end(), 1u);
  EXPECT_EQ(read_bytes(std::as_bytes(std::span(words))), 1024u * 1025u / 2);
}

TEST(Floors, LookUpsAreSumsOfTables) {
  constexpr std::size_t kRows = 64, kBlocks = 5;
  const auto codes = noise_bytes(kRows * kBlocks, 1);
  const auto tables = noise(kBlocks * 256, 2);
  float by_row = -1e30f, by_group = -1e30f;
  for (std::size_t row = 0; row < kRows; ++row) {
    float a = 0, b = 0;
    for (std::size_t m = 0; m < kBlocks; ++m) {
      a += tables[256 * m + codes[row * kBlocks + m]];
      b += tables[256 * m + codes[row / 16 * 16 * kBlocks + 16 * m + row % 16]];
    }
    by_row = std::max(by_row, a);
    by_group = std::max(by_group, b);
  }
  EXPECT_FLOAT_EQ(load_sums(codes.data(), kRows, kBlocks, tables.data()), by_row);
  EXPECT_FLOAT_EQ(gather_sums(codes.data(), kRows, kBlocks, tables.data()), by_group);
}

TEST(BenchData, IsAFunctionOfItsArguments) {
  EXPECT_EQ(grouped_vectors(50, 24, 3), grouped_vectors(50, 24, 3));
  const auto a = grouped_vectors(50, 24, 3), b = grouped_vectors(50, 24, 4);
  EXPECT_NE(a, b);
  for (std::size_t i = 0; i < 50; ++i) {
    double square = 0;
    for (std::size_t j = 0; j < 24; ++j) square += a[24 * i + j] * a[24 * i + j];
    EXPECT_NEAR(square, 1, 1e-5);
  }
  const Texts texts = numbered_texts(200, 30, 5);
  EXPECT_EQ(texts.documents.size(), 200u);
  EXPECT_EQ(texts.documents, numbered_texts(200, 30, 5).documents);
  EXPECT_GT(texts.postings, 0u);
}

}  // namespace
}  // namespace tenfold::repconc
