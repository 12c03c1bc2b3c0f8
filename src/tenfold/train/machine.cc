// SPDX-License-Identifier: Apache-2.0
// Measured rates of this machine through LibTorch, and the judgement of them.
#include "tenfold/train/machine.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "tenfold/base/clock.h"
#include "tenfold/base/cpu.h"
#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/core_rates.h"
#include "tenfold/train/flop_meter.h"

namespace tenfold::train {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int or_all_cores(int threads) {
  return threads > 0 ? threads : available_cores();
}

// Sets the thread count for a measurement and puts the former ones back.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int count) : ours_(thread_count()), torch_(at::get_num_threads()) {
    if (count != ours_ || count != torch_) set_threads(count);
  }
  ~ThreadsGuard() {
    set_threads(torch_);
    set_thread_count(ours_);
  }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int ours_;
  int torch_;
};

struct Matrices {
  explicit Matrices(std::int64_t size)
      : a(at::rand({size, size}, at::kFloat)), b(at::rand({size, size}, at::kFloat)), c(at::empty_like(a)) {}
  void multiply() { at::mm_out(c, a, b); }
  at::Tensor a, b, c;
};

void check_gemm_options(const GemmOptions& options) {
  if (options.size >= 1 && options.size <= 16384 && options.repeats >= 1) return;
  throw Error(ErrorClass::kUsage,
              "machine.bad_option",
              {.what = "the matrix product cannot be measured",
               .seen = fmt::format("size {}, repeats {}", options.size, options.repeats),
               .wanted = "size 1 to 16384, repeats at least 1",
               .remedy = "change the options of the measurement"});
}

struct LoopRates {
  double wall = 0.0, cpu = 0.0;  // GFLOP/s, fastest samples
};

// Counted FLOP of a loop of products per second.
LoopRates counted_gemm_rates(const GemmReport& gemm) {
  const c10::NoGradGuard no_grad;
  const ThreadsGuard threads(gemm.threads);
  Matrices matrices(gemm.size);
  matrices.multiply();
  LoopRates best;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const FlopMeter meter;
    const Stopwatch watch;
    do {
      matrices.multiply();
    } while (watch.wall_seconds() < 0.05);
    const double wall = watch.wall_seconds();
    const double cpu = std::max(watch.cpu_seconds(), 1e-9);
    const double counted = 1e-9 * static_cast<double>(meter.total());
    best.wall = std::max(best.wall, counted / wall);
    best.cpu = std::max(best.cpu, counted / cpu * gemm.threads);
  }
  return best;
}

void add_warnings(MachineReport& report) {
  const LibraryInfo& libraries = report.libraries;
  if (libraries.blas.kernel_too_old) {
    report.warnings.push_back(fmt::format(
        "{} runs its '{}' kernel, far below this processor: start the program through its launcher or set "
        "OPENBLAS_CORETYPE (SkylakeX with AVX-512, Haswell with AVX2)",
        libraries.blas.name,
        libraries.blas.kernel));
  }
  if (libraries.openmp_runtimes.size() > 1) {
    report.warnings.push_back("more than one OpenMP runtime is loaded: threads will compete for the cores");
  }
  if (libraries.blas.threading == "pthread") {
    report.warnings.push_back(
        "this OpenBLAS has threads of its own beside OpenMP's: install libopenblas0-openmp");
  }
  if (report.share_of_fma_peak_one_thread < 0.4) {
    report.warnings.push_back(
        fmt::format("matrix products reach {:.0f} % of the core's peak; 70 % or more is usual",
                    100.0 * report.share_of_fma_peak_one_thread));
  }
}

}  // namespace

const char* to_string(Simd simd) {
  switch (simd) {
    case Simd::kAvx512:
      return "AVX-512";
    case Simd::kAvx2:
      return "AVX2+FMA";
    case Simd::kScalar:
      break;
  }
  return "baseline (no AVX2)";
}

GemmReport measure_gemm(const GemmOptions& options) {
  check_gemm_options(options);
  const c10::NoGradGuard no_grad;
  GemmReport report{
      .size = options.size, .threads = or_all_cores(options.threads), .repeats = options.repeats};
  const ThreadsGuard threads(report.threads);
  Matrices matrices(options.size);
  const double flops = 2.0 * static_cast<double>(options.size) * static_cast<double>(options.size) *
                       static_cast<double>(options.size);
  matrices.multiply();
  std::vector<double> rates;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    const Stopwatch watch;
    double done = 0.0;
    do {
      matrices.multiply();
      done += flops;
    } while (watch.wall_seconds() < options.seconds_per_repeat);
    rates.push_back(1e-9 * done / watch.wall_seconds());
    const double cpu_rate = 1e-9 * done / std::max(watch.cpu_seconds(), 1e-9);
    report.cpu_gflops = std::max(report.cpu_gflops, cpu_rate * report.threads);
  }
  report.gflops = median(rates);
  report.best_gflops = *std::max_element(rates.begin(), rates.end());
  report.peak_gflops = std::max(report.best_gflops, report.cpu_gflops);
  return report;
}

FmaReport measure_fma_peak(int threads) {
  FmaReport report;
  report.threads = or_all_cores(threads);
  if (cpu_info().avx2) report.simd = Simd::kAvx2;
  if (cpu_info().avx512) report.simd = Simd::kAvx512;
  std::vector<double> rates;
  for (const RateSample& sample : fma_rates(report.simd, report.threads, 9, 0.03)) {
    rates.push_back(1e-9 * sample.wall_rate);
    report.cpu_gflops = std::max(report.cpu_gflops, 1e-9 * sample.cpu_rate);
  }
  report.gflops = median(rates);
  report.best_gflops = *std::max_element(rates.begin(), rates.end());
  return report;
}

BandwidthReport measure_bandwidth(int threads, std::size_t bytes_per_array) {
  BandwidthReport report{.threads = or_all_cores(threads), .bytes_per_array = bytes_per_array};
  std::vector<double> rates;
  for (const RateSample& sample : triad_rates(report.threads, bytes_per_array, 7)) {
    rates.push_back(1e-9 * sample.wall_rate);
  }
  report.gigabytes_per_second = median(rates);
  report.best_gigabytes_per_second = *std::max_element(rates.begin(), rates.end());
  return report;
}

MachineReport measure_machine(double seconds) {
  MachineReport report;
  report.libraries = library_info();
  report.fma_one_thread = measure_fma_peak(1);
  report.fma_all_threads = measure_fma_peak();
  const int repeats = std::clamp(static_cast<int>((seconds - 1.2) / 2.0 / 0.05), 7, 200);
  report.gemm_one_thread = measure_gemm({.threads = 1, .repeats = repeats});
  report.gemm_all_threads = measure_gemm({.repeats = repeats});
  report.bandwidth = measure_bandwidth();
  const auto share = [](const GemmReport& gemm, const FmaReport& fma) {
    return gemm.peak_gflops / std::max(fma.best_gflops, fma.cpu_gflops);
  };
  report.share_of_fma_peak_one_thread = share(report.gemm_one_thread, report.fma_one_thread);
  report.share_of_fma_peak_all_threads = share(report.gemm_all_threads, report.fma_all_threads);
  const LoopRates loop = counted_gemm_rates(report.gemm_one_thread);
  report.gemm_loop_utilisation = loop.wall / report.gemm_one_thread.best_gflops;
  report.gemm_loop_utilisation_cpu = loop.cpu / report.gemm_one_thread.cpu_gflops;
  add_warnings(report);
  return report;
}

}  // namespace tenfold::train
