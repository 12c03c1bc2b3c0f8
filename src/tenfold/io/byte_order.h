// SPDX-License-Identifier: Apache-2.0
// Turns big-endian values into native ones, in place.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>

namespace tenfold::io {

static_assert(std::endian::native == std::endian::little,
              "files are read and written as little-endian memory");

// Reverses the bytes of each value of `size` bytes; a remainder that fills no value stays.
inline void reverse_each(std::span<std::byte> data, std::size_t size) {
  if (size < 2) return;
  for (std::size_t i = 0; size <= data.size() - i; i += size) {
    const auto value = data.subspan(i, size);
    std::reverse(value.begin(), value.end());
  }
}

}  // namespace tenfold::io
