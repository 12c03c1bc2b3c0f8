// SPDX-License-Identifier: Apache-2.0
// What the processor can do, read from CPUID and XGETBV (no LibTorch, used by the launcher too).
#pragma once

#include <string>
#include <vector>

namespace tenfold {

struct CpuInfo {
  std::string vendor;  // "GenuineIntel", "AuthenticAMD"
  std::string model_name;
  int family = 0;
  int model = 0;
  bool avx2 = false;    // with FMA and operating-system support
  bool avx512 = false;  // F, CD, BW, DQ, VL with operating-system support
  bool avx512_bf16 = false;
  bool avx512_vnni = false;
  bool amx = false;

  std::vector<std::string> features() const;  // names of the true ones, in the order above
};

const CpuInfo& cpu_info();

}  // namespace tenfold
