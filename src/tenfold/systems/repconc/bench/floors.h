// SPDX-License-Identifier: Apache-2.0
// What the machine allows: loops that do one part of a search and nothing else. No search that touches the same bytes, or looks the same
// numbers up, can be faster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::repconc {

// Reads memory in order; the result keeps the reads alive.
std::uint64_t read_bytes(std::span<const std::byte> bytes);

// The largest sum of float tables over rows of codes: 16 rows at a time by gather (AVX-512; by loads elsewhere). codes: [rows / 16, blocks,
// 16], rows a multiple of 16; tables: [blocks, 256].
float gather_sums(const std::uint8_t* codes, std::size_t rows, std::size_t blocks, const float* tables);

// The same by loads, four rows at a time. codes: [rows, blocks].
float load_sums(const std::uint8_t* codes, std::size_t rows, std::size_t blocks, const float* tables);

}  // namespace tenfold::repconc
