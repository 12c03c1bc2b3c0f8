// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

using testing::HasSubstr;

TEST(Bench, WithoutAPeerSaysWhy) {
  BenchOptions options{.resamples = 2000, .rows = 30, .repeats = 1};
  const auto asked_not = bench_compute_trends(options);
  ASSERT_EQ(asked_not.size(), 3u);
  EXPECT_EQ(asked_not[0].peer, std::nullopt);
  EXPECT_EQ(asked_not[0].ratio, std::nullopt);
  EXPECT_THAT(asked_not[0].peer_note, HasSubstr("not asked for"));
  EXPECT_GT(asked_not[0].ours, 0.0);
  EXPECT_NEAR(*asked_not[0].share_of_floor, *asked_not[0].floor / asked_not[0].ours, 1e-12);

  options.peer_script = "/nonexistent/script.py";
  const auto absent = bench_compute_trends(options);
  EXPECT_EQ(absent[0].peer, std::nullopt);
  EXPECT_THAT(absent[0].peer_note, HasSubstr("no peer"));
}

TEST(Bench, RatioIsPeerOverOurs) {
  const Path script = Path(TENFOLD_SOURCE_DIR) / "bench/peers/compute_trends_bootstrap.py";
  const auto rows =
      bench_compute_trends({.resamples = 2000, .rows = 30, .repeats = 1, .peer_script = script});
  if (!rows[0].peer) GTEST_SKIP() << rows[0].peer_note;
  EXPECT_NEAR(*rows[0].ratio, *rows[0].peer / rows[0].ours, 1e-12);
  EXPECT_THAT(rows[0].peer_note, HasSubstr("NumPy"));
}

TEST(Bench, RefusesEmptySizes) {
  EXPECT_THROW(bench_compute_trends({.repeats = 0}), Error);
  EXPECT_THROW(bench_compute_trends({.rows = 1}), Error);
}

}  // namespace
}  // namespace tenfold::compute_trends
