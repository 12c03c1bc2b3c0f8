// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/loader.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;

Sampler sampler_of(const Dataset& data) {
  return {data.size(), {.batch_size = 4, .seed = 9}};
}

// The first `count` batches by the sampler and the data set alone.
std::vector<Batch> plain_batches(const Dataset& data, int count) {
  Sampler sampler = sampler_of(data);
  std::vector<Batch> batches;
  for (int i = 0; i < count; ++i) {
    const BatchPlan plan = sampler.next();
    batches.push_back(data.get(plan.ids, {.seed = 9, .epoch = plan.epoch}));
  }
  return batches;
}

TEST(Loader, GivesTheSameBatchesForAnyNumberOfThreads) {
  CountingDataset data(23);
  data.slow = 3;  // some batches take longer than those after them
  const std::vector<Batch> wanted = plain_batches(data, 40);
  for (const int threads : {0, 1, 2, 4}) {
    for (const int prefetch : {1, 3}) {
      Loader loader(data, sampler_of(data), {.threads = threads, .prefetch = prefetch});
      Sampler plans = sampler_of(data);
      for (const Batch& batch : wanted) {
        const LoadedBatch loaded = loader.next();
        const BatchPlan plan = plans.next();
        EXPECT_TRUE(same(loaded.batch, batch)) << threads << " threads";
        EXPECT_EQ(loaded.plan.ids, plan.ids);
        EXPECT_EQ(loaded.plan.epoch, plan.epoch);
        EXPECT_EQ(loaded.plan.batch, plan.batch);
      }
    }
  }
}

TEST(Loader, ResumesMidEpochWithTheSameBatches) {
  const CountingDataset data(23);
  const std::vector<Batch> wanted = plain_batches(data, 30);
  for (const int threads : {0, 1, 2, 4}) {
    for (const int done : {0, 1, 5, 6, 13}) {
      Loader first(data, sampler_of(data), {.threads = threads});
      for (int i = 0; i < done; ++i) first.next();
      Sampler saved = sampler_of(data);
      saved.restore(first.state());
      Loader second(data, std::move(saved), {.threads = 4 - threads});
      for (std::size_t i = static_cast<std::size_t>(done); i < wanted.size(); ++i) {
        EXPECT_TRUE(same(second.next().batch, wanted[i]));
      }
    }
  }
}

TEST(Loader, TheStateIgnoresWhatWasLoadedAhead) {
  CountingDataset data(1000);
  std::atomic<int> loaded{0};
  data.on_get = [&] { ++loaded; };
  Loader loader(data, sampler_of(data), {.threads = 2, .prefetch = 8});
  EXPECT_EQ(loader.state(), (SamplerState{0, 0}));
  for (int i = 1; i <= 20; ++i) {
    loader.next();
    while (loaded < i + 16) std::this_thread::yield();  // all the room is used
    EXPECT_EQ(loader.state(), (SamplerState{0, i}));
  }
}

TEST(Loader, LoadsNoMoreAheadThanAskedFor) {
  CountingDataset data(1000);
  std::atomic<int> loaded{0};
  data.on_get = [&] { ++loaded; };
  Loader loader(data, sampler_of(data), {.threads = 2, .prefetch = 3});
  for (int taken = 0; taken < 50; ++taken) {
    EXPECT_LE(loaded, taken + 6);
    loader.next();
  }
}

TEST(Loader, AnExceptionKeepsItsPlaceInTheOrder) {
  CountingDataset data(40);
  Sampler sampler = sampler_of(data);
  for (int i = 0; i < 7; ++i) sampler.next();
  data.broken = sampler.next().ids[2];
  for (const int threads : {0, 1, 2, 4}) {
    Loader loader(data, sampler_of(data), {.threads = threads});
    for (int i = 0; i < 7; ++i) EXPECT_EQ(error_of([&] { loader.next(); }), "no error");
    EXPECT_EQ(loader.state(), (SamplerState{0, 7}));
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(error_of([&] { loader.next(); }), "file counting.broken");
      EXPECT_EQ(loader.state(), (SamplerState{0, 7}));
    }
  }
}

TEST(Loader, EndsWhileThreadsAreAtWork) {
  CountingDataset data(1000);
  data.slow = 1;
  for (const int taken : {0, 1, 5}) {
    Loader loader(data, sampler_of(data), {.threads = 4, .prefetch = 2});
    for (int i = 0; i < taken; ++i) loader.next();
  }
  data.broken = 500;
  Loader loader(data, sampler_of(data), {.threads = 4});
}

TEST(Loader, ItsThreadsUseOneCoreEach) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  CountingDataset data(100);
  std::mutex mutex;
  std::set<int> counts;
  data.on_get = [&] {
    const std::lock_guard lock(mutex);
    counts.insert(at::get_num_threads());
  };
  {
    Loader loader(data, sampler_of(data), {.threads = 2});
    for (int i = 0; i < 10; ++i) loader.next();
  }
  EXPECT_EQ(counts, std::set<int>{1});
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(before);
}

TEST(Loader, CountsTheTimeSpentWaiting) {
  CountingDataset data(100);
  data.slow = 1;  // 4 rows a batch, 2 ms a row; a sleep is never shorter than asked
  Loader loader(data, sampler_of(data), {.threads = 0});
  EXPECT_EQ(loader.waited_seconds(), 0.0);
  for (int i = 0; i < 5; ++i) loader.next();
  EXPECT_GE(loader.waited_seconds(), 0.04);
}

TEST(Loader, RefusesImpossibleOptions) {
  const CountingDataset data(10);
  const auto error_for = [&](const LoaderOptions& options) {
    return error_of([&] { Loader(data, sampler_of(data), options); });
  };
  EXPECT_EQ(error_for({.threads = -1}), "config loader.bad_option");
  EXPECT_EQ(error_for({.threads = 257}), "config loader.bad_option");
  EXPECT_EQ(error_for({.prefetch = 0}), "config loader.bad_option");
  EXPECT_EQ(error_for({.prefetch = 1025}), "config loader.bad_option");
  EXPECT_EQ(error_for({.threads = 0, .prefetch = 1}), "no error");
}

}  // namespace
}  // namespace tenfold::data
