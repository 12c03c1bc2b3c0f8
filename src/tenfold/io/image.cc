// SPDX-License-Identifier: Apache-2.0
// Limits, orientation and the choice of codec.
#include "tenfold/io/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/image_codec.h"

namespace tenfold::io {
namespace {

constexpr std::string_view kPngMagic("\x89PNG\r\n\x1A\n", 8);
constexpr std::string_view kJpegMagic("\xFF\xD8\xFF", 3);

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

detail::StoredHeader stored_header(std::span<const std::byte> bytes, std::string_view name) {
  return image_format(bytes) == ImageFormat::kPng ? detail::png_header(bytes, name)
                                                  : detail::jpeg_header(bytes, name);
}

void check_limits(const detail::StoredHeader& header,
                  std::size_t file_bytes,
                  const ImageOptions& options,
                  std::string_view name) {
  const ImageInfo& info = header.info;
  const std::uint64_t pixels = std::uint64_t{info.width} * info.height;  // 32-bit factors: cannot wrap
  if (pixels > options.max_pixels) {
    throw Error(ErrorClass::kResource,
                "image.too_many_pixels",
                {.what = fmt::format("{}: the picture is too large", name),
                 .seen = fmt::format("{} x {} pixels", info.width, info.height),
                 .wanted = fmt::format("at most {} pixels", options.max_pixels),
                 .remedy = "scale the picture down, or raise the limit if you trust the file"});
  }
  if (header.least_file_bytes > file_bytes) {
    throw Error(ErrorClass::kFile,
                "image.lying_header",
                {.what = fmt::format("{}: the header claims more pixels than the file can hold", name),
                 .seen = fmt::format("{} x {} pixels in {} bytes", info.width, info.height, file_bytes),
                 .wanted = fmt::format("at least {} bytes", header.least_file_bytes),
                 .remedy = "the file is cut off or forged; get it again"});
  }
}

bool swaps_sides(int orientation) {
  return orientation >= 5;
}

// Where the pixel (row, column) of the shown picture stands in the stored one, for EXIF orientations 1 to 8
// (CIPA DC-008, tag 274): the stored row 0 and column 0 are the shown top/left, top/right, bottom/right, bottom/left,
// left/top, right/top, right/bottom, left/bottom.
Image oriented(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  Image shown{.width = stored.width, .height = stored.height, .channels = stored.channels, .pixels = {}};
  if (swaps_sides(orientation)) std::swap(shown.width, shown.height);
  shown.pixels.resize(stored.pixels.size());
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  std::uint8_t* target = shown.pixels.data();
  for (std::size_t row = 0; row < shown.height; ++row) {
    for (std::size_t column = 0; column < shown.width; ++column) {
      std::size_t y = swaps_sides(orientation) ? column : row;
      std::size_t x = swaps_sides(orientation) ? row : column;
      if (flip_rows) y = stored.height - 1 - y;
      if (flip_columns) x = stored.width - 1 - x;
      const std::uint8_t* source = stored.pixels.data() + (y * stored.width + x) * stored.channels;
      target = std::copy_n(source, stored.channels, target);
    }
  }
  return shown;
}

void check_shape(const Image& image) {
  const auto size = checked::product<std::uint64_t>(
      std::array<std::uint64_t, 3>{image.width, image.height, image.channels});
  const bool good_channels = image.channels == 1 || image.channels == 3;
  if (good_channels && image.width > 0 && image.height > 0 && size && *size == image.pixels.size()) return;
  throw Error(
      ErrorClass::kData,
      "image.bad_shape",
      {.what = "the picture to write does not fit its sizes",
       .seen = fmt::format(
           "[{}, {}, {}] with {} bytes", image.height, image.width, image.channels, image.pixels.size()),
       .wanted = "height x width x channels bytes, 1 or 3 channels, no side of 0"});
}

void check_option(std::string_view option, int seen, int least, int most) {
  if (seen >= least && seen <= most) return;
  throw Error(ErrorClass::kUsage,
              "image.bad_option",
              {.what = fmt::format("{} is out of range", option),
               .seen = std::to_string(seen),
               .wanted = fmt::format("{} to {}", least, most)});
}

}  // namespace

std::string_view to_string(ImageFormat format) {
  return format == ImageFormat::kPng ? "png" : "jpeg";
}

ImageFormat image_format(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with(kPngMagic)) return ImageFormat::kPng;
  if (text.starts_with(kJpegMagic)) return ImageFormat::kJpeg;
  throw Error(ErrorClass::kData,
              "image.unknown_format",
              {.what = "the file is no picture this toolkit reads",
               .seen = text.empty() ? "an empty file" : "first bytes " + printable(text.substr(0, 8)),
               .wanted = "PNG or JPEG",
               .remedy = "convert the picture to PNG"});
}

ImageInfo image_info(std::span<const std::byte> bytes) {
  ImageInfo info = stored_header(bytes, "image").info;
  if (swaps_sides(info.orientation)) std::swap(info.width, info.height);
  return info;
}

Image decode_image(std::span<const std::byte> bytes, const ImageOptions& options, std::string_view name) {
  const detail::StoredHeader header = stored_header(bytes, name);
  check_limits(header, bytes.size(), options, name);
  const ImageInfo& info = header.info;
  if (info.format == ImageFormat::kPng) return detail::decode_png(bytes, info, options, name);
  Image stored = detail::decode_jpeg(bytes, info, options, name);
  return options.apply_orientation ? oriented(std::move(stored), info.orientation) : stored;
}

Image read_image(const Path& path, const ImageOptions& options) {
  return decode_image(read_binary_file(path, options.max_file_bytes), options, path.string());
}

std::vector<std::byte> encode_png(const Image& image, const ImageWriteOptions& options) {
  check_shape(image);
  check_option("the PNG compression level", options.png_compression, 0, 9);
  return detail::encode_png(image, options.png_compression);
}

std::vector<std::byte> encode_jpeg(const Image& image, const ImageWriteOptions& options) {
  check_shape(image);
  check_option("the JPEG quality", options.jpeg_quality, 1, 100);
  return detail::encode_jpeg(image, options.jpeg_quality, options.jpeg_full_chroma);
}

void write_image(FileSystem& files, const Path& path, const Image& image, const ImageWriteOptions& options) {
  const std::string ending = to_lower(path.extension().string());
  std::vector<std::byte> bytes;
  if (ending == ".png") {
    bytes = encode_png(image, options);
  } else if (ending == ".jpg" || ending == ".jpeg") {
    bytes = encode_jpeg(image, options);
  } else {
    throw Error(ErrorClass::kUsage,
                "image.unknown_ending",
                {.what = "the format for " + path.string() + " is not clear",
                 .seen = ending.empty() ? "no ending" : printable(ending),
                 .wanted = ".png, .jpg or .jpeg"});
  }
  write_file_atomically(files, path, [&](WritableFile& file) { file.write(bytes); });
}

}  // namespace tenfold::io
