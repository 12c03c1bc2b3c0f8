// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/blas_rule.h"

#include <algorithm>
#include <array>

#include "tenfold/base/strings.h"

namespace tenfold::cli {
namespace {

// Kernels of OpenBLAS 0.3.21's dynamic build that use AVX2 with FMA, or AVX-512.
constexpr std::array<std::string_view, 3> kAvx512 = {"skylakex", "cooperlake", "sapphirerapids"};
constexpr std::array<std::string_view, 3> kAvx2 = {"haswell", "zen", "excavator"};

bool contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<std::string> better_coretype(std::string_view kernel, const CpuInfo& cpu) {
  const std::string name = to_lower(kernel);
  if (contains(kAvx512, name)) return std::nullopt;
  // A known processor gets the kernel its makers of OpenBLAS measured as best, AVX-512 or not ("zen" on Zen 4).
  if (contains(kAvx2, name)) return std::nullopt;
  if (cpu.avx512) return "SkylakeX";
  if (cpu.avx2) return "Haswell";
  return std::nullopt;
}

}  // namespace tenfold::cli
