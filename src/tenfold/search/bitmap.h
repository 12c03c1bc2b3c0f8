// SPDX-License-Identifier: Apache-2.0
// A set of rows, one bit each: filters of a search and rows that were removed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenfold::search {

class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(std::size_t size, bool value = false) { resize(size, value); }

  std::size_t size() const { return size_; }
  bool test(std::size_t row) const { return ((words_[row / 64] >> (row % 64)) & 1) != 0; }
  void set(std::size_t row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  void clear(std::size_t row) { words_[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }

  // New rows get `value`. Bits behind the last row are always 0.
  void resize(std::size_t size, bool value = false) {
    const std::size_t before = size_;
    words_.resize((size + 63) / 64, 0);
    size_ = size;
    if (value) {
      for (std::size_t row = before; row < size; ++row) set(row);
    }
    if (size % 64 != 0) words_.back() &= (std::uint64_t{1} << (size % 64)) - 1;
  }

  std::size_t count() const {
    std::size_t total = 0;
    for (const std::uint64_t word : words_) total += static_cast<std::size_t>(std::popcount(word));
    return total;
  }

  // Rows [64 i, 64 i + 64); 0 behind the end.
  std::uint64_t word(std::size_t i) const { return i < words_.size() ? words_[i] : 0; }
  // Rows [row, row + 64); 0 behind the end.
  std::uint64_t bits_from(std::size_t row) const {
    const std::size_t shift = row % 64;
    return shift == 0 ? word(row / 64) : word(row / 64) >> shift | word(row / 64 + 1) << (64 - shift);
  }
  const std::vector<std::uint64_t>& words() const { return words_; }

 private:
  std::size_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

// Rows that a search may return. Null: no restriction.
struct RowFilter {
  const Bitmap* allowed = nullptr;
  const Bitmap* removed = nullptr;

  // Which of the rows [row, row + 64).
  std::uint64_t bits_from(std::size_t row) const {
    const std::uint64_t bits = allowed == nullptr ? ~std::uint64_t{0} : allowed->bits_from(row);
    return removed == nullptr ? bits : bits & ~removed->bits_from(row);
  }
  bool accepts(std::size_t row) const {
    return (allowed == nullptr || allowed->test(row)) && (removed == nullptr || !removed->test(row));
  }
};

}  // namespace tenfold::search
