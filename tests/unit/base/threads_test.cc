// SPDX-License-Identifier: Apache-2.0
// parallel_for's promises for any thread count and grain, the thread setting, and StopToken.
#include "tenfold/base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/stop.h"

namespace tenfold {
namespace {

using Range = std::pair<std::size_t, std::size_t>;
constexpr std::size_t kLargest = std::numeric_limits<std::size_t>::max();

class Threads : public testing::Test {
 protected:
  ~Threads() override { set_thread_count(available_cores()); }

  // The ranges a loop was cut into, sorted.
  static std::vector<Range> ranges_of(std::size_t count, std::size_t grain) {
    std::mutex mutex;
    std::vector<Range> ranges;
    parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
      const std::lock_guard lock(mutex);
      ranges.emplace_back(begin, end);
    });
    std::sort(ranges.begin(), ranges.end());
    return ranges;
  }
};

TEST_F(Threads, AvailableCoresIsAtLeastOneAndTheDefault) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_LE(available_cores(), std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

TEST_F(Threads, AvailableCoresFollowsTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const int cores = available_cores();
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(cores, 1);
}

TEST_F(Threads, CountIsWhatWasSet) {
  for (const int count : {1, 2, 7, 1024}) {
    set_thread_count(count);
    EXPECT_EQ(thread_count(), count);
  }
}

TEST_F(Threads, RefusesCountsOutsideTheRangeAndKeepsTheOldOne) {
  set_thread_count(3);
  for (const int count : {0, -1, 1025, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    try {
      set_thread_count(count);
      FAIL() << count << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
      EXPECT_EQ(error.code(), "threads.out_of_range");
      EXPECT_EQ(error.text().seen, std::to_string(count));
      EXPECT_EQ(error.text().wanted, "1 to 1024");
    }
    EXPECT_EQ(thread_count(), 3);
  }
}

TEST_F(Threads, ParallelForCoversEveryIndexOnceForAnyThreadCountAndGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    for (const std::size_t count : {1u, 2u, 7u, 64u, 1000u}) {
      for (const std::size_t grain : {1u, 3u, 64u, 999u, 1000u, 5000u}) {
        std::vector<std::atomic<int>> visits(count);
        parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
          for (std::size_t i = begin; i < end; ++i) ++visits[i];
        });
        for (const std::atomic<int>& visit : visits) ASSERT_EQ(visit.load(), 1);
      }
    }
  }
}

TEST_F(Threads, RangesDependOnTheGrainAlone) {
  const std::vector<Range> expected = {{0, 4}, {4, 8}, {8, 10}};
  for (const int threads : {1, 2, 5, 16}) {
    set_thread_count(threads);
    EXPECT_EQ(ranges_of(10, 4), expected);
    EXPECT_EQ(ranges_of(8, 4), (std::vector<Range>{{0, 4}, {4, 8}}));
    EXPECT_EQ(ranges_of(3, 4), (std::vector<Range>{{0, 3}}));
  }
}

TEST_F(Threads, ParallelForNeverCallsTheBodyForNothing) {
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    EXPECT_TRUE(ranges_of(0, 1).empty());
    EXPECT_TRUE(ranges_of(0, kLargest).empty());
  }
}

TEST_F(Threads, ParallelForTakesTheLargestGrainAndCount) {
  EXPECT_EQ(ranges_of(5, kLargest), (std::vector<Range>{{0, 5}}));
  const std::size_t half = kLargest / 2 + 1;  // 2^63: the end of the second range would wrap
  EXPECT_EQ(ranges_of(kLargest, half), (std::vector<Range>{{0, half}, {half, kLargest}}));
  EXPECT_EQ(ranges_of(kLargest, kLargest), (std::vector<Range>{{0, kLargest}}));
}

TEST_F(Threads, ParallelForRefusesAZeroGrain) {
  EXPECT_THROW(parallel_for(3, 0, [](std::size_t, std::size_t) {}), Error);
}

TEST_F(Threads, ParallelForGivesTheFirstFailureByRange) {
  for (const int threads : {1, 2, 8}) {
    set_thread_count(threads);
    try {
      parallel_for(100, 1, [](std::size_t begin, std::size_t) {
        if (begin % 10 == 7) throw std::out_of_range(std::to_string(begin));
      });
      FAIL() << "no exception with " << threads << " threads";
    } catch (const std::out_of_range& error) {
      EXPECT_STREQ(error.what(), "7");
    }
  }
}

TEST_F(Threads, ParallelForGivesALateFailureOfAnEarlyRange) {
  set_thread_count(2);
  std::atomic<bool> second_failed{false};
  try {
    parallel_for(2, 1, [&](std::size_t begin, std::size_t) {
      if (begin == 1) {
        second_failed = true;
        throw std::runtime_error("1");
      }
      // Waits for the other range where there is a second thread; the bound keeps a lone one from hanging.
      for (int i = 0; i < 1000000 && !second_failed; ++i) std::this_thread::yield();
      throw std::runtime_error("0");
    });
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "0");
  }
}

TEST_F(Threads, ParallelForWorksAgainAfterAFailure) {
  set_thread_count(4);
  EXPECT_THROW(parallel_for(8, 1, [](std::size_t, std::size_t) { throw 1; }), int);
  EXPECT_EQ(ranges_of(8, 2).size(), 4u);
}

TEST_F(Threads, ParallelForMayBeNested) {
  set_thread_count(4);
  std::atomic<int> total{0};
  parallel_for(6, 1, [&](std::size_t, std::size_t) {
    parallel_for(10, 3, [&](std::size_t begin, std::size_t end) { total += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(total.load(), 60);
}

TEST(StopToken, IsUnsetAtFirstAndStaysSetAfterARequest) {
  StopToken token;
  EXPECT_FALSE(token.requested());
  token.request();
  EXPECT_TRUE(token.requested());
  token.request();
  EXPECT_TRUE(token.requested());
}

TEST(StopToken, ReachesAnotherThread) {
  StopToken token;
  std::atomic<bool> stopped{false};
  std::jthread worker([&] {
    while (!token.requested()) std::this_thread::yield();
    stopped = true;
  });
  token.request();
  worker.join();
  EXPECT_TRUE(stopped.load());
}

}  // namespace
}  // namespace tenfold
