// SPDX-License-Identifier: Apache-2.0
// Register-only multiply-add loops for three instruction sets, and the STREAM triad. No torch.
#include "tenfold/train/core_rates.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <ctime>
#include <functional>
#include <memory>
#include <thread>

#include "tenfold/train/machine.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tenfold::train {
namespace {

double clock_seconds(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Keeps a value alive without storing it.
template <typename T>
void keep(const T& value) {
  __asm__ volatile("" : : "m"(value) : "memory");
}

// Each kernel runs `rounds` x kChains independent vector multiply-adds and returns their FLOP. Twelve chains cover four
// cycles of latency on two (and three) execution ports and leave registers for the two constants.
constexpr int kChains = 12;
using FmaKernel = double (*)(long rounds);

#if defined(__x86_64__)
// The empty assembler statement stops the compiler from merging rounds.
#define TENFOLD_FMA_KERNEL(NAME, TARGET, VECTOR, SET1, FMA, CONSTRAINT, LANES)      \
  __attribute__((target(TARGET))) double NAME(long rounds) {                        \
    const VECTOR scale = SET1(0.999f), shift = SET1(0.001f);                        \
    VECTOR a = shift, b = shift, c = shift, d = shift, e = shift, f = shift;        \
    VECTOR g = shift, h = shift, i = shift, j = shift, k = shift, l = shift;        \
    for (long round = 0; round < rounds; ++round) {                                 \
      a = FMA(a, scale, shift), b = FMA(b, scale, shift), c = FMA(c, scale, shift); \
      d = FMA(d, scale, shift), e = FMA(e, scale, shift), f = FMA(f, scale, shift); \
      g = FMA(g, scale, shift), h = FMA(h, scale, shift), i = FMA(i, scale, shift); \
      j = FMA(j, scale, shift), k = FMA(k, scale, shift), l = FMA(l, scale, shift); \
      __asm__ volatile(""                                                           \
                       : "+" CONSTRAINT(a),                                         \
                         "+" CONSTRAINT(b),                                         \
                         "+" CONSTRAINT(c),                                         \
                         "+" CONSTRAINT(d),                                         \
                         "+" CONSTRAINT(e),                                         \
                         "+" CONSTRAINT(f));                                        \
      __asm__ volatile(""                                                           \
                       : "+" CONSTRAINT(g),                                         \
                         "+" CONSTRAINT(h),                                         \
                         "+" CONSTRAINT(i),                                         \
                         "+" CONSTRAINT(j),                                         \
                         "+" CONSTRAINT(k),                                         \
                         "+" CONSTRAINT(l));                                        \
    }                                                                               \
    return 2.0 * LANES * kChains * static_cast<double>(rounds);                     \
  }

#define TENFOLD_MULTIPLY_THEN_ADD(X, SCALE, SHIFT) _mm_add_ps(_mm_mul_ps(X, SCALE), SHIFT)

TENFOLD_FMA_KERNEL(fma_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, "v", 16)
TENFOLD_FMA_KERNEL(fma_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, "x", 8)
TENFOLD_FMA_KERNEL(fma_baseline, "sse2", __m128, _mm_set1_ps, TENFOLD_MULTIPLY_THEN_ADD, "x", 4)
#undef TENFOLD_MULTIPLY_THEN_ADD
#undef TENFOLD_FMA_KERNEL

FmaKernel fma_kernel(Simd simd) {
  switch (simd) {
    case Simd::kAvx512:
      return fma_avx512;
    case Simd::kAvx2:
      return fma_avx2;
    case Simd::kScalar:
      break;
  }
  return fma_baseline;
}
#else
// Left to the compiler's vectoriser.
double fma_baseline(long rounds) {
  constexpr int kLanes = 4;
  float x[kChains * kLanes];
  std::fill(std::begin(x), std::end(x), 0.001f);
  for (long round = 0; round < rounds; ++round) {
    for (float& value : x) value = value * 0.999f + 0.001f;
    keep(x);
  }
  return 2.0 * kLanes * kChains * static_cast<double>(rounds);
}
FmaKernel fma_kernel(Simd) {
  return fma_baseline;
}
#endif

struct ThreadTime {
  double start = 0.0, end = 0.0, cpu = 0.0, work = 0.0;
};

// Runs `body` in all threads at once, after a common start.
RateSample run_together(int threads, const std::function<double(int thread)>& body) {
  std::vector<ThreadTime> times(static_cast<std::size_t>(threads));
  std::barrier start(threads);
  auto run = [&](int index) {
    ThreadTime& time = times[static_cast<std::size_t>(index)];
    start.arrive_and_wait();
    const double cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    time.start = clock_seconds(CLOCK_MONOTONIC);
    time.work = body(index);
    time.end = clock_seconds(CLOCK_MONOTONIC);
    time.cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(run, i);
    run(0);
  }
  RateSample sample;
  double first = times[0].start, last = times[0].end, work = 0.0;
  for (const ThreadTime& time : times) {
    first = std::min(first, time.start);
    last = std::max(last, time.end);
    work += time.work;
    sample.cpu_rate += time.work / std::max(time.cpu, 1e-9);
  }
  sample.wall_rate = work / std::max(last - first, 1e-9);
  return sample;
}

long rounds_for(FmaKernel kernel, double seconds) {
  kernel(1000);  // wakes the wide units
  long rounds = 100000;
  for (;;) {
    const double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    kernel(rounds);
    const double taken = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (taken > 0.1 * seconds)
      return std::max(1L, static_cast<long>(static_cast<double>(rounds) * seconds / taken));
    rounds *= 4;
  }
}

}  // namespace

std::vector<RateSample> fma_rates(Simd simd, int threads, int repeats, double seconds) {
  const FmaKernel kernel = fma_kernel(simd);
  const long rounds = rounds_for(kernel, seconds);
  std::vector<RateSample> samples;
  for (int i = 0; i < repeats; ++i)
    samples.push_back(run_together(threads, [&](int) { return kernel(rounds); }));
  return samples;
}

std::vector<RateSample> triad_rates(int threads, std::size_t bytes_per_array, int repeats) {
  const std::size_t share = bytes_per_array / sizeof(float) / static_cast<std::size_t>(threads);
  struct Arrays {
    std::unique_ptr<float[]> a, b, c;
  };
  std::vector<Arrays> arrays(static_cast<std::size_t>(threads));
  run_together(threads, [&](int thread) {  // first touch by the thread that uses the pages
    arrays[static_cast<std::size_t>(thread)] = {
        std::make_unique<float[]>(share), std::make_unique<float[]>(share), std::make_unique<float[]>(share)};
    return 0.0;
  });
  std::vector<RateSample> samples;
  for (int i = 0; i < repeats; ++i) {
    samples.push_back(run_together(threads, [&](int thread) {
      const Arrays& mine = arrays[static_cast<std::size_t>(thread)];
      float* __restrict a = mine.a.get();
      const float* __restrict b = mine.b.get();
      const float* __restrict c = mine.c.get();
      for (std::size_t j = 0; j < share; ++j) a[j] = b[j] + 3.0f * c[j];
      keep(a[0]);
      return 3.0 * sizeof(float) * static_cast<double>(share);
    }));
  }
  return samples;
}

}  // namespace tenfold::train
