// SPDX-License-Identifier: Apache-2.0
// Adafactor's passes equal their plain versions on every instruction set, for rows that are no whole vector.
#include "tenfold/kernels/adafactor.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::kernels {
namespace {

template <typename Body>
void on_every_target(Body body) {
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    SCOPED_TRACE(hwy::TargetName(targets & -targets));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

template <typename T>
std::vector<T> noise(std::size_t count, std::uint64_t stream) {
  random::Generator generator(9, stream);
  std::vector<T> values(count);
  for (T& value : values)
    value = static_cast<T>(generator.normal() * std::pow(10.0, generator.uniform() * 4 - 2));
  return values;
}

// A tile of rows x columns inside a matrix that is wider by three.
template <typename T>
void check(std::size_t rows, std::size_t columns) {
  const std::size_t stride = columns + 3, size = rows * stride;
  const auto gradient = noise<T>(size, 1);
  const AdafactorTile<T> tile{gradient.data(), rows, columns, stride};
  std::vector<double> r(rows), c(columns), r_plain(rows), c_plain(columns);
  adafactor_sums(tile, r.data(), c.data());
  adafactor_sums_plain(tile, r_plain.data(), c_plain.data());
  for (std::size_t i = 0; i < rows; ++i) ASSERT_NEAR(r[i], r_plain[i], 1e-13 * r_plain[i]);
  for (std::size_t j = 0; j < columns; ++j) ASSERT_NEAR(c[j], c_plain[j], 1e-13 * c_plain[j]);

  const auto row_factors = noise<double>(rows, 2), column_factors = noise<double>(columns, 3);
  const double squares = adafactor_update_squares_plain(tile, row_factors.data(), column_factors.data());
  ASSERT_NEAR(
      adafactor_update_squares(tile, row_factors.data(), column_factors.data()), squares, 1e-12 * squares);

  const double epsilon = std::numeric_limits<T>::epsilon();
  for (const bool with_moment : {false, true}) {
    auto x = noise<T>(size, 4), m = noise<T>(size, 5);
    const auto x_start = x, m_start = m;
    auto x_plain = x, m_plain = m;
    adafactor_apply(AdafactorApply<T>{0.7, 0.9, 0.8, x.data(), with_moment ? m.data() : nullptr},
                    tile,
                    row_factors.data(),
                    column_factors.data());
    adafactor_apply_plain(
        AdafactorApply<T>{0.7, 0.9, 0.8, x_plain.data(), with_moment ? m_plain.data() : nullptr},
        tile,
        row_factors.data(),
        column_factors.data());
    for (std::size_t i = 0; i < size; ++i) {
      if (i % stride >= columns) {  // beside the tile
        ASSERT_EQ(x[i], x_start[i]);
        ASSERT_EQ(m[i], m_start[i]);
        continue;
      }
      const double u = std::abs(0.7 * gradient[i] * row_factors[i / stride] * column_factors[i % stride]);
      const double terms =
          std::abs(static_cast<double>(x_start[i])) + std::abs(static_cast<double>(m_start[i])) + u;
      ASSERT_NEAR(x[i], x_plain[i], 4 * epsilon * terms);
      ASSERT_NEAR(m[i], m_plain[i], 4 * epsilon * terms);
    }
  }
}

TEST(AdafactorPasses, EqualThePlainVersions) {
  on_every_target([] {
    for (const std::size_t rows : {0u, 1u, 2u, 7u}) {
      for (std::size_t columns = 0; columns <= 50; ++columns) {
        check<float>(rows, columns);
        check<double>(rows, columns);
      }
    }
    check<float>(33, 1024);
  });
}

}  // namespace
}  // namespace tenfold::kernels
