// SPDX-License-Identifier: Apache-2.0
// Where Faiss puts 4-bit codes in its blocks for fast scan, for the reader and the writer of its files.
#pragma once

#include <cstddef>

#include "tenfold/kernels/adc_scan.h"

namespace tenfold::search {

// Blocks of `rows` rows, a multiple of 32, with `codes` codes a row, padded to an even number. Pairs of codes follow each other; in a pair
// come 32 rows at a time, 16 bytes for each code of the pair.
struct FaissBlocks {
  std::size_t rows;
  std::size_t codes;

  std::size_t block_bytes() const { return rows * codes / 2; }
  // Byte of a code in its list; its half is the lower one for rows r with r % 32 < 16.
  std::size_t byte_of(std::size_t row, std::size_t code) const {
    const std::size_t part = row % rows / 32;
    return row / rows * block_bytes() + (code / 2 * (rows / 32) + part) * 32 + code % 2 * 16 +
           kernels::adc4_byte(row % 32);
  }
  static std::size_t shift(std::size_t row) { return row % 32 < 16 ? 0 : 4; }
};

}  // namespace tenfold::search
