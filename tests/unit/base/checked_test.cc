// SPDX-License-Identifier: Apache-2.0
// Checked arithmetic at the limits of every integer width and signedness.
#include "tenfold/base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace tenfold::checked {
namespace {

template <typename T>
class CheckedLimits : public testing::Test {
 protected:
  static constexpr T kMin = std::numeric_limits<T>::min();
  static constexpr T kMax = std::numeric_limits<T>::max();
};
using IntegerTypes = testing::Types<std::int8_t,
                                    std::uint8_t,
                                    std::int16_t,
                                    std::uint16_t,
                                    std::int32_t,
                                    std::uint32_t,
                                    std::int64_t,
                                    std::uint64_t,
                                    long long,
                                    unsigned long long>;
TYPED_TEST_SUITE(CheckedLimits, IntegerTypes);

TYPED_TEST(CheckedLimits, AddStopsExactlyAtTheLimits) {
  using T = TypeParam;
  EXPECT_EQ(add<T>(this->kMax - 1, 1), this->kMax);
  EXPECT_EQ(add<T>(this->kMax, 0), this->kMax);
  EXPECT_EQ(add<T>(this->kMax, 1), std::nullopt);
  EXPECT_EQ(add<T>(this->kMax, this->kMax), std::nullopt);
  EXPECT_EQ(add<T>(this->kMin, 0), this->kMin);
  if constexpr (std::is_signed_v<T>) {
    EXPECT_EQ(add<T>(this->kMin, -1), std::nullopt);
    EXPECT_EQ(add<T>(this->kMin, this->kMax), T{-1});
  }
}

TYPED_TEST(CheckedLimits, SubStopsExactlyAtTheLimits) {
  using T = TypeParam;
  EXPECT_EQ(sub<T>(this->kMin + 1, 1), this->kMin);
  EXPECT_EQ(sub<T>(this->kMin, 1), std::nullopt);
  EXPECT_EQ(sub<T>(this->kMax, this->kMax), T{0});
  if constexpr (std::is_signed_v<T>) {
    EXPECT_EQ(sub<T>(this->kMax, -1), std::nullopt);
    EXPECT_EQ(sub<T>(0, this->kMin), std::nullopt);  // -min is not representable
    EXPECT_EQ(sub<T>(-1, this->kMin), this->kMax);
  }
}

TYPED_TEST(CheckedLimits, MulStopsExactlyAtTheLimits) {
  using T = TypeParam;
  EXPECT_EQ(mul<T>(this->kMax, 1), this->kMax);
  EXPECT_EQ(mul<T>(this->kMax, 0), T{0});
  EXPECT_EQ(mul<T>(this->kMax / 2, 2), static_cast<T>(this->kMax - 1));
  EXPECT_EQ(mul<T>(this->kMax / 2 + 1, 2), std::nullopt);
  EXPECT_EQ(mul<T>(this->kMax, this->kMax), std::nullopt);
  if constexpr (std::is_signed_v<T>) {
    EXPECT_EQ(mul<T>(this->kMin, -1), std::nullopt);
    EXPECT_EQ(mul<T>(this->kMin / 2, 2), this->kMin);
    EXPECT_EQ(mul<T>(this->kMax, -1), static_cast<T>(this->kMin + 1));
  }
}

TYPED_TEST(CheckedLimits, ProductOfOneFactorIsTheFactor) {
  const std::vector<TypeParam> largest = {this->kMax};
  EXPECT_EQ(product<TypeParam>(largest), this->kMax);
}

TEST(CheckedProduct, OfNoFactorsIsOne) {
  EXPECT_EQ(product<std::uint64_t>(std::span<const std::uint64_t>()), 1u);
}

TEST(CheckedProduct, ReachesTheLastRepresentableValue) {
  // 2^64 - 1 = 3 * 5 * 17 * 257 * 641 * 65537 * 6700417 (Fermat numbers).
  const std::vector<std::uint64_t> factors = {3, 5, 17, 257, 641, 65537, 6700417};
  EXPECT_EQ(product<std::uint64_t>(factors), std::numeric_limits<std::uint64_t>::max());
}

TEST(CheckedProduct, RefusesTheFirstValueThatWraps) {
  const std::vector<std::uint64_t> factors = {std::uint64_t{1} << 32, std::uint64_t{1} << 32};
  EXPECT_EQ(product<std::uint64_t>(factors), std::nullopt);
  const std::vector<std::int64_t> negative = {std::numeric_limits<std::int64_t>::min(), -1};
  EXPECT_EQ(product<std::int64_t>(negative), std::nullopt);
}

TEST(CheckedProduct, IsZeroForAZeroFactorAnywhereEvenWhereTheRestWraps) {
  const std::uint64_t big = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(product<std::uint64_t>(std::vector<std::uint64_t>{0, big, big}), 0u);
  EXPECT_EQ(product<std::uint64_t>(std::vector<std::uint64_t>{big, 0, big}), 0u);
  EXPECT_EQ(product<std::uint64_t>(std::vector<std::uint64_t>{big, big, 0}), 0u);
}

TEST(CheckedCast, KeepsValuesThatFit) {
  EXPECT_EQ((cast<std::uint8_t, int>(255)), 255);
  EXPECT_EQ((cast<std::int8_t, long long>(-128)), -128);
  EXPECT_EQ((cast<std::int64_t, std::uint64_t>(0x7FFFFFFFFFFFFFFFu)), 0x7FFFFFFFFFFFFFFF);
  EXPECT_EQ((cast<std::uint64_t, std::int32_t>(7)), 7u);
}

TEST(CheckedCast, RefusesValuesThatAreTooLarge) {
  EXPECT_EQ((cast<std::uint8_t, int>(256)), std::nullopt);
  EXPECT_EQ((cast<std::int32_t, std::int64_t>(std::int64_t{1} << 31)), std::nullopt);
  EXPECT_EQ((cast<std::int8_t, int>(-129)), std::nullopt);
}

TEST(CheckedCast, RefusesEveryChangeOfSign) {
  EXPECT_EQ((cast<std::uint64_t, std::int64_t>(-1)), std::nullopt);
  EXPECT_EQ((cast<std::uint8_t, std::int8_t>(-1)), std::nullopt);
  EXPECT_EQ((cast<std::int64_t, std::uint64_t>(std::uint64_t{1} << 63)), std::nullopt);
  EXPECT_EQ((cast<std::int8_t, std::uint8_t>(128)), std::nullopt);
  EXPECT_EQ((cast<std::int64_t, std::uint64_t>(std::numeric_limits<std::uint64_t>::max())), std::nullopt);
}

TEST(Checked, WorksInConstantExpressions) {
  static_assert(add(2, 3) == 5);
  static_assert(!mul(std::numeric_limits<int>::max(), 2));
  static_assert(!cast<unsigned>(-1));
  static_assert(sub(3u, 3u) == 0u);
}

}  // namespace
}  // namespace tenfold::checked
