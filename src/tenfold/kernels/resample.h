// SPDX-License-Identifier: Apache-2.0
// Sums over rows drawn with replacement: the inner loop of a bootstrap, vectorised over resamples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tenfold::kernels {

// Names one resample: a pure function of (seed, attempt, resample), for any thread count and any vector
// width. Word j of resample k is word j mod 4 of the Philox4x32-10 block with key = seed (low word first) and
// counter = (j / 4, attempt, k low, k high). `attempt` counts redraws of the same resample.
struct ResampleKey {
  std::uint64_t seed = 0;
  std::uint32_t attempt = 0;
};

// Largest row count; keeps 32-bit byte offsets into the table safe.
inline constexpr std::size_t kMaxResampleRows = std::size_t{1} << 24;

// Rows drawn from one 32-bit word w. index = high(w n); the low half, again a number uniform in [0, 2^32),
// gives the second index. A pair of rows is off its probability by less than n^2 / 2^32 relative: 2^-12 at
// 1024 rows.
constexpr std::size_t draws_per_word(std::size_t rows) {
  return rows <= 1024 ? 2 : 1;
}

// Statistics of all rows, one entry of `width` doubles a row (4 or 8), 64-byte aligned.
class ResampleTable {
 public:
  // `values`: [rows, width], row-major. Throws Error(kInternal) for a bad shape.
  ResampleTable(std::size_t rows, std::size_t width, std::span<const double> values);

  std::size_t rows() const { return rows_; }
  std::size_t width() const { return width_; }
  const double* data() const;

 private:
  struct alignas(64) Line {
    double values[8];
  };
  std::size_t rows_;
  std::size_t width_;
  std::vector<Line> lines_;
};

// For k in [first, first + count): draws table.rows() rows with replacement and writes their column sums to
// sums[(k - first) * width .. ]: [count, width]. Draw j is added to partial sum j mod 4, and the partial sums
// are added as (0 + 1) + (2 + 3), in every version: results are the same to the last bit. Run-time dispatch
// (Highway).
void resample_sums(const ResampleTable& table,
                   ResampleKey key,
                   std::uint64_t first,
                   std::size_t count,
                   std::span<double> sums);

// The same in plain C++: the oracle of the tests.
void resample_sums_plain(const ResampleTable& table,
                         ResampleKey key,
                         std::uint64_t first,
                         std::size_t count,
                         std::span<double> sums);

// The rows of one resample in draw order: indices.size() draws from [0, rows).
void resample_indices(std::size_t rows,
                      ResampleKey key,
                      std::uint64_t resample,
                      std::span<std::uint32_t> indices);

// The instruction set that run-time dispatch chose: "AVX3_ZEN4", "AVX2", ...
std::string resample_target();

// Seconds this core needs at least for `count` resamples of `rows` rows: the 32 x 32 -> 64 bit multiplies of
// Philox and of the index at the measured multiply rate, or the table loads at the measured load rate,
// whichever is longer (they use different execution units). Measures for about 20 ms.
struct ResampleFloor {
  double seconds = 0.0;
  double multiply_seconds = 0.0;
  double load_seconds = 0.0;
  double words_per_resample = 0.0;  // Philox words
};
ResampleFloor resample_floor(std::size_t rows, std::size_t count);

}  // namespace tenfold::kernels
