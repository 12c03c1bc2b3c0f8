// SPDX-License-Identifier: Apache-2.0
// Codes of a product quantiser in the blocks of kernels/adc_scan.h, and the scan of one query over them. The scan is exact: bytes and
// 16-bit sums only decide which rows can still be among the best; those rows are scored from the float tables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/search/bitmap.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {

// Float tables of one query, [M, K], and the same in bytes: with u = floor((t - least_m) / step), the exact sum lies between
// base + step sum u and base + step (sum u + M).
class QueryTables {
 public:
  // `tables` must outlive the object. `codewords` is 16 or 256.
  QueryTables(std::span<const float> tables, std::size_t codewords);

  std::size_t codes() const { return tables_.size() / codewords_; }
  const std::uint8_t* bytes() const { return bytes_.data(); }
  // The least 16-bit sum that a row with this score or a better one can have.
  std::uint16_t least_sum(float score) const;
  float at(std::size_t m, std::size_t code) const { return tables_[m * codewords_ + code]; }

 private:
  std::span<const float> tables_;
  std::size_t codewords_;
  double base_ = 0, step_ = 0;
  AlignedVector<std::uint8_t> bytes_;  // padded as the kernel wants it
};

// Number of a place in a store whose row has moved away.
inline constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

// Which rows of a store may be found, by their numbers outside of it.
struct ScanFilter : RowFilter {
  std::span<const std::uint32_t> numbers;  // of the store's rows; empty: the same as inside

  std::uint32_t number(std::size_t row) const {
    return numbers.empty() ? static_cast<std::uint32_t>(row) : numbers[row];
  }
  bool accepts(std::uint32_t number) const { return number != kNoRow && RowFilter::accepts(number); }
};

class CodeStore {
 public:
  CodeStore(std::size_t codes, std::size_t bits);
  // Reads blocks in place, from mapped memory; `keep` holds the memory. The first append() or set() makes a copy.
  CodeStore(std::size_t codes,
            std::size_t bits,
            std::size_t rows,
            std::span<const std::uint8_t> blocks,
            std::shared_ptr<const void> keep);

  std::size_t rows() const { return rows_; }
  std::size_t codes() const { return codes_; }
  std::size_t bits() const { return bits_; }
  std::span<const std::uint8_t> blocks() const {
    return mapped_.empty() ? std::span<const std::uint8_t>(owned_) : mapped_;
  }
  // Bytes of the blocks for so many rows.
  static std::size_t block_bytes(std::size_t codes, std::size_t bits, std::size_t rows);

  void append(std::span<const std::uint8_t> codes);                // [rows, M], a byte each
  void set(std::size_t row, std::span<const std::uint8_t> codes);  // [M]
  void get(std::size_t row, std::span<std::uint8_t> codes) const;  // [M]

  // Copies mapped blocks into memory.
  void own();
  // Forgets all rows but these, whose numbers ascend.
  void keep_only(std::span<const std::uint32_t> rows);

  float score(const QueryTables& tables, std::size_t row) const;
  // Adds all rows in blocks [first, last) that can be among the best of `best`. A block without an allowed row costs nothing when the
  // numbers are the store's own. `next`: the store to be scanned after the whole of this one, whose codes are fetched meanwhile.
  void scan(const QueryTables& tables,
            const ScanFilter& filter,
            std::size_t first,
            std::size_t last,
            TopK& best,
            const CodeStore* next = nullptr) const;
  // Calls found(number, score) for every row that scores at least `least`, in blocks [first, last).
  template <typename Found>
  void scan_range(const QueryTables& tables, const ScanFilter& filter, float least, const Found& found) const;

  std::size_t block_rows() const;
  std::size_t block_count() const { return (rows_ + block_rows() - 1) / block_rows(); }

 private:
  std::size_t bytes_of_block() const;
  void put(std::size_t row, std::span<const std::uint8_t> codes);
  bool may_skip(const ScanFilter& filter, std::size_t block) const;
  // Some blocks, at most kChunkRows and a block, and the memory to fetch while they are scanned (null: what follows them).
  struct Chunk {
    std::size_t first = 0, last = 0;
    const std::uint8_t* ahead = nullptr;
  };
  const std::uint8_t* ahead_of(std::size_t first, std::size_t last, const CodeStore* next) const;
  // 16-bit sums of the rows of a chunk; `room` is for whole blocks.
  std::span<const std::uint16_t> sums(const QueryTables& tables,
                                      const Chunk& chunk,
                                      std::span<std::uint16_t> room) const;
  // Places in the chunk of the sums that reach `least`; candidates_of(): of rows that pass a filter by their own numbers.
  std::size_t candidates(const QueryTables& tables,
                         const Chunk& chunk,
                         std::uint16_t least,
                         std::uint32_t* found) const;
  std::size_t candidates_of(const QueryTables& tables,
                            const ScanFilter& filter,
                            const Chunk& chunk,
                            std::uint16_t least,
                            std::uint32_t* found) const;

  std::size_t codes_;
  std::size_t bits_;
  std::size_t rows_ = 0;
  AlignedVector<std::uint8_t> owned_;
  std::span<const std::uint8_t> mapped_;  // empty: the blocks are in owned_
  std::shared_ptr<const void> keep_;

  static constexpr std::size_t kChunkRows = 1024;
};

template <typename Found>
void CodeStore::scan_range(const QueryTables& tables,
                           const ScanFilter& filter,
                           float least,
                           const Found& found) const {
  const std::uint16_t bound = tables.least_sum(least);
  std::vector<std::uint32_t> places(kChunkRows);
  const std::size_t step = kChunkRows / block_rows();
  for (std::size_t block = 0; block < block_count(); block += step) {
    const std::size_t last = std::min(block + step, block_count());
    const std::size_t count = candidates(tables, {block, last}, bound, places.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = block * block_rows() + places[i];
      const std::uint32_t number = filter.number(row);
      if (!filter.accepts(number)) continue;
      const float value = score(tables, row);
      if (value >= least) found(number, value);
    }
  }
}

}  // namespace tenfold::search
