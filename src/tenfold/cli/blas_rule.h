// SPDX-License-Identifier: Apache-2.0
// Which OpenBLAS kernel to ask for. OpenBLAS chooses its kernel when it is loaded and falls back to a 2004 one
// (Prescott) on processors newer than itself, at a quarter of the speed (docs/performance.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenfold/base/cpu.h"

namespace tenfold::cli {

// `kernel`: what OpenBLAS chose (openblas_get_corename). The value for OPENBLAS_CORETYPE when that choice wastes the
// vector units of `cpu`; nullopt when it is right.
std::optional<std::string> better_coretype(std::string_view kernel, const CpuInfo& cpu);

}  // namespace tenfold::cli
