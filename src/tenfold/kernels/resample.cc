// SPDX-License-Identifier: Apache-2.0
// The table, the plain C++ version and the drawing rule of resampling.
#include "tenfold/kernels/resample.h"

#include <algorithm>
#include <array>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"

namespace tenfold::kernels {
namespace {

constexpr std::size_t kPartials = 8;  // independent sums: hides the latency of the additions

}  // namespace

ResampleTable::ResampleTable(std::size_t rows, std::size_t width, std::span<const double> values)
    : rows_(rows), width_(width) {
  check_internal(rows >= 1 && rows <= kMaxResampleRows, "resample table: rows out of range");
  check_internal(width == 4 || width == 8, "resample table: width must be 4 or 8");
  check_internal(values.size() == rows * width, "resample table: values do not match its shape");
  lines_.resize((rows * width + 7) / 8);
  for (std::size_t i = 0; i < values.size(); ++i) lines_[i / 8].values[i % 8] = values[i];
}

const double* ResampleTable::data() const {
  return lines_.front().values;
}

void resample_indices(std::size_t rows,
                      ResampleKey key,
                      std::uint64_t resample,
                      std::span<std::uint32_t> indices) {
  check_internal(rows >= 1 && rows <= kMaxResampleRows, "resample indices: rows out of range");
  const std::array<std::uint32_t, 2> philox_key = {static_cast<std::uint32_t>(key.seed),
                                                   static_cast<std::uint32_t>(key.seed >> 32)};
  const std::size_t per_word = draws_per_word(rows);
  std::array<std::uint32_t, 4> words{};
  for (std::size_t draw = 0; draw < indices.size();) {
    const std::size_t word = draw / per_word;
    if (word % 4 == 0) {
      words = random::philox4x32({static_cast<std::uint32_t>(word / 4),
                                  key.attempt,
                                  static_cast<std::uint32_t>(resample),
                                  static_cast<std::uint32_t>(resample >> 32)},
                                 philox_key);
    }
    std::uint32_t fraction = words[word % 4];
    for (std::size_t i = 0; i < per_word && draw < indices.size(); ++i, ++draw) {
      const std::uint64_t product = std::uint64_t{fraction} * rows;
      indices[draw] = static_cast<std::uint32_t>(product >> 32);
      fraction = static_cast<std::uint32_t>(product);
    }
  }
}

void resample_sums_plain(const ResampleTable& table,
                         ResampleKey key,
                         std::uint64_t first,
                         std::size_t count,
                         std::span<double> sums) {
  const std::size_t width = table.width();
  check_internal(sums.size() >= count * width, "resample sums: output is too small");
  std::vector<std::uint32_t> indices(table.rows());
  for (std::size_t k = 0; k < count; ++k) {
    resample_indices(table.rows(), key, first + k, indices);
    std::array<double, kPartials * 8> partial{};
    for (std::size_t draw = 0; draw < indices.size(); ++draw) {
      const double* row = table.data() + indices[draw] * width;
      double* sum = partial.data() + draw % kPartials * width;
      for (std::size_t column = 0; column < width; ++column) sum[column] += row[column];
    }
    for (std::size_t column = 0; column < width; ++column) {
      const auto p = [&](std::size_t i) { return partial[i * width + column]; };
      sums[k * width + column] = ((p(0) + p(1)) + (p(2) + p(3))) + ((p(4) + p(5)) + (p(6) + p(7)));
    }
  }
}

}  // namespace tenfold::kernels
