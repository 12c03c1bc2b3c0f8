// SPDX-License-Identifier: Apache-2.0
// The two codecs behind image.h. libpng's longjmp stays inside png_codec.cc; JPEG has a marker scan of our own for sizes
// and orientation and libturbojpeg for the pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/io/image.h"

namespace tenfold::io::detail {

struct StoredHeader {
  ImageInfo info;                      // sizes as stored, before the orientation
  std::uint64_t least_file_bytes = 0;  // no file of this format with these sizes can be shorter
};

// Reads the IHDR chunk without libpng. Throws Error(kFile).
StoredHeader png_header(std::span<const std::byte> bytes, std::string_view name);

// Walks the segments up to the first scan. Throws Error(kFile) or, for coding processes that are not read,
// Error(kData, "image.unsupported").
StoredHeader jpeg_header(std::span<const std::byte> bytes, std::string_view name);

// Pixels as stored, before the orientation. `info` has passed the limits already.
Image decode_png(std::span<const std::byte> bytes,
                 const ImageInfo& info,
                 const ImageOptions& options,
                 std::string_view name);
Image decode_jpeg(std::span<const std::byte> bytes,
                  const ImageInfo& info,
                  const ImageOptions& options,
                  std::string_view name);

// Tag 274 of IFD0 of an EXIF block ("II*\0" or "MM\0*" first); 1 when absent or damaged.
int exif_orientation(std::span<const std::byte> tiff);

// `image` has been checked.
std::vector<std::byte> encode_png(const Image& image, int compression);
std::vector<std::byte> encode_jpeg(const Image& image, int quality, bool full_chroma);

}  // namespace tenfold::io::detail
