// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/clock.h"

#include <ctime>

namespace tenfold {
namespace {

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

Stopwatch::Stopwatch() : wall_start_(now(CLOCK_MONOTONIC)), cpu_start_(now(CLOCK_PROCESS_CPUTIME_ID)) {}
double Stopwatch::wall_seconds() const {
  return now(CLOCK_MONOTONIC) - wall_start_;
}
double Stopwatch::cpu_seconds() const {
  return now(CLOCK_PROCESS_CPUTIME_ID) - cpu_start_;
}
void Stopwatch::restart() {
  *this = Stopwatch();
}

}  // namespace tenfold
