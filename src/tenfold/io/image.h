// SPDX-License-Identifier: Apache-2.0
// PNG and JPEG in and out. What a header claims is checked against limits and against the size of the file
// before any pixel memory is allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::io {

// 8-bit samples, rows from top to bottom: [height, width, channels].
struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;  // 1 gray, 3 RGB
  std::vector<std::uint8_t> pixels;
};

enum class ImageFormat { kPng, kJpeg };

// "png", "jpeg".
std::string_view to_string(ImageFormat format);

// By the first bytes, never by the file's name. Throws Error(kData, "image.unknown_format").
ImageFormat image_format(std::span<const std::byte> bytes);

struct ImageInfo {
  ImageFormat format = ImageFormat::kPng;
  std::uint32_t width = 0;  // as shown: after the EXIF orientation
  std::uint32_t height = 0;
  std::uint32_t channels =
      0;  // in the file: 1 gray, 2 gray + alpha, 3 RGB (also palettes), 4 RGB + alpha or CMYK
  std::uint32_t bits = 8;  // a sample
  int orientation = 1;     // EXIF tag 274, 1 to 8; 1 when absent or damaged
};

enum class ColorMode {
  kAsStored,  // gray files give one channel, all others three
  kGray,      // ITU-R BT.601 luma
  kRgb,
};

struct ImageOptions {
  ColorMode color = ColorMode::kAsStored;
  std::array<std::uint8_t, 3> background = {255, 255, 255};  // under transparent pixels
  std::uint64_t max_pixels = 64'000'000;
  std::uint64_t max_file_bytes = std::uint64_t{256} << 20;  // of read_image()
  bool apply_orientation = true;                            // false: pixels as stored, JPEG only
};

// Header only: no pixel is decoded. Same errors as decode_image() for a damaged header.
ImageInfo image_info(std::span<const std::byte> bytes);

// Decodes PNG (all colour types and depths; 16 bits are rounded to 8) and JPEG (Huffman-coded, 8 bits, gray
// or colour). Throws
//   Error(kData, "image.unknown_format" | "image.unsupported"),
//   Error(kFile, "image.truncated" | "image.corrupt" | "image.lying_header": more pixels than the file's
//   bytes can hold), Error(kResource, "image.too_many_pixels").
// `name` opens the messages.
Image decode_image(std::span<const std::byte> bytes,
                   const ImageOptions& options = {},
                   std::string_view name = "image");
Image read_image(const Path& path, const ImageOptions& options = {});

struct ImageWriteOptions {
  int jpeg_quality = 90;          // 1 to 100
  bool jpeg_full_chroma = false;  // true: 4:4:4, false: 4:2:0
  int png_compression = 6;        // zlib level, 0 to 9
};

// Throw Error(kData, "image.bad_shape") when the pixels do not fit the sizes, Error(kUsage,
// "image.bad_option").
std::vector<std::byte> encode_png(const Image& image, const ImageWriteOptions& options = {});
std::vector<std::byte> encode_jpeg(const Image& image, const ImageWriteOptions& options = {});

// Format by the file's ending: .png, .jpg or .jpeg; others throw Error(kUsage, "image.unknown_ending").
// Atomic.
void write_image(FileSystem& files,
                 const Path& path,
                 const Image& image,
                 const ImageWriteOptions& options = {});

}  // namespace tenfold::io
