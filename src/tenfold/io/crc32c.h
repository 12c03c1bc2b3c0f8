// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4) and the masked form that TFRecord files store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::io {

// Checksum of `bytes`, continuing from the checksum of what came before them.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

// Rotated right by 15 bits plus a constant: a checksum of data that itself contains checksums stays
// meaningful.
constexpr std::uint32_t mask_crc32c(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

}  // namespace tenfold::io
