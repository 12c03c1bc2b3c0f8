// SPDX-License-Identifier: Apache-2.0
// The vector files of the TEXMEX data sets (corpus-texmex.irisa.fr): each row is its dimension as a 32-bit
// little-endian integer, then that many values: float (.fvecs), 32-bit integer (.ivecs) or byte (.bvecs).
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/input_file.h"

namespace tenfold::io {

template <typename T>
concept VecsValue = std::same_as<T, float> || std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t>;

template <VecsValue T>
struct VecsMatrix {
  std::uint64_t rows = 0;
  std::uint32_t dimension = 0;
  std::vector<T> values;  // [rows, dimension], row after row

  std::span<const T> row(std::uint64_t i) const {
    return std::span(values).subspan(i * dimension, dimension);
  }
};

struct VecsOptions {
  std::uint64_t first_row = 0;                                         // rows before it are skipped
  std::uint64_t max_rows = std::numeric_limits<std::uint64_t>::max();  // the last row read may come earlier
  std::uint64_t max_bytes = kDefaultReadLimit;                         // of `values`
};

// Reads rows [first_row, first_row + max_rows) with a small buffer. An empty file has 0 rows of dimension 0. Throws
// Error(kFile) with the codes of InputFile::open, or "vecs.truncated" (no room for a row), "vecs.dimension"
// (0, negative or more than the file can hold), "vecs.size" (not a whole number of rows), "vecs.rows_disagree"
// (a row read has another dimension), "vecs.too_large".
template <VecsValue T>
VecsMatrix<T> read_vecs(const Path& path, const VecsOptions& options = {});
template <VecsValue T>
VecsMatrix<T> read_vecs(const InputFile& file, const VecsOptions& options = {});

// Number of rows by the file's size and its first row, without reading the others.
template <VecsValue T>
std::uint64_t count_vecs_rows(const InputFile& file);

// Writes `values` as rows of `dimension`, atomically. Throws Error(kData, "vecs.write_dimension") when `dimension` is not
// in 1..2^31-1 or does not divide the number of values.
template <VecsValue T>
void write_vecs(FileSystem& files, const Path& path, std::span<const T> values, std::uint32_t dimension);

}  // namespace tenfold::io
