// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark are all there, and a PyTorch port of the whole search finds the same documents. No test asks how long
// anything takes.
#include "tenfold/systems/dsi/bench/bench.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tenfold/base/threads.h"
#include "tests/support/error_code.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::dsi {
namespace {

BenchOptions small(const io::TempFolder& folder) {
  BenchOptions options;
  options.model = {
      .dimension = 32, .heads = 2, .head_size = 16, .feed_forward = 64, .vocabulary = 50, .documents = 3000};
  options.built = 2000;
  options.batch = 4;
  options.queries = 3;
  options.repeats = 1;
  options.files = &real_file_system();
  options.folder = folder.path();
  return options;
}

TEST(DsiBench, EveryRowIsMeasuredAndCleanedUpAfter) {
  const io::TempFolder folder;
  const int threads = thread_count();
  std::vector<std::string> names;
  for (const BenchRow& row : bench_dsi(small(folder))) {
    names.push_back(row.name);
    EXPECT_GT(row.ours, 0) << row.name;
    EXPECT_GE(row.p99, row.ours) << row.name;
    EXPECT_FALSE(row.what.empty());
    EXPECT_FALSE(row.peer.has_value()) << row.name;
    EXPECT_EQ(row.floor.has_value(), row.share_of_floor.has_value()) << row.name;
  }
  EXPECT_EQ(names, bench_row_names());
  EXPECT_EQ(thread_count(), threads);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(DsiBench, RefusesSizesOfNothing) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.repeats = 0;
  EXPECT_EQ(code_of([&] { bench_dsi(options); }), "bench.bad_size");
}

TEST(DsiBench, APeerThatCannotRunIsNotedAndOursIsStillMeasured) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.peer = true;
  options.python = "/nonexistent/python";
  options.peer_script = Path(TENFOLD_SOURCE_DIR) / "bench/peers/dsi_torch.py";
  options.rows = {"one"};
  const auto rows = bench_dsi(options);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].peer.has_value());
  EXPECT_NE(rows[0].peer_note.find("no peer"), std::string::npos);
}

// bench_dsi() compares documents and log probabilities of both sides and throws when they differ.
TEST(DsiBench, PyTorchFindsTheSameDocuments) {
  const io::TempFolder folder;
  BenchOptions options = small(folder);
  options.peer = true;
  options.peer_script = Path(TENFOLD_SOURCE_DIR) / "bench/peers/dsi_torch.py";
  options.rows = {"one", "batch"};
  const auto rows = bench_dsi(options);
  ASSERT_EQ(rows.size(), 2u);
  if (!rows[0].peer) GTEST_SKIP() << rows[0].peer_note;
  EXPECT_TRUE(rows[1].peer.has_value());
}

}  // namespace
}  // namespace tenfold::dsi
