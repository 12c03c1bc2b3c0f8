// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using Ids = std::vector<std::int64_t>;

Ids ids_of_epoch(Sampler& sampler) {
  Ids ids;
  for (std::int64_t i = 0; i < sampler.batches_per_epoch(); ++i) {
    const BatchPlan plan = sampler.next();
    ids.insert(ids.end(), plan.ids.begin(), plan.ids.end());
  }
  return ids;
}

Ids counted(std::int64_t count) {
  Ids ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

std::string error_for(std::int64_t rows, const SamplerOptions& options) {
  return error_of([&] { Sampler(rows, options); });
}

TEST(Sampler, WithoutShuffleGoesInOrderAndShortensTheLastBatch) {
  Sampler sampler(7, {.batch_size = 3, .shuffle = false});
  EXPECT_EQ(sampler.batches_per_epoch(), 3);
  const std::vector<Ids> wanted = {{0, 1, 2}, {3, 4, 5}, {6}, {0, 1, 2}};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const BatchPlan plan = sampler.next();
    EXPECT_EQ(plan.ids, wanted[i]);
    EXPECT_EQ(plan.epoch, static_cast<std::int64_t>(i / 3));
    EXPECT_EQ(plan.batch, static_cast<std::int64_t>(i % 3));
    EXPECT_EQ(plan.global_size, static_cast<std::int64_t>(wanted[i].size()));
  }
}

TEST(Sampler, DropsTheShortLastBatchWhenAsked) {
  Sampler sampler(7, {.batch_size = 3, .shuffle = false, .drop_last = true});
  EXPECT_EQ(sampler.batches_per_epoch(), 2);
  EXPECT_EQ(ids_of_epoch(sampler), counted(6));
  EXPECT_EQ(sampler.next().epoch, 1);
  Sampler whole(6, {.batch_size = 3, .drop_last = true});
  EXPECT_EQ(whole.batches_per_epoch(), 2);
}

TEST(Sampler, EachEpochVisitsEveryRowOnceInANewOrder) {
  Sampler sampler(101, {.batch_size = 10, .seed = 3});
  std::vector<Ids> orders;
  for (int epoch = 0; epoch < 4; ++epoch) {
    orders.push_back(ids_of_epoch(sampler));
    Ids sorted = orders.back();
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, counted(101));
  }
  for (std::size_t i = 0; i < orders.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(orders[i], orders[j]);
  }
  Sampler other(101, {.batch_size = 10, .seed = 4});
  EXPECT_NE(ids_of_epoch(other), orders[0]);
}

// From a Python transcription of Philox, Lemire's bounded integers and Fisher-Yates: the order may never change, for a
// saved position would then mean other rows.
TEST(Sampler, TheOrderIsTheDocumentedOne) {
  Sampler sampler(10, {.batch_size = 10, .seed = 7});
  EXPECT_EQ(sampler.next().ids, (Ids{0, 5, 7, 1, 9, 6, 4, 2, 8, 3}));
  EXPECT_EQ(sampler.next().ids, (Ids{4, 5, 6, 8, 0, 7, 9, 1, 3, 2}));
  sampler.restore({.epoch = std::int64_t{1} << 33});
  EXPECT_EQ(sampler.next().ids, (Ids{8, 6, 7, 2, 4, 5, 1, 0, 3, 9}));
}

TEST(Sampler, TheBatchSizeDoesNotChangeTheOrder) {
  Sampler small(50, {.batch_size = 7, .seed = 1});
  Sampler large(50, {.batch_size = 50, .seed = 1});
  EXPECT_EQ(ids_of_epoch(small), large.next().ids);
}

TEST(Sampler, ResumesMidEpoch) {
  for (int done = 0; done <= 25; ++done) {
    Sampler first(23, {.batch_size = 4, .seed = 5});
    for (int i = 0; i < done; ++i) first.next();
    Sampler second(23, {.batch_size = 4, .seed = 5});
    second.restore(first.state());
    for (int i = 0; i < 8; ++i) {
      const BatchPlan a = first.next();
      const BatchPlan b = second.next();
      EXPECT_EQ(a.ids, b.ids);
      EXPECT_EQ(a.epoch, b.epoch);
      EXPECT_EQ(a.batch, b.batch);
      EXPECT_EQ(first.state(), second.state());
    }
  }
}

TEST(Sampler, TheStateAfterAnEpochIsTheBeginningOfTheNext) {
  Sampler sampler(4, {.batch_size = 2});
  EXPECT_EQ(sampler.state(), (SamplerState{0, 0}));
  sampler.next();
  EXPECT_EQ(sampler.state(), (SamplerState{0, 1}));
  sampler.next();
  EXPECT_EQ(sampler.state(), (SamplerState{1, 0}));
}

TEST(Sampler, TheRanksTogetherSeeTheBatchOfOneProcess) {
  for (const std::int64_t rows : {8, 9, 17, 20, 23}) {
    for (const bool shuffle : {false, true}) {
      for (int world = 1; world <= 8; ++world) {
        SamplerOptions options{.batch_size = 8, .shuffle = shuffle, .seed = 2};
        Sampler one(rows, options);
        std::vector<Sampler> ranks;
        options.world_size = world;
        for (options.rank = 0; options.rank < world; ++options.rank) ranks.emplace_back(rows, options);
        for (std::int64_t batch = 0; batch < 2 * one.batches_per_epoch(); ++batch) {
          const BatchPlan wanted = one.next();
          Ids together;
          std::size_t fewest = 8;
          std::size_t most = 0;
          for (Sampler& rank : ranks) {
            const BatchPlan part = rank.next();
            EXPECT_EQ(part.global_size, wanted.global_size);
            EXPECT_EQ(rank.state(), one.state());
            together.insert(together.end(), part.ids.begin(), part.ids.end());
            fewest = std::min(fewest, part.ids.size());
            most = std::max(most, part.ids.size());
          }
          EXPECT_EQ(together, wanted.ids) << rows << " rows, " << world << " ranks";
          EXPECT_LE(most - fewest, 1u);
        }
      }
    }
  }
}

TEST(Sampler, RefusesImpossibleOptions) {
  const std::string code = "config sampler.bad_option";
  EXPECT_EQ(error_for(0, {}), code);
  EXPECT_EQ(error_for(-1, {}), code);
  EXPECT_EQ(error_for(10, {.batch_size = 0}), code);
  EXPECT_EQ(error_for(10, {.batch_size = -5}), code);
  EXPECT_EQ(error_for(10, {.batch_size = 2, .rank = 0, .world_size = 3}), code);
  EXPECT_EQ(error_for(10, {.rank = 2, .world_size = 2}), code);
  EXPECT_EQ(error_for(10, {.rank = -1, .world_size = 2}), code);
  EXPECT_EQ(error_for(10, {.rank = 0, .world_size = 0}), code);
  EXPECT_EQ(error_for(63, {.drop_last = true}), code);
  EXPECT_EQ(error_for(std::int64_t{1} << 32, {}), code);
  EXPECT_EQ(error_for(64, {.drop_last = true}), "no error");
  EXPECT_EQ(error_for(std::int64_t{1} << 40, {.shuffle = false}), "no error");
}

TEST(Sampler, RefusesAStateThatDoesNotFitAndKeepsItsOwn) {
  Sampler sampler(10, {.batch_size = 4});
  sampler.next();
  for (const SamplerState bad : {SamplerState{-1, 0},
                                 SamplerState{0, -1},
                                 SamplerState{0, 3},
                                 SamplerState{std::int64_t{1} << 62, 0}}) {
    EXPECT_EQ(error_of([&] { sampler.restore(bad); }), "file sampler.bad_state");
    EXPECT_EQ(sampler.state(), (SamplerState{0, 1}));
  }
  sampler.restore({.epoch = 9, .batch = 2});
  EXPECT_EQ(sampler.next().epoch, 9);
}

}  // namespace
}  // namespace tenfold::data
