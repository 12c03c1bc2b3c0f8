// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/threads.h"

#include <sched.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/rank_environment.h"
#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

std::atomic<int> configured_threads{0};
constexpr int kNoLimit = 1 << 20;
constexpr int kMaxThreads = 1024;

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Containers limit processor time by a cgroup quota that the affinity mask does not show.
int cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  long period = 0;
  if (!(file >> quota >> period) || period <= 0) return kNoLimit;  // "max" is no number either
  const auto microseconds = parse_integer(quota);
  if (!microseconds || *microseconds <= 0 || *microseconds / period >= kNoLimit) return kNoLimit;
  return std::max(1, static_cast<int>((*microseconds + period - 1) / period));
}

// The exception of the lowest range among those that failed; its memory does not grow with the ranges.
class FirstFailure {
 public:
  void add(std::size_t range, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (failure_ && range_ < range) return;
    range_ = range;
    failure_ = std::move(failure);
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::mutex mutex_;
  std::size_t range_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

int available_cores() {
  return std::min(affinity_cores(), cgroup_cores());
}

int default_thread_count() {
  const char* variable = std::getenv("OMP_NUM_THREADS");
  const std::string text = variable == nullptr ? "" : variable;  // "4" or, for nested loops, "4,2"
  const auto wanted = parse_integer(trim(text.substr(0, text.find(','))));
  if (wanted && *wanted >= 1) return static_cast<int>(std::min<long long>(*wanted, kMaxThreads));
  const bool bound = affinity_cores() < ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::max(1, available_cores() / (bound ? 1 : local_world_size()));
}

void set_thread_count(int count) {
  if (count < 1 || count > kMaxThreads) {
    throw Error(ErrorClass::kUsage,
                "threads.out_of_range",
                {.what = "the number of threads cannot be used",
                 .seen = std::to_string(count),
                 .wanted = "1 to 1024",
                 .remedy = "pass --threads " + std::to_string(available_cores()) + " or leave it out"});
  }
  configured_threads.store(count, std::memory_order_relaxed);
#ifdef _OPENMP
  omp_set_num_threads(count);
#endif
}

int thread_count() {
  const int count = configured_threads.load(std::memory_order_relaxed);
  if (count > 0) return count;
  static const int default_count = default_thread_count();  // reads a file: not once a loop
  return default_count;
}

void parallel_for(std::size_t count,
                  std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& body) {
  check_internal(grain > 0, "parallel_for: grain must be positive");
  // Neither expression may wrap: "the whole range at once" is asked for with the largest grain.
  const std::size_t ranges = count / grain + (count % grain != 0 ? 1 : 0);
  const auto run = [&](std::size_t range) {
    const std::size_t begin = range * grain;
    body(begin, begin + std::min(grain, count - begin));
  };
  const int workers =
      static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(thread_count()), ranges));
  if (workers <= 1) {
    for (std::size_t range = 0; range < ranges; ++range) run(range);
    return;
  }
  FirstFailure first_failure;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t range = next++; range < ranges; range = next++) {
      try {
        run(range);
      } catch (...) {
        first_failure.add(range, std::current_exception());
      }
    }
  };
// The thread sanitizer does not see libgomp's barriers and would call every loop a race.
#if defined(_OPENMP) && !defined(__SANITIZE_THREAD__)
#pragma omp parallel num_threads(workers)
  work();
#else
  std::vector<std::jthread> pool;
  for (int worker = 1; worker < workers; ++worker) pool.emplace_back(work);
  work();
  pool.clear();
#endif
  first_failure.rethrow();
}

}  // namespace tenfold
