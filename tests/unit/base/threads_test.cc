// SPDX-License-Identifier: Apache-2.0
// parallel_for's promises for any thread count and grain, the thread setting, and StopToken.
#include "tenfold/base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
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

// One environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST_F(Threads, DefaultFollowsOmpNumThreads) {
  const std::pair<const char*, int> cases[] = {{"3", 3}, {"5,2", 5}, {" 7 ", 7}, {"100000", 1024}};
  for (const auto& [text, wanted] : cases) {
    const Variable variable("OMP_NUM_THREADS", text);
    EXPECT_EQ(default_thread_count(), wanted) << text;
  }
  for (const char* text : {"0", "-2", "many", ""}) {
    const Variable variable("OMP_NUM_THREADS", text);
    EXPECT_EQ(default_thread_count(), available_cores()) << text;
  }
}

TEST_F(Threads, RanksOfOneMachineShareItsCores) {
  const Variable threads("OMP_NUM_THREADS", nullptr);
  const Variable rank("RANK", "0"), size("WORLD_SIZE", "2"), here("LOCAL_WORLD_SIZE", "2"),
      job("TENFOLD_JOB", "a");
  const Variable address("MASTER_ADDR", "127.0.0.1"), port("MASTER_PORT", "29500");
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  if (CPU_COUNT(&before) < ::sysconf(_SC_NPROCESSORS_ONLN))
    GTEST_SKIP() << "the test itself is bound to some cores";
  EXPECT_EQ(default_thread_count(), std::max(1, available_cores() / 2));
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "one core cannot be a part of the cores";
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(default_thread_count(), 1);  // bound by mpirun: that core is its own
  sched_setaffinity(0, sizeof before, &before);
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
