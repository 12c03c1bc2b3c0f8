// SPDX-License-Identifier: Apache-2.0
// The sum of squares equals its plain version on every instruction set, for floats to the bit.
#include "tenfold/kernels/sum_of_squares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

template <typename T>
std::vector<T> noise(std::size_t count, std::uint64_t stream) {
  random::Generator generator(1, stream);
  std::vector<T> values(count);
  for (T& value : values)
    value = static_cast<T>(generator.normal() * std::pow(10.0, generator.uniform() * 8 - 4));
  return values;
}

TEST(SumOfSquares, EqualsThePlainVersionForEveryLength) {
  std::vector<std::size_t> lengths{65535, 65536, 65537, 200003};
  for (std::size_t length = 0; length < 200; ++length) lengths.push_back(length);
  const auto floats = noise<float>(200004, 1);
  const auto doubles = noise<double>(200004, 2);
  on_every_target([&] {
    for (const std::size_t length : lengths) {
      const std::span<const float> f = std::span(floats).subspan(1, length);  // not aligned
      const std::span<const double> d = std::span(doubles).subspan(1, length);
      ASSERT_EQ(sum_of_squares(f), sum_of_squares_plain(f)) << length;
      const double plain = sum_of_squares_plain(d);  // a fused multiply-add rounds once less
      ASSERT_NEAR(sum_of_squares(d), plain, 1e-14 * plain) << length;
    }
  });
}

TEST(SumOfSquares, DoesNotDependOnTheThreadCount) {
  const auto values = noise<double>(1000001, 3);
  const int before = thread_count();
  set_thread_count(1);
  const double one = sum_of_squares(std::span<const double>(values));
  set_thread_count(4);
  EXPECT_EQ(sum_of_squares(std::span<const double>(values)), one);
  set_thread_count(before);
}

TEST(SumOfSquares, CarriesInfinityAndNan) {
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    for (std::size_t at : {0u, 7u, 16u, 98u}) {
      std::vector<float> values(99, 1.0f);
      values[at] = bad;
      EXPECT_FALSE(std::isfinite(sum_of_squares(std::span<const float>(values))));
    }
  }
}

}  // namespace
}  // namespace tenfold::kernels
