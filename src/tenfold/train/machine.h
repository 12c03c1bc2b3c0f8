// SPDX-License-Identifier: Apache-2.0
// Measures what this machine can do (GEMM, FMA peak, memory bandwidth) and reports the numerical libraries of
// the process: BLAS and its kernel, OpenMP runtimes, LibTorch. No torch header here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenfold::train {

// Applies one thread count to ATen's intra-op pool, OpenMP, OpenBLAS (or MKL) and tenfold::set_thread_count
// alike. Throws Error(kUsage) unless 1 <= count <= 1024.
void set_threads(int count);

struct GemmOptions {
  std::int64_t size = 1024;  // square matrices, float32
  int threads = 0;           // 0: tenfold::available_cores()
  int repeats = 9;           // timed samples; the median is reported
  double seconds_per_repeat = 0.05;
};

struct GemmReport {
  std::int64_t size = 0;
  int threads = 0;
  int repeats = 0;
  double gflops = 0.0;       // median by wall time
  double best_gflops = 0.0;  // fastest sample by wall time
  double cpu_gflops =
      0.0;  // fastest sample by CPU time, times threads: what the machine gives when it is idle
  double peak_gflops = 0.0;  // the larger of the last two: the peak for utilisation figures
};

// Rate of at::mm_out on [size, size] x [size, size]. Sets the thread count for the measurement and restores
// it. Throws Error(kUsage, "machine.bad_option") unless 1 <= size <= 16384 and repeats >= 1.
GemmReport measure_gemm(const GemmOptions& options = {});

enum class Simd : unsigned char { kScalar, kAvx2, kAvx512 };
const char* to_string(Simd simd);  // "baseline (no AVX2)", "AVX2+FMA", "AVX-512"

struct FmaReport {
  Simd simd = Simd::kScalar;  // the widest this CPU has
  int threads = 0;
  double gflops = 0.0;  // median of the samples, float32, by wall time
  double best_gflops = 0.0;
  double cpu_gflops = 0.0;  // best by CPU time times threads
};

// Peak rate of independent fused multiply-adds in registers. threads 0: tenfold::available_cores().
FmaReport measure_fma_peak(int threads = 0);

struct BandwidthReport {
  int threads = 0;
  std::size_t bytes_per_array = 0;
  double gigabytes_per_second =
      0.0;  // median; a[i] = b[i] + s c[i] counted as three arrays of traffic (STREAM triad)
  double best_gigabytes_per_second = 0.0;
};

BandwidthReport measure_bandwidth(int threads = 0, std::size_t bytes_per_array = std::size_t{96} << 20);

struct BlasInfo {
  std::string name;     // "OpenBLAS", "MKL", "reference" or "unknown"
  std::string version;  // "0.3.21"; empty when the library does not say
  std::string kernel;   // OpenBLAS core name: "SkylakeX", "Cooperlake", "Zen", "Prescott"; empty when unknown
  std::string config;   // the library's own text
  std::string threading;           // "openmp", "pthread", "sequential", "unknown"
  std::vector<std::string> files;  // BLAS and LAPACK libraries mapped into the process
  // True when the kernel is far below this CPU (Prescott, Core2, ... on a CPU with AVX2): the BLAS trap.
  bool kernel_too_old = false;
};

struct LibraryInfo {
  std::string torch_version;         // "1.13.1"
  bool onednn = false;               // LibTorch has oneDNN (mkldnn) kernels
  std::string torch_parallel;        // at::get_parallel_info(), several lines
  std::string torch_cpu_capability;  // "DEFAULT", "AVX2", "AVX512": kernels ATen chose
  int intra_op_threads = 0;
  int inter_op_threads = 0;
  BlasInfo blas;
  std::vector<std::string> openmp_runtimes;  // files of libgomp, libomp, libiomp5 in the process: must be one
};

LibraryInfo library_info();

struct MachineReport {
  LibraryInfo libraries;
  GemmReport gemm_one_thread;
  GemmReport gemm_all_threads;
  FmaReport fma_one_thread;
  FmaReport fma_all_threads;
  BandwidthReport bandwidth;
  double share_of_fma_peak_one_thread = 0.0;  // best GEMM rate / best FMA rate
  double share_of_fma_peak_all_threads = 0.0;
  // Proof that counting and peak fit together: a counted loop of products on one thread against the peak of
  // gemm_one_thread, fastest samples, by wall time and by CPU time (steadier on a busy machine). Wanted: 0.9 to 1.05.
  double gemm_loop_utilisation = 0.0;
  double gemm_loop_utilisation_cpu = 0.0;
  std::vector<std::string> warnings;  // what is wrong with this set-up and what to do, one sentence each
};

// All of the above; about `seconds` in total.
MachineReport measure_machine(double seconds = 4.0);

}  // namespace tenfold::train
