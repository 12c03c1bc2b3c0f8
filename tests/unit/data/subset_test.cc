// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/subset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using Ids = std::vector<std::int64_t>;

TEST(Subset, GivesTheRowsOfTheWholeWithTheirNumbers) {
  const auto whole = std::make_shared<CountingDataset>(10);
  const Subset part(whole, {9, 2, 5});
  EXPECT_EQ(part.size(), 3);
  const DrawKey key{.seed = 3, .epoch = 1};
  const Batch batch = part.get(Ids{2, 0}, key);
  const Batch same_rows = whole->get(Ids{5, 9}, key);
  EXPECT_TRUE(at::equal(batch.tensors[0], same_rows.tensors[0]));
  EXPECT_TRUE(at::equal(batch.tensors[1], same_rows.tensors[1]));  // random numbers
  EXPECT_EQ(batch.ids, (Ids{2, 0}));
}

TEST(Subset, TheFingerprintNamesTheWholeAndTheRows) {
  const auto whole = std::make_shared<CountingDataset>(10);
  EXPECT_EQ(Subset(whole, {1, 2}).fingerprint(),
            Subset(std::make_shared<CountingDataset>(10), {1, 2}).fingerprint());
  EXPECT_NE(Subset(whole, {1, 2}).fingerprint(), Subset(whole, {2, 1}).fingerprint());
  EXPECT_NE(Subset(whole, {1, 2}).fingerprint(),
            Subset(std::make_shared<CountingDataset>(11), {1, 2}).fingerprint());
}

TEST(Subset, RefusesRowsThatAreNotThere) {
  const auto whole = std::make_shared<CountingDataset>(10);
  EXPECT_EQ(error_of([&] { Subset(whole, {10}); }), "internal internal.broken_invariant");
  EXPECT_EQ(error_of([&] { Subset(whole, {1}).get(Ids{1}, {}); }), "internal internal.broken_invariant");
}

TEST(SplitRows, EveryRowIsInOnePart) {
  for (const std::int64_t rows : {2, 3, 10, 1001}) {
    const SplitRows split = split_rows(rows, {.valid_fraction = 0.2, .test_fraction = rows < 3 ? 0.0 : 0.1});
    EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
    Ids all = split.train;
    all.insert(all.end(), split.valid.begin(), split.valid.end());
    all.insert(all.end(), split.test.begin(), split.test.end());
    std::sort(all.begin(), all.end());
    Ids wanted(static_cast<std::size_t>(rows));
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(all, wanted);
  }
  const SplitRows split = split_rows(1000, {.valid_fraction = 0.2, .test_fraction = 0.1});
  EXPECT_EQ(split.valid.size(), 200u);
  EXPECT_EQ(split.test.size(), 100u);
}

TEST(SplitRows, TheSeedDecidesAndTheTestRowsStay) {
  const auto test_rows = [](const SplitOptions& options) { return split_rows(100, options).test; };
  const Ids rows = test_rows({.test_fraction = 0.2});
  EXPECT_EQ(rows, test_rows({.valid_fraction = 0.5, .test_fraction = 0.2}));
  EXPECT_EQ(rows, test_rows({.test_fraction = 0.2, .limit = 7}));
  EXPECT_NE(rows, test_rows({.test_fraction = 0.2, .seed = 2}));
}

TEST(SplitRows, TheLimitTakesSomeOfTheTrainingRows) {
  const SplitRows all = split_rows(100, {.valid_fraction = 0.1});
  const SplitRows few = split_rows(100, {.valid_fraction = 0.1, .limit = 20});
  EXPECT_EQ(few.valid, all.valid);
  EXPECT_EQ(few.train.size(), 20u);
  EXPECT_TRUE(std::includes(all.train.begin(), all.train.end(), few.train.begin(), few.train.end()));
  EXPECT_EQ(split_rows(100, {.valid_fraction = 0.1, .limit = 1000}).train, all.train);
}

TEST(SplitRows, ASmallFractionStillGivesARow) {
  EXPECT_EQ(split_rows(4, {.valid_fraction = 0.01}).valid.size(), 1u);
  EXPECT_TRUE(split_rows(4, {.valid_fraction = 0.0}).valid.empty());
}

TEST(SplitRows, RefusesImpossibleSplits) {
  const auto error_for = [](std::int64_t rows, const SplitOptions& options) {
    return error_of([&] { split_rows(rows, options); });
  };
  const std::string code = "config split.bad_option";
  EXPECT_EQ(error_for(10, {.valid_fraction = -0.1}), code);
  EXPECT_EQ(error_for(10, {.valid_fraction = 1.5}), code);
  EXPECT_EQ(error_for(10, {.test_fraction = std::numeric_limits<double>::quiet_NaN()}), code);
  EXPECT_EQ(error_for(10, {.valid_fraction = 0.5, .test_fraction = 0.5}), code);
  EXPECT_EQ(error_for(1, {.valid_fraction = 0.1}), code);
  EXPECT_EQ(error_for(0, {}), code);
  EXPECT_EQ(error_for(std::int64_t{1} << 32, {}), code);
  EXPECT_EQ(error_for(10, {.limit = -1}), code);
}

}  // namespace
}  // namespace tenfold::data
