// SPDX-License-Identifier: Apache-2.0
// Vectorised resampling against the plain version, on every instruction set this machine has, and against indices from an
// independent implementation.
#include "tenfold/kernels/resample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

#include "tenfold/base/error.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

std::vector<double> random_values(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(engine);
  return values;
}

// Number of resamples whose bits differ between both versions.
std::size_t count_differences(std::size_t rows, std::size_t width, std::size_t count, std::uint64_t first) {
  const ResampleTable table(rows, width, random_values(rows * width, rows * 31 + width));
  const ResampleKey key{.seed = 0x9e3779b97f4a7c15u * rows, .attempt = static_cast<std::uint32_t>(rows % 5)};
  std::vector<double> fast(count * width), plain(count * width);
  resample_sums(table, key, first, count, fast);
  resample_sums_plain(table, key, first, count, plain);
  std::size_t different = 0;
  for (std::size_t k = 0; k < count; ++k) {
    different += std::memcmp(&fast[k * width], &plain[k * width], width * sizeof(double)) != 0;
  }
  return different;
}

TEST(ResampleIndices, AgreeWithAnIndependentImplementationInPython) {
  std::vector<std::uint32_t> drawn(24);
  resample_indices(130, {.seed = 0x123456789abcdefu}, 7, drawn);
  EXPECT_THAT(drawn,
              testing::ElementsAre(26,
                                   98,
                                   72,
                                   64,
                                   128,
                                   111,
                                   84,
                                   88,
                                   126,
                                   100,
                                   15,
                                   88,
                                   31,
                                   114,
                                   100,
                                   43,
                                   53,
                                   98,
                                   56,
                                   72,
                                   81,
                                   42,
                                   27,
                                   64));
  drawn.resize(10);
  resample_indices(7, {.seed = 42, .attempt = 3}, (std::uint64_t{1} << 33) + 5, drawn);
  EXPECT_THAT(drawn, testing::ElementsAre(3, 1, 3, 4, 0, 4, 2, 3, 5, 3));
  drawn.resize(6);
  resample_indices(5000, {.seed = 42}, 0, drawn);
  EXPECT_THAT(drawn, testing::ElementsAre(3064, 2342, 366, 1704, 4938, 1635));
}

TEST(ResampleIndices, DrawEveryRowEquallyOften) {
  constexpr std::size_t kRows = 130;
  constexpr std::size_t kResamples = 20000;
  std::vector<double> counts(kRows, 0.0);
  std::vector<std::uint32_t> drawn(kRows);
  for (std::size_t k = 0; k < kResamples; ++k) {
    resample_indices(kRows, {.seed = 5}, k, drawn);
    for (std::uint32_t row : drawn) counts.at(row) += 1.0;
  }
  double chi2 = 0.0;
  for (double count : counts) chi2 += (count - kResamples) * (count - kResamples) / kResamples;
  // 129 degrees of freedom: mean 129, sd 16; 5 sd.
  EXPECT_LT(chi2, 129.0 + 5.0 * 16.1);
}

TEST(ResampleIndices, TheTwoDrawsOfAWordAreIndependent) {
  constexpr std::uint32_t kRows = 8;
  constexpr std::size_t kResamples = 64000;
  std::vector<double> counts(kRows * kRows, 0.0);
  std::vector<std::uint32_t> drawn(2);
  for (std::size_t k = 0; k < kResamples; ++k) {
    resample_indices(kRows, {.seed = 6}, k, drawn);
    counts[drawn[0] * kRows + drawn[1]] += 1.0;
  }
  double chi2 = 0.0;
  for (double count : counts) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 63.0 + 5.0 * 11.3);
}

TEST_F(EveryTarget, SumsAreTheSameBitsAsThePlainVersion) {
  for_each_target([] {
    std::size_t shapes = 0;
    for (std::size_t rows = 2; rows <= 300; ++rows) {
      for (std::size_t width : {4, 8}) {
        for (std::size_t count : {1, 19}) {
          EXPECT_EQ(count_differences(rows, width, count, rows * 1000), 0u)
              << rows << " rows, width " << width;
          ++shapes;
        }
      }
    }
    EXPECT_GE(shapes, 1000u);
  });
}

TEST_F(EveryTarget, SumsAgreeWhereOneWordGivesOneDrawAndOverSeveralTiles) {
  for_each_target([] {
    for (std::size_t rows : {1, 255, 256, 257, 512, 1023, 1024, 1025, 1279, 1281, 2050, 4099}) {
      EXPECT_EQ(count_differences(rows, 4, 17, 0), 0u) << rows;
      EXPECT_EQ(count_differences(rows, 8, 17, 0), 0u) << rows;
    }
  });
}

TEST_F(EveryTarget, ResampleNumbersBeyond32BitsAreTheSameBits) {
  for_each_target([] { EXPECT_EQ(count_differences(130, 4, 33, (std::uint64_t{1} << 32) - 9), 0u); });
}

TEST_F(EveryTarget, AnyChunkingGivesTheSameResamples) {
  for_each_target([] {
    const ResampleTable table(57, 4, random_values(57 * 4, 1));
    std::vector<double> all(100 * 4), piece(100 * 4);
    resample_sums(table, {.seed = 3}, 50, 100, all);
    for (std::size_t begin : {1, 3, 7, 50, 93}) {
      const std::size_t count = 100 - begin;
      resample_sums(table, {.seed = 3}, 50 + begin, count, piece);
      EXPECT_EQ(std::memcmp(piece.data(), &all[begin * 4], count * 4 * sizeof(double)), 0) << begin;
    }
  });
}

TEST(ResampleSums, AreTheSumsOverTheIndices) {
  constexpr std::size_t kRows = 23;
  const std::vector<double> values = random_values(kRows * 4, 9);
  const ResampleTable table(kRows, 4, values);
  std::vector<double> sums(4);
  std::vector<std::uint32_t> drawn(kRows);
  resample_sums(table, {.seed = 11}, 77, 1, sums);
  resample_indices(kRows, {.seed = 11}, 77, drawn);
  for (std::size_t column = 0; column < 4; ++column) {
    double expected = 0.0;
    for (std::uint32_t row : drawn) expected += values[row * 4 + column];
    EXPECT_NEAR(sums[column], expected, 1e-12);
  }
}

TEST(ResampleSums, ChangeWithSeedAttemptAndResample) {
  const ResampleTable table(130, 4, random_values(130 * 4, 2));
  std::vector<double> base(4), other(4);
  resample_sums(table, {.seed = 1}, 0, 1, base);
  resample_sums(table, {.seed = 2}, 0, 1, other);
  EXPECT_NE(base, other);
  resample_sums(table, {.seed = std::uint64_t{1} << 40 | 1}, 0, 1, other);
  EXPECT_NE(base, other);
  resample_sums(table, {.seed = 1, .attempt = 1}, 0, 1, other);
  EXPECT_NE(base, other);
  resample_sums(table, {.seed = 1}, std::uint64_t{1} << 32, 1, other);
  EXPECT_NE(base, other);
}

TEST(ResampleTable, RefusesAWrongShape) {
  EXPECT_THROW(ResampleTable(3, 5, std::vector<double>(15)), Error);
  EXPECT_THROW(ResampleTable(3, 4, std::vector<double>(11)), Error);
  EXPECT_THROW(ResampleTable(0, 4, std::vector<double>()), Error);
}

TEST(ResampleFloor, CountsHalfAWordPerDrawForSmallTables) {
  const ResampleFloor floor = resample_floor(130, 1000);
  EXPECT_EQ(floor.words_per_resample, 65.0);
  EXPECT_GT(floor.multiply_seconds, 0.0);
  EXPECT_GT(floor.load_seconds, 0.0);
  EXPECT_EQ(floor.seconds, std::max(floor.multiply_seconds, floor.load_seconds));
  EXPECT_EQ(resample_floor(5000, 1).words_per_resample, 5000.0);
}

}  // namespace
}  // namespace tenfold::kernels
