// SPDX-License-Identifier: Apache-2.0
// Rates of bare loops on the processor: fused multiply-adds in registers and streaming memory. Internal to machine.h.
#pragma once

#include <cstddef>
#include <vector>

namespace tenfold::train {

struct RateSample {
  double wall_rate = 0.0;  // work of all threads / longest wall time
  double cpu_rate = 0.0;   // sum over threads of work / CPU time
};

enum class Simd : unsigned char;

// FLOP/s of independent float32 multiply-adds in `threads` threads, `repeats` samples of about `seconds`.
std::vector<RateSample> fma_rates(Simd simd, int threads, int repeats, double seconds);

// Bytes/s of a[i] = b[i] + s c[i] in `threads` threads.
std::vector<RateSample> triad_rates(int threads, std::size_t bytes_per_array, int repeats);

}  // namespace tenfold::train
