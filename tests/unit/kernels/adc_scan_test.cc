// SPDX-License-Identifier: Apache-2.0
// Scans of codes give the same integers as their plain versions on every instruction set.
#include "tenfold/kernels/adc_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tenfold/kernels/adc_scan_vbmi.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

// Bytes with the ends of the range more often than chance; `worst`: all 255.
std::vector<std::uint8_t> bytes(TestNumbers& numbers, std::size_t count, bool worst = false) {
  std::vector<std::uint8_t> values(count);
  for (auto& value : values) value = static_cast<std::uint8_t>(worst ? 255 : numbers.size(0, 255));
  return values;
}

// Also as a processor with AVX-512 but without VBMI does it.
TEST_F(EveryTarget, Adc8EqualsItsPlainVersion) {
  const auto compare = [] {
    TestNumbers numbers(11);
    for (int round = 0; round < 1000; ++round) {
      const bool large = round % 100 == 0;
      const std::size_t codes = large ? kMaxAdcCodes : numbers.size(1, 24), blocks = numbers.size(0, 6);
      const auto packed = bytes(numbers, blocks * adc8_block_bytes(codes));
      const auto tables = bytes(numbers, codes * 256, large);
      std::vector<std::uint16_t> sums(blocks * kAdc8Rows, 1), plain(sums.size(), 2);
      adc_scan8(packed.data(), blocks, codes, tables.data(), sums.data());
      adc_scan8_plain(packed.data(), blocks, codes, tables.data(), plain.data());
      ASSERT_EQ(sums, plain) << "round " << round << ", codes " << codes << ", " << adc_target();
    }
  };
  for_each_target(compare);
  adc_detail::hide_vbmi(true);
  for_each_target(compare);
  adc_detail::hide_vbmi(false);
}

// A code of each value in each place, with a table that tells all 256 apart.
TEST_F(EveryTarget, Adc8LooksUpEveryCode) {
  const auto look_up = [] {
    std::vector<std::uint8_t> table(256), blocks(256 * kAdc8Rows);
    for (std::size_t k = 0; k < 256; ++k) table[k] = static_cast<std::uint8_t>(255 - k * 167 % 256);
    for (std::size_t b = 0; b < 256; ++b) {
      for (std::size_t r = 0; r < kAdc8Rows; ++r)
        blocks[b * kAdc8Rows + adc8_position(r)] = static_cast<std::uint8_t>(b + 3 * r);
    }
    std::vector<std::uint16_t> sums(blocks.size());
    adc_scan8(blocks.data(), 256, 1, table.data(), sums.data());
    for (std::size_t i = 0; i < sums.size(); ++i)
      ASSERT_EQ(sums[i], table[(i / kAdc8Rows + 3 * (i % kAdc8Rows)) % 256]) << i << " " << adc_target();
  };
  for_each_target(look_up);
  adc_detail::hide_vbmi(true);
  for_each_target(look_up);
  adc_detail::hide_vbmi(false);
}

TEST_F(EveryTarget, Adc4EqualsItsPlainVersion) {
  for_each_target([] {
    TestNumbers numbers(12);
    for (int round = 0; round < 1000; ++round) {
      const bool large = round % 100 == 0;
      const std::size_t codes = large ? kMaxAdcCodes : numbers.size(1, 40), blocks = numbers.size(0, 6);
      const auto packed = bytes(numbers, blocks * adc4_block_bytes(codes));
      auto tables = bytes(numbers, adc4_padded(codes) * 16, large);
      std::fill(tables.begin() + static_cast<std::ptrdiff_t>(codes * 16), tables.end(), std::uint8_t{0});
      std::vector<std::uint16_t> sums(blocks * kAdc4Rows, 1), plain(sums.size(), 2);
      adc_scan4(packed.data(), blocks, codes, tables.data(), sums.data());
      adc_scan4_plain(packed.data(), blocks, codes, tables.data(), plain.data());
      ASSERT_EQ(sums, plain) << "round " << round << ", codes " << codes;
    }
  });
}

TEST_F(EveryTarget, SelectsTheSumsThatReachTheBound) {
  for_each_target([] {
    TestNumbers numbers(13);
    for (int round = 0; round < 1000; ++round) {
      std::vector<std::uint16_t> sums(numbers.size(0, 200));
      for (auto& sum : sums) sum = static_cast<std::uint16_t>(numbers.size(0, 65535));
      const auto least = static_cast<std::uint16_t>(numbers.size(0, 65535));
      std::vector<std::uint32_t> found(sums.size() + 1), expected;
      for (std::uint32_t i = 0; i < sums.size(); ++i) {
        if (sums[i] >= least) expected.push_back(i);
      }
      found.resize(select_at_least(sums, least, found.data()));
      ASSERT_EQ(found, expected);
    }
  });
}

TEST_F(EveryTarget, SelectsTheScoresThatReachTheBound) {
  for_each_target([] {
    TestNumbers numbers(15);
    for (int round = 0; round < 1000; ++round) {
      std::vector<float> scores = numbers.numbers(numbers.size(0, 100));
      if (!scores.empty() && round % 7 == 0) scores[numbers.below(scores.size())] = std::nanf("");
      if (!scores.empty() && round % 5 == 0)
        scores[numbers.below(scores.size())] = -std::numeric_limits<float>::infinity();
      const float least = round % 11 == 0  ? -std::numeric_limits<float>::infinity()
                          : scores.empty() ? 0.0f
                                           : scores[numbers.below(scores.size())];
      std::vector<std::uint32_t> found(scores.size() + 1), expected;
      for (std::uint32_t i = 0; i < scores.size(); ++i) {
        if (scores[i] >= least) expected.push_back(i);
      }
      found.resize(select_at_least(scores, least, found.data()));
      ASSERT_EQ(found, expected);
      const std::vector<double> doubles(scores.begin(), scores.end());
      found.resize(scores.size() + 1);
      found.resize(select_at_least(doubles, least, found.data()));
      ASSERT_EQ(found, expected);
    }
  });
}

// The same bytes everywhere: the bounds of a scan must not depend on the processor.
TEST_F(EveryTarget, BytesOfATableAreRoundedDown) {
  for_each_target([] {
    TestNumbers numbers(16);
    for (int round = 0; round < 1000; ++round) {
      const auto table = numbers.numbers(numbers.size(1, 256));
      const auto [least, largest] = std::minmax_element(table.begin(), table.end());
      const TableRange range = range_of_table(table);
      ASSERT_EQ(range.least, *least);
      ASSERT_EQ(range.largest, *largest);
      const float inverse =
          round % 9 == 0 ? 0.0f
                         : 255.0f / (*largest - *least + 0.001f * static_cast<float>(numbers.below(3)));
      if (!std::isfinite(inverse)) continue;
      std::vector<std::uint8_t> bytes(table.size());
      bytes_of_table(table, *least, inverse, bytes.data());
      for (std::size_t k = 0; k < table.size(); ++k) {
        const volatile float difference = table[k] - *least;
        const volatile float place = difference * inverse;
        ASSERT_EQ(bytes[k], std::min(static_cast<int>(place), 255)) << k;
      }
    }
  });
}

TEST_F(EveryTarget, DotOfSignedBytesIsExact) {
  for_each_target([] {
    TestNumbers numbers(14);
    for (int round = 0; round < 1000; ++round) {
      std::vector<std::int8_t> a(numbers.size(0, 300)), b(a.size());
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = static_cast<std::int8_t>(numbers.size(0, 255));
        b[i] = static_cast<std::int8_t>(numbers.size(0, 255));
        sum += std::int64_t{a[i]} * b[i];
      }
      ASSERT_EQ(dot_int8(a.data(), b.data(), a.size()), sum);
    }
    const std::vector<std::int8_t> lowest(1 << 16, -128);
    ASSERT_EQ(dot_int8(lowest.data(), lowest.data(), lowest.size()), 1 << 30);
  });
}

}  // namespace
}  // namespace tenfold::kernels
