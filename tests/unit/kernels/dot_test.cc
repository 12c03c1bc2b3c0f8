// SPDX-License-Identifier: Apache-2.0
#include "tenfold/kernels/dot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

TEST_F(EveryTarget, DotEqualsALoopInDouble) {
  for_each_target([] {
    TestNumbers numbers(31);
    for (int round = 0; round < 1000; ++round) {
      const auto a = numbers.numbers(numbers.size(0, 300)), b = numbers.numbers(a.size());
      double sum = 0, size = 1;
      for (std::size_t i = 0; i < a.size(); ++i) {
        sum += static_cast<double>(a[i]) * b[i];
        size += std::abs(static_cast<double>(a[i]) * b[i]);
      }
      ASSERT_NEAR(dot(a.data(), b.data(), a.size()), sum, 2e-6 * size) << a.size();
    }
  });
}

}  // namespace
}  // namespace tenfold::kernels
