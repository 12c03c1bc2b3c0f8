// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/blas_rule.h"

#include <gtest/gtest.h>

namespace tenfold::cli {
namespace {

CpuInfo cpu(bool avx2, bool avx512) {
  CpuInfo info;
  info.avx2 = avx2;
  info.avx512 = avx512;
  return info;
}

TEST(BlasRule, ReplacesTheFallbackKernelOnNewProcessors) {
  EXPECT_EQ(better_coretype("Prescott", cpu(true, true)), "SkylakeX");
  EXPECT_EQ(better_coretype("Prescott", cpu(true, false)), "Haswell");
  EXPECT_EQ(better_coretype("Core2", cpu(true, true)), "SkylakeX");
  EXPECT_EQ(better_coretype("Nehalem", cpu(true, false)), "Haswell");
}

TEST(BlasRule, LeavesAKernelThatUsesTheVectorUnitsAlone) {
  for (const char* kernel : {"SkylakeX", "Cooperlake", "SapphireRapids", "Haswell", "Zen"}) {
    EXPECT_EQ(better_coretype(kernel, cpu(true, true)), std::nullopt) << kernel;
  }
}

TEST(BlasRule, NeverAsksForAKernelTheProcessorCannotRun) {
  EXPECT_EQ(better_coretype("Prescott", cpu(false, false)), std::nullopt);
  EXPECT_NE(better_coretype("Prescott", cpu(true, false)), "SkylakeX");
}

}  // namespace
}  // namespace tenfold::cli
