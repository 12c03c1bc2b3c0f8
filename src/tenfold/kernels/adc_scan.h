// SPDX-License-Identifier: Apache-2.0
// Scores of rows coded by a product quantiser: for every row the sum over its M codes of a byte from that code's table ("asymmetric
// distance computation", Jegou, Douze and Schmid 2011; tables of bytes in registers: Andre, Kermarrec and Le Scouarnec 2015). All
// sums are integers of 16 bits and equal on every instruction set. The layouts serve the kernels; pack with the functions below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenfold::kernels {

// More codes could overflow 16 bits: 257 x 255 = 65535.
inline constexpr std::size_t kMaxAdcCodes = 257;

// 8 bits a code: blocks of 64 rows, [M, 64] bytes each. Row r < 32 of a block is byte 2 r, row 32 + r byte 2 r + 1.
inline constexpr std::size_t kAdc8Rows = 64;
constexpr std::size_t adc8_position(std::size_t row) {
  return row < 32 ? 2 * row : 2 * (row - 32) + 1;
}
constexpr std::size_t adc8_block_bytes(std::size_t codes) {
  return codes * kAdc8Rows;
}

// 4 bits a code: blocks of 32 rows, [M rounded up to a multiple of 4, 16] bytes each. Rows r and 8 + r (r < 8) of a block are the low
// halves of bytes 2 r and 2 r + 1, rows 16 + r and 24 + r their high halves.
inline constexpr std::size_t kAdc4Rows = 32;
constexpr std::size_t adc4_padded(std::size_t codes) {
  return (codes + 3) / 4 * 4;
}
constexpr std::size_t adc4_block_bytes(std::size_t codes) {
  return adc4_padded(codes) * 16;
}
constexpr std::size_t adc4_byte(std::size_t row) {
  return 2 * (row % 8) + (row / 8) % 2;
}

// sums[64 b + r] = sum over m of tables[256 m + code]. tables: [codes, 256]. `ahead`: what will be scanned next, fetched into the cache
// meanwhile, as many bytes as the blocks have; null: what lies a little behind each code.
void adc_scan8(const std::uint8_t* blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* tables,
               std::uint16_t* sums,
               const std::uint8_t* ahead = nullptr);
void adc_scan8_plain(const std::uint8_t* blocks,
                     std::size_t block_count,
                     std::size_t codes,
                     const std::uint8_t* tables,
                     std::uint16_t* sums);

// sums[32 b + r]. tables: [adc4_padded(codes), 16]; those behind `codes` must be 0.
void adc_scan4(const std::uint8_t* blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* tables,
               std::uint16_t* sums,
               const std::uint8_t* ahead = nullptr);
void adc_scan4_plain(const std::uint8_t* blocks,
                     std::size_t block_count,
                     std::size_t codes,
                     const std::uint8_t* tables,
                     std::uint16_t* sums);

// The least and the largest number of a table, at least one, all finite.
struct TableRange {
  float least = 0;
  float largest = 0;
};
TableRange range_of_table(std::span<const float> table);

// bytes[k] = floor((table[k] - least) inverse), at most 255; no number is below `least`. The same on every instruction set.
void bytes_of_table(std::span<const float> table, float least, float inverse, std::uint8_t* bytes);

// Places of the sums that are at least `least`, ascending, into `found` (room for all sums); their number.
std::size_t select_at_least(std::span<const std::uint16_t> sums, std::uint16_t least, std::uint32_t* found);
// The same as bits: bit i % 64 of masks[i / 64]; the bits behind the last sum are 0.
void mask_at_least(std::span<const std::uint16_t> sums, std::uint16_t least, std::uint64_t* masks);
// The places for scores; NaN is never at least anything.
std::size_t select_at_least(std::span<const float> scores, float least, std::uint32_t* found);
std::size_t select_at_least(std::span<const double> scores, double least, std::uint32_t* found);

// Sum of products of signed bytes, for reranking. Exact for up to 2^17 values.
std::int32_t dot_int8(const std::int8_t* a, const std::int8_t* b, std::size_t count);

// Instruction set of adc_scan8 and adc_scan4: "AVX3+VBMI" looks up 64 codes of 8 bits at once.
std::string adc_target();

}  // namespace tenfold::kernels
