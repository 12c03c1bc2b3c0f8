// SPDX-License-Identifier: Apache-2.0
// Which BLAS, OpenMP and LibTorch run in this process, found by their symbols and by the memory map, without linking
// to any of them by name.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "tenfold/base/cpu.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/machine.h"

namespace tenfold::train {
namespace {

template <typename Function>
Function* find_symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

// Library files mapped into the process whose file name contains one of `names`.
std::vector<std::string> mapped_files(std::initializer_list<std::string_view> names) {
  std::set<std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t slash = line.find('/');
    if (slash == std::string::npos) continue;
    const std::string file = line.substr(slash);
    const std::string base = file.substr(file.rfind('/') + 1);
    const bool wanted =
        std::any_of(names.begin(), names.end(), [&](auto name) { return base.starts_with(name); });
    if (wanted && base.find(".so") != std::string::npos) found.insert(file);
  }
  return {found.begin(), found.end()};
}

// Kernels for CPUs without AVX2, as OpenBLAS names them.
bool before_avx2(const std::string& core) {
  static const std::set<std::string> kOld = {
      "prescott",   "core2",      "penryn", "dunnington", "nehalem", "sandybridge",   "atom",      "katmai",
      "coppermine", "northwood",  "banias", "athlon",     "opteron", "opteron(sse3)", "barcelona", "bobcat",
      "bulldozer",  "piledriver", "nano",   "viac3",      "generic", "unknown"};
  return kOld.contains(to_lower(core));
}

std::string word_after(const std::string& text, std::string_view key) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word == key && words >> word) return word;
  }
  return "";
}

void describe_openblas(BlasInfo& info) {
  const auto config = find_symbol<char*()>("openblas_get_config");
  const auto core = find_symbol<char*()>("openblas_get_corename");
  const auto parallel = find_symbol<int()>("openblas_get_parallel");
  info.name = "OpenBLAS";
  if (config != nullptr) info.config = config();
  info.version = word_after(info.config, "OpenBLAS");
  if (core != nullptr) info.kernel = core();
  if (parallel != nullptr) {
    constexpr std::array<const char*, 3> kThreading = {"sequential", "pthread", "openmp"};
    const int mode = parallel();
    info.threading = mode >= 0 && mode < 3 ? kThreading[static_cast<std::size_t>(mode)] : "unknown";
  }
  info.kernel_too_old = core != nullptr && cpu_info().avx2 && before_avx2(info.kernel);
}

BlasInfo blas_info() {
  BlasInfo info;
  info.name = "unknown";
  info.threading = "unknown";
  info.files = mapped_files({"libblas", "libopenblas", "liblapack", "libmkl", "libblis", "libatlas"});
  if (dlsym(RTLD_DEFAULT, "openblas_get_config") != nullptr) {
    describe_openblas(info);
  } else if (const auto mkl = find_symbol<void(char*, int)>("mkl_get_version_string")) {
    std::array<char, 256> text{};
    mkl(text.data(), static_cast<int>(text.size()) - 1);
    info.name = "MKL";
    info.config = std::string(trim(text.data()));
  } else if (const auto blis = find_symbol<const char*()>("bli_info_get_version_str")) {
    info.name = "BLIS";
    info.version = blis();
  } else if (!info.files.empty()) {
    info.name = "reference";
    info.threading = "sequential";
    info.kernel_too_old = true;
  }
  return info;
}

// "- CPU capability usage: AVX512" in the configuration text.
std::string cpu_capability() {
  const std::string config = at::show_config();
  constexpr std::string_view kKey = "CPU capability usage: ";
  const std::size_t place = config.find(kKey);
  if (place == std::string::npos) return "unknown";
  const std::size_t begin = place + kKey.size();
  return config.substr(begin, config.find('\n', begin) - begin);
}

}  // namespace

void set_threads(int count) {
  set_thread_count(count);
  at::set_num_threads(count);
  for (const char* name : {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads"}) {
    if (const auto set = find_symbol<void(int)>(name)) set(count);
  }
}

LibraryInfo library_info() {
  LibraryInfo info;
  info.torch_version = TORCH_VERSION;
  info.onednn = at::globalContext().hasMKLDNN();
  info.torch_parallel = at::get_parallel_info();
  info.torch_cpu_capability = cpu_capability();
  info.intra_op_threads = at::get_num_threads();
  info.inter_op_threads = at::get_num_interop_threads();
  info.blas = blas_info();
  info.openmp_runtimes = mapped_files({"libgomp", "libomp", "libiomp"});
  return info;
}

}  // namespace tenfold::train
