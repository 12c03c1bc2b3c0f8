// SPDX-License-Identifier: Apache-2.0
// PNG files put together chunk by chunk with zlib alone, so that libpng is tested against the format, not itself.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold::io {

inline std::string big_endian32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

inline std::string png_chunk(std::string_view type, std::string_view body) {
  const std::string covered = std::string(type) + std::string(body);
  const auto* bytes = reinterpret_cast<const Bytef*>(covered.data());
  const auto crc = static_cast<std::uint32_t>(crc32(0, bytes, static_cast<uInt>(covered.size())));
  return big_endian32(static_cast<std::uint32_t>(body.size())) + covered + big_endian32(crc);
}

struct PngHeader {
  std::uint32_t width = 1;
  std::uint32_t height = 1;
  char bits = 8;
  char color_type = 0;  // 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGB + alpha
  char interlace = 0;
};

inline std::string png_signature() {
  return "\x89PNG\r\n\x1A\n";
}

inline std::string png_header_chunk(const PngHeader& header) {
  std::string body = big_endian32(header.width) + big_endian32(header.height);
  for (const char c : {header.bits, header.color_type, '\0', '\0', header.interlace}) body += c;
  return png_chunk("IHDR", body);
}

// `rows`: the filter byte and the samples of each row. `before_data`: further chunks, such as PLTE.
inline std::string png_file(const PngHeader& header,
                            std::string_view rows,
                            std::string_view before_data = "") {
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()),
           &size,
           reinterpret_cast<const Bytef*>(rows.data()),
           static_cast<uLong>(rows.size()));
  packed.resize(size);
  return png_signature() + png_header_chunk(header) + std::string(before_data) + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

// "\xFF" marker, length, body.
inline std::string jpeg_segment(char marker, std::string_view body) {
  const std::size_t length = body.size() + 2;
  return std::string("\xFF") + marker + static_cast<char>(length >> 8) + static_cast<char>(length) +
         std::string(body);
}

// An APP1 block whose only tag is the orientation.
inline std::string exif_segment(char orientation, bool little_endian) {
  using namespace std::string_literals;
  const std::string tiff =
      little_endian ? "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + orientation + "\0\0\0\0\0\0\0"s
                    : "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + orientation + "\0\0\0\0\0\0"s;
  return jpeg_segment('\xE1', "Exif\0\0"s + tiff);
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tenfold::io
