// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/code_store.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/kernels/adc_scan.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kMaxBlock = kernels::kAdc8Rows;

}  // namespace

QueryTables::QueryTables(std::span<const float> tables, std::size_t codewords)
    : tables_(tables), codewords_(codewords) {
  const std::size_t padded = codewords == 16 ? kernels::adc4_padded(codes()) : codes();
  bytes_.resize(padded * codewords, 0);
  std::vector<float> least(codes());
  float widest = 0;
  for (std::size_t m = 0; m < codes(); ++m) {
    const auto table = tables_.subspan(m * codewords, codewords);
    const kernels::TableRange range = kernels::range_of_table(table);
    least[m] = range.least;
    widest = std::max(widest, range.largest - range.least);
    base_ += range.least;
  }
  step_ = widest / 255.0;
  const float inverse = widest > 0 ? 255.0f / widest : 0.0f;
  for (std::size_t m = 0; m < codes(); ++m) {
    kernels::bytes_of_table(
        tables_.subspan(m * codewords, codewords), least[m], inverse, &bytes_[m * codewords]);
  }
}

std::uint16_t QueryTables::least_sum(float score) const {
  if (!(score > -std::numeric_limits<float>::infinity()) || step_ == 0) return 0;
  // Beside the M steps lost by rounding down, room for the rounding of the float sums themselves.
  const double slack = 1.0 + static_cast<double>(codes()) * 1.001;
  const double least =
      std::floor((static_cast<double>(score) - base_) / step_ - slack - std::abs(base_) / step_ * 1e-6);
  if (std::isnan(least)) return 0;  // tables so large that their sums overflow: every row is scored
  return static_cast<std::uint16_t>(std::clamp(least, 0.0, 65535.0));
}

CodeStore::CodeStore(std::size_t codes, std::size_t bits) : codes_(codes), bits_(bits) {
  check_internal(bits == 4 || bits == 8, "codes of 4 or 8 bits");
  if (codes > kernels::kMaxAdcCodes) {
    throw Error(ErrorClass::kData,
                "index.too_many_codes",
                {.what = "an index cannot scan so many codes a document",
                 .seen = std::to_string(codes),
                 .wanted = "at most " + std::to_string(kernels::kMaxAdcCodes)});
  }
}

CodeStore::CodeStore(std::size_t codes,
                     std::size_t bits,
                     std::size_t rows,
                     std::span<const std::uint8_t> blocks,
                     std::shared_ptr<const void> keep)
    : CodeStore(codes, bits) {
  check_internal(blocks.size() == block_bytes(codes, bits, rows), "blocks of the store's rows");
  rows_ = rows;
  mapped_ = blocks;
  keep_ = std::move(keep);
}

std::size_t CodeStore::block_rows() const {
  return bits_ == 8 ? kernels::kAdc8Rows : kernels::kAdc4Rows;
}

std::size_t CodeStore::bytes_of_block() const {
  return bits_ == 8 ? kernels::adc8_block_bytes(codes_) : kernels::adc4_block_bytes(codes_);
}

std::size_t CodeStore::block_bytes(std::size_t codes, std::size_t bits, std::size_t rows) {
  return bits == 8 ? (rows + kernels::kAdc8Rows - 1) / kernels::kAdc8Rows * kernels::adc8_block_bytes(codes)
                   : (rows + kernels::kAdc4Rows - 1) / kernels::kAdc4Rows * kernels::adc4_block_bytes(codes);
}

void CodeStore::own() {
  if (mapped_.empty()) return;
  owned_.assign(mapped_.begin(), mapped_.end());
  mapped_ = {};
  keep_.reset();
}

void CodeStore::put(std::size_t row, std::span<const std::uint8_t> codes) {
  std::uint8_t* block = &owned_[row / block_rows() * bytes_of_block()];
  const std::size_t r = row % block_rows();
  for (std::size_t m = 0; m < codes_; ++m) {
    if (bits_ == 8) {
      block[m * kernels::kAdc8Rows + kernels::adc8_position(r)] = codes[m];
      continue;
    }
    std::uint8_t& byte = block[m * 16 + kernels::adc4_byte(r)];
    byte = r < 16 ? static_cast<std::uint8_t>((byte & 0xF0) | codes[m])
                  : static_cast<std::uint8_t>((byte & 0x0F) | (codes[m] << 4));
  }
}

void CodeStore::append(std::span<const std::uint8_t> codes) {
  own();
  const std::size_t count = codes.size() / codes_;
  owned_.resize(block_bytes(codes_, bits_, rows_ + count), 0);
  for (std::size_t i = 0; i < count; ++i) put(rows_ + i, codes.subspan(i * codes_, codes_));
  rows_ += count;
}

void CodeStore::set(std::size_t row, std::span<const std::uint8_t> codes) {
  own();
  put(row, codes);
}

void CodeStore::get(std::size_t row, std::span<std::uint8_t> codes) const {
  const std::uint8_t* block = &blocks()[row / block_rows() * bytes_of_block()];
  const std::size_t r = row % block_rows();
  for (std::size_t m = 0; m < codes_; ++m) {
    if (bits_ == 8) {
      codes[m] = block[m * kernels::kAdc8Rows + kernels::adc8_position(r)];
    } else {
      const std::uint8_t byte = block[m * 16 + kernels::adc4_byte(r)];
      codes[m] = r < 16 ? byte & 15 : byte >> 4;
    }
  }
}

void CodeStore::keep_only(std::span<const std::uint32_t> rows) {
  CodeStore kept(codes_, bits_);
  kept.owned_.resize(block_bytes(codes_, bits_, rows.size()), 0);
  kept.rows_ = rows.size();
  std::array<std::uint8_t, kernels::kMaxAdcCodes> row;
  const auto codes = std::span(row).first(codes_);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    get(rows[i], codes);
    kept.put(i, codes);
  }
  *this = std::move(kept);
}

float CodeStore::score(const QueryTables& tables, std::size_t row) const {
  std::array<std::uint8_t, kernels::kMaxAdcCodes> codes;
  get(row, std::span(codes).first(codes_));
  float sum = 0;
  for (std::size_t m = 0; m < codes_; ++m) sum += tables.at(m, codes[m]);
  return sum;
}

// Every block is a part of one word of a bitmap.
bool CodeStore::may_skip(const ScanFilter& filter, std::size_t block) const {
  if (!filter.numbers.empty()) return false;
  const std::size_t row = block * block_rows();
  const std::uint64_t allowed =
      filter.allowed == nullptr ? ~std::uint64_t{0} : filter.allowed->word(row / 64);
  const std::uint64_t removed = filter.removed == nullptr ? 0 : filter.removed->word(row / 64);
  const std::uint64_t part = block_rows() == 64 ? ~std::uint64_t{0} : std::uint64_t{0xFFFFFFFF} << (row % 64);
  return (allowed & ~removed & part) == 0;
}

std::span<const std::uint16_t> CodeStore::sums(const QueryTables& tables,
                                               const Chunk& chunk,
                                               std::span<std::uint16_t> room) const {
  const std::uint8_t* from = blocks().data() + chunk.first * bytes_of_block();
  const auto scan_blocks = bits_ == 8 ? kernels::adc_scan8 : kernels::adc_scan4;
  const std::size_t count = chunk.last - chunk.first;
  scan_blocks(from, count, codes_, tables.bytes(), room.data(), chunk.ahead);
  return room.first(std::min(count * block_rows(), rows_ - chunk.first * block_rows()));
}

// The same place in the next store, or as near to its end as a chunk goes.
const std::uint8_t* CodeStore::ahead_of(std::size_t first, std::size_t last, const CodeStore* next) const {
  if (next == nullptr || next->rows_ == 0) return nullptr;
  const std::size_t longest = next->blocks().size(), length = (last - first) * bytes_of_block();
  const std::size_t at = std::min(first * bytes_of_block(), longest - std::min(longest, length));
  return next->blocks().data() + at;
}

std::size_t CodeStore::candidates(const QueryTables& tables,
                                  const Chunk& chunk,
                                  std::uint16_t least,
                                  std::uint32_t* found) const {
  alignas(64) std::array<std::uint16_t, kChunkRows + kMaxBlock> room;
  return kernels::select_at_least(sums(tables, chunk, room), least, found);
}

// Rows that a filter excludes are masked out before they are looked at: a filter that lets few through makes the threshold low, and most
// of what reaches it is excluded.
std::size_t CodeStore::candidates_of(const QueryTables& tables,
                                     const ScanFilter& filter,
                                     const Chunk& chunk,
                                     std::uint16_t least,
                                     std::uint32_t* found) const {
  alignas(64) std::array<std::uint16_t, kChunkRows + kMaxBlock> room;
  std::array<std::uint64_t, (kChunkRows + kMaxBlock) / 64 + 1> masks;
  const auto values = sums(tables, chunk, room);
  kernels::mask_at_least(values, least, masks.data());
  std::size_t count = 0;
  for (std::size_t i = 0; i < values.size(); i += 64) {
    std::uint64_t bits = masks[i / 64] & filter.bits_from(chunk.first * block_rows() + i);
    for (; bits != 0; bits &= bits - 1)
      found[count++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(std::countr_zero(bits));
  }
  return count;
}

void CodeStore::scan(const QueryTables& tables,
                     const ScanFilter& filter,
                     std::size_t first,
                     std::size_t last,
                     TopK& best,
                     const CodeStore* next) const {
  const bool filtered = filter.allowed != nullptr || filter.removed != nullptr;
  const std::size_t longest = kChunkRows / block_rows();
  std::array<std::uint32_t, kChunkRows + kMaxBlock> places;
  for (std::size_t block = first; block < last;) {
    if (filtered && may_skip(filter, block)) {
      ++block;
      continue;
    }
    std::size_t end = block + 1;
    while (end < last && end - block < longest && !(filtered && may_skip(filter, end))) ++end;
    const std::uint16_t least = tables.least_sum(best.threshold());
    const Chunk chunk{block, end, ahead_of(block, end, next)};
    const std::size_t count = filtered && filter.numbers.empty()
                                  ? candidates_of(tables, filter, chunk, least, places.data())
                                  : candidates(tables, chunk, least, places.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = block * block_rows() + places[i];
      const std::uint32_t number = filter.number(row);
      if (filter.accepts(number)) best.add({number, score(tables, row)});
    }
    if (count > 0) best.tighten();
    block = end;
  }
}

}  // namespace tenfold::search
