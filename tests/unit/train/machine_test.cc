// SPDX-License-Identifier: Apache-2.0
// Measurements of the machine: relations that hold on every machine, never absolute speeds.
#include "tenfold/train/machine.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tenfold/base/cpu.h"
#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"

namespace tenfold::train {
namespace {

TEST(Machine, GemmReportsPositiveRatesInOrder) {
  const GemmReport report =
      measure_gemm({.size = 128, .threads = 1, .repeats = 3, .seconds_per_repeat = 0.005});
  EXPECT_EQ(report.threads, 1);
  EXPECT_EQ(report.repeats, 3);
  EXPECT_GT(report.gflops, 0.0);
  EXPECT_GE(report.best_gflops, report.gflops);
  EXPECT_EQ(report.peak_gflops, std::max(report.best_gflops, report.cpu_gflops));
}

TEST(Machine, RefusesSenselessGemm) {
  EXPECT_THROW(measure_gemm({.size = 0}), Error);
  EXPECT_THROW(measure_gemm({.size = 1 << 20}), Error);
  EXPECT_THROW(measure_gemm({.repeats = 0}), Error);
}

TEST(Machine, MeasuringPutsTheThreadsBack) {
  set_threads(1);
  measure_gemm({.size = 64, .threads = 2, .repeats = 1, .seconds_per_repeat = 0.001});
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_EQ(thread_count(), 1);
}

TEST(Machine, SetThreadsReachesAllLayers) {
  set_threads(2);
  EXPECT_EQ(at::get_num_threads(), 2);
  EXPECT_EQ(thread_count(), 2);
  EXPECT_EQ(library_info().intra_op_threads, 2);
  set_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_THROW(set_threads(0), Error);
}

TEST(Machine, FmaUsesTheWidestUnits) {
  const FmaReport report = measure_fma_peak(1);
  const Simd widest = cpu_info().avx512 ? Simd::kAvx512 : cpu_info().avx2 ? Simd::kAvx2 : Simd::kScalar;
  EXPECT_EQ(report.simd, widest);
  EXPECT_GT(report.gflops, 0.0);
  EXPECT_GE(report.best_gflops, report.gflops);
  EXPECT_STRNE(to_string(report.simd), "");
}

TEST(Machine, BandwidthIsPositive) {
  const BandwidthReport report = measure_bandwidth(2, std::size_t{1} << 20);
  EXPECT_EQ(report.threads, 2);
  EXPECT_GT(report.gigabytes_per_second, 0.0);
}

TEST(Machine, NamesTheLibrariesOfTheProcess) {
  const LibraryInfo info = library_info();
  EXPECT_NE(info.torch_version.find('.'), std::string::npos);
  EXPECT_FALSE(info.torch_parallel.empty());
  EXPECT_NE(info.torch_cpu_capability, "unknown");
  EXPECT_EQ(info.openmp_runtimes.size(), 1u);
  EXPECT_FALSE(info.blas.name.empty());
  EXPECT_FALSE(info.blas.files.empty());
  if (info.blas.name == "OpenBLAS") {
    EXPECT_FALSE(info.blas.kernel.empty());
    EXPECT_NE(info.blas.config.find(info.blas.version), std::string::npos);
  }
}

}  // namespace
}  // namespace tenfold::train
