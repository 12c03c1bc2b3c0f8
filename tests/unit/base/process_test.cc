// SPDX-License-Identifier: Apache-2.0
// What the system says of the memory of this process.
#include "tenfold/base/process.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace tenfold {
namespace {

TEST(ProcessMemory, GrowsWithPagesThatAreTouched) {
  const auto before = process_memory("RssAnon");
  if (!before) GTEST_SKIP() << "the system does not say";
  constexpr std::size_t kBytes = 64 << 20;
  const std::vector<char> pages(kBytes, 1);
  ASSERT_TRUE(process_memory("RssAnon"));
  EXPECT_GE(*process_memory("RssAnon") - *before, 0.9 * kBytes);
  EXPECT_GE(*process_memory("VmHWM"), *process_memory("RssAnon"));
  EXPECT_EQ(pages.back(), 1);
}

TEST(ProcessMemory, KnowsNoFigureByHalfItsName) {
  EXPECT_FALSE(process_memory("VmRS"));
  EXPECT_FALSE(process_memory("VmRSSS"));
  EXPECT_FALSE(process_memory(""));
}

}  // namespace
}  // namespace tenfold
