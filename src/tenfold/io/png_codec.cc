// SPDX-License-Identifier: Apache-2.0
// libpng reports errors by longjmp. Each function that calls setjmp here has only trivially destructible locals, and
// all memory belongs to objects made by its caller, so a jump skips no destructor.
#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/io/image_codec.h"

namespace tenfold::io::detail {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kHeaderBytes = kSignatureBytes + 8 + 13 + 4;  // with the IHDR chunk's frame
constexpr std::uint32_t kMaxSide = 0x7FFFFFFF;     // the PNG specification's four-byte unsigned integer
constexpr png_alloc_size_t kChunkLimit = 1 << 20;  // PLTE and tRNS have at most 768 bytes

// Deflate expands at most 1032-fold (a match of 258 bytes in two bits).
constexpr std::uint64_t kDeflateExpansion = 1032;

// What libpng's callbacks see. `message` has a fixed size: nothing may be allocated on the error path.
struct PngState {
  std::span<const std::byte> unread;
  bool truncated = false;
  std::array<char, 96> message{};
};

[[noreturn]] void throw_damaged(std::string_view code, std::string_view name, std::string_view reason) {
  throw Error(ErrorClass::kFile,
              fmt::format("image.{}", code),
              {.what = fmt::format("{}: the PNG file is damaged", name),
               .seen = std::string(reason),
               .wanted = "a complete PNG file",
               .remedy = "get the file again"});
}

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::snprintf(state->message.data(), state->message.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // libraries do not print; what matters is an error

void on_read(png_structp png, png_bytep target, std::size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state->unread.size()) {
    state->truncated = true;
    png_error(png, "the file ends too early");
  }
  std::copy_n(reinterpret_cast<const png_byte*>(state->unread.data()), count, target);
  state->unread = state->unread.subspan(count);
}

void on_write(png_structp png, png_bytep bytes, std::size_t count) {
  auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
  bool failed = false;
  try {
    const auto* begin = reinterpret_cast<const std::byte*>(bytes);
    out->insert(out->end(), begin, begin + count);
  } catch (...) {
    failed = true;  // no exception may pass through libpng's frames
  }
  if (failed) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

class PngReader {
 public:
  PngReader(PngState& state, std::string_view name)
      : png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning)) {
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ != nullptr) return;
    png_destroy_read_struct(&png_, nullptr, nullptr);
    throw Error(
        ErrorClass::kResource, "image.no_memory", {.what = fmt::format("{}: libpng gives no memory", name)});
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  png_structp png() const { return png_; }
  png_infop info() const { return info_; }

 private:
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class PngWriter {
 public:
  explicit PngWriter(PngState& state)
      : png_(png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning)) {
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ != nullptr) return;
    png_destroy_write_struct(&png_, nullptr);
    throw Error(
        ErrorClass::kResource, "image.no_memory", {.what = "libpng gives no memory to write a picture"});
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  png_structp png() const { return png_; }
  png_infop info() const { return info_; }

 private:
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Reads everything before the pixels and asks for 8-bit rows. 0: damaged; else the channels of a row (1 to 4).
std::uint32_t begin_reading(png_structp png, png_infop info, PngState& state) {
  if (setjmp(png_jmpbuf(png)) != 0) return 0;
  png_set_read_fn(png, &state, on_read);
  png_set_user_limits(png, kMaxSide, kMaxSide);  // the caller's pixel limit has been applied already
  png_set_chunk_malloc_max(png, kChunkLimit);
  // Texts, colour profiles and the like are skipped unread: they could be compressed bombs.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  png_set_expand(png);  // palettes to RGB, 1 to 4 bits to 8, tRNS to alpha
  png_set_scale_16(png);
  png_set_interlace_handling(png);  // also before the update: it starts the row reader
  png_read_update_info(png, info);
  return png_get_channels(png, info);
}

bool read_pixels(png_structp png, png_infop info, std::span<std::uint8_t> samples, std::size_t row_bytes) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  for (int passes = png_set_interlace_handling(png); passes > 0; --passes) {
    for (std::size_t at = 0; at < samples.size(); at += row_bytes) png_read_row(png, &samples[at], nullptr);
  }
  png_read_end(png, info);
  return true;
}

bool write_pixels(png_structp png, png_infop info, const Image& image, int compression) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_compression_level(png, compression);
  png_set_IHDR(png,
               info,
               image.width,
               image.height,
               8,
               image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  const std::size_t row_bytes = std::size_t{image.width} * image.channels;
  for (std::size_t at = 0; at < image.pixels.size(); at += row_bytes) png_write_row(png, &image.pixels[at]);
  png_write_end(png, nullptr);
  return true;
}

std::uint8_t blend(std::uint8_t color, std::uint8_t background, std::uint32_t alpha) {
  return static_cast<std::uint8_t>((color * alpha + background * (255 - alpha) + 127) / 255);
}

std::uint8_t luma(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return static_cast<std::uint8_t>((299 * red + 587 * green + 114 * blue + 500) / 1000);
}

// Samples of 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) channels to 1 or 3.
Image convert(std::vector<std::uint8_t> samples,
              std::uint32_t stored,
              const ImageInfo& info,
              const ImageOptions& options) {
  const bool gray_file = stored <= 2;
  const bool to_gray =
      options.color == ColorMode::kGray || (options.color == ColorMode::kAsStored && gray_file);
  Image image{.width = info.width, .height = info.height, .channels = to_gray ? 1u : 3u, .pixels = {}};
  if (stored == image.channels) {
    image.pixels = std::move(samples);
    return image;
  }
  const bool has_alpha = stored == 2 || stored == 4;
  const std::size_t count = samples.size() / stored;
  image.pixels.resize(count * image.channels);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* from = samples.data() + i * stored;
    std::array<std::uint8_t, 3> rgb = {from[0], from[gray_file ? 0 : 1], from[gray_file ? 0 : 2]};
    if (has_alpha) {
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = blend(rgb[c], options.background[c], from[stored - 1]);
    }
    if (to_gray) {
      image.pixels[i] = luma(rgb[0], rgb[1], rgb[2]);
    } else {
      std::copy(rgb.begin(), rgb.end(), image.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
    }
  }
  return image;
}

}  // namespace

StoredHeader png_header(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() < kHeaderBytes)
    throw_damaged("truncated", name, fmt::format("only {} bytes", bytes.size()));
  const bool has_header = big_endian(bytes, 8) == 13 && big_endian(bytes, 12) == 0x49484452;  // "IHDR"
  if (!has_header) throw_damaged("corrupt", name, "the first chunk is not IHDR");
  ImageInfo info{
      .format = ImageFormat::kPng, .width = big_endian(bytes, 16), .height = big_endian(bytes, 20)};
  if (info.width == 0 || info.height == 0 || info.width > kMaxSide || info.height > kMaxSide) {
    throw_damaged("corrupt", name, fmt::format("{} x {} pixels", info.width, info.height));
  }
  info.bits = std::to_integer<std::uint32_t>(bytes[24]);
  if (info.bits == 0 || info.bits > 16)
    throw_damaged("corrupt", name, fmt::format("{} bits a sample", info.bits));
  const auto color_type = std::to_integer<std::uint32_t>(bytes[25]);
  switch (color_type) {
    case PNG_COLOR_TYPE_GRAY:
      info.channels = 1;
      break;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      info.channels = 2;
      break;
    case PNG_COLOR_TYPE_RGB:
    case PNG_COLOR_TYPE_PALETTE:
      info.channels = 3;
      break;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      info.channels = 4;
      break;
    default:
      throw_damaged("corrupt", name, fmt::format("colour type {}", color_type));
  }
  const std::uint64_t pixel_bits =
      std::uint64_t{info.bits} * (color_type == PNG_COLOR_TYPE_PALETTE ? 1 : info.channels);
  // A row is a filter byte and its samples. Below 2^31 * (1 + 2^34): cannot wrap.
  const std::uint64_t row_bytes = 1 + info.width * pixel_bits / 8;
  return {info, info.height * row_bytes / kDeflateExpansion};
}

Image decode_png(std::span<const std::byte> bytes,
                 const ImageInfo& info,
                 const ImageOptions& options,
                 std::string_view name) {
  PngState state{.unread = bytes};
  const auto fail = [&]() {
    throw_damaged(state.truncated ? "truncated" : "corrupt", name, state.message.data());
  };
  const PngReader reader(state, name);
  const std::uint32_t channels = begin_reading(reader.png(), reader.info(), state);
  if (channels == 0) fail();
  const std::size_t row_bytes = std::size_t{info.width} * channels;
  check_internal(channels <= 4 && png_get_rowbytes(reader.png(), reader.info()) == row_bytes,
                 "PNG rows have 8 bits");
  std::vector<std::uint8_t> samples(row_bytes * info.height);
  if (!read_pixels(reader.png(), reader.info(), samples, row_bytes)) fail();
  return convert(std::move(samples), channels, info, options);
}

std::vector<std::byte> encode_png(const Image& image, int compression) {
  std::vector<std::byte> out;
  PngState state;
  const PngWriter writer(state);
  png_set_write_fn(writer.png(), &out, on_write, on_flush);
  if (!write_pixels(writer.png(), writer.info(), image, compression)) {
    throw Error(ErrorClass::kResource,
                "image.cannot_encode",
                {.what = "the picture cannot be written as PNG", .seen = state.message.data()});
  }
  return out;
}

}  // namespace tenfold::io::detail
