// SPDX-License-Identifier: Apache-2.0
// The table of malformed safetensors files: name, bytes, and the code of the error each must give.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold::io {

struct MalformedCase {
  std::string name;
  std::string bytes;
  std::string code;  // without "safetensors."
};

// Eight little-endian bytes.
inline std::string length_bytes(std::uint64_t value) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

// A file with this header and so many bytes of tensor data after it.
inline std::string safetensors_file(std::string_view header, std::size_t data_bytes = 0) {
  return length_bytes(header.size()) + std::string(header) + std::string(data_bytes, '\x2A');
}

std::vector<MalformedCase> malformed_safetensors();

}  // namespace tenfold::io
