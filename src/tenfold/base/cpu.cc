// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/cpu.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

bool bit(unsigned value, int position) {
  return (value >> position) & 1u;
}

// Which register states the operating system saves (XCR0); a feature without it must not be used.
unsigned saved_states(const Registers& leaf1) {
  if (!bit(leaf1.c, 27)) return 0;  // OSXSAVE
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

std::string brand() {
  char text[49] = {};
  if (cpuid(0x80000000u).a < 0x80000004u) return "unknown";
  for (unsigned i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + std::size_t{16} * i, &r, 16);
  }
  return std::string(trim(text));  // padded on the right, by some makers on the left
}

CpuInfo detect() {
  CpuInfo info;
  const Registers leaf0 = cpuid(0);
  char vendor[13] = {};
  std::memcpy(vendor, &leaf0.b, 4);
  std::memcpy(vendor + 4, &leaf0.d, 4);
  std::memcpy(vendor + 8, &leaf0.c, 4);
  info.vendor = vendor;
  info.model_name = brand();
  const Registers leaf1 = cpuid(1);
  info.family = static_cast<int>((leaf1.a >> 8) & 0xF);
  info.model = static_cast<int>((leaf1.a >> 4) & 0xF);
  if (info.family == 6 || info.family == 15) info.model += static_cast<int>((leaf1.a >> 16) & 0xF) << 4;
  if (info.family == 15) info.family += static_cast<int>((leaf1.a >> 20) & 0xFF);
  const unsigned states = saved_states(leaf1);
  const bool ymm = (states & 0x6) == 0x6;
  const bool zmm = (states & 0xE6) == 0xE6;
  const bool tiles = (states & 0x60000) == 0x60000;
  const Registers leaf7 = cpuid(7);
  const Registers leaf7_1 = cpuid(7, 1);
  info.avx2 = ymm && bit(leaf7.b, 5) && bit(leaf1.c, 12);
  info.avx512 =
      zmm && bit(leaf7.b, 16) && bit(leaf7.b, 17) && bit(leaf7.b, 28) && bit(leaf7.b, 30) && bit(leaf7.b, 31);
  info.avx512_bf16 = info.avx512 && bit(leaf7_1.a, 5);
  info.avx512_vnni = info.avx512 && bit(leaf7.c, 11);
  info.amx = tiles && bit(leaf7.d, 24);
  return info;
}
#else
CpuInfo detect() {
  CpuInfo info;
  info.vendor = "unknown";
  info.model_name = "unknown";
  return info;
}
#endif

}  // namespace

std::vector<std::string> CpuInfo::features() const {
  std::vector<std::string> names;
  if (avx2) names.emplace_back("avx2");
  if (avx512) names.emplace_back("avx512");
  if (avx512_bf16) names.emplace_back("avx512_bf16");
  if (avx512_vnni) names.emplace_back("avx512_vnni");
  if (amx) names.emplace_back("amx");
  return names;
}

const CpuInfo& cpu_info() {
  static const CpuInfo info = detect();
  return info;
}

}  // namespace tenfold
