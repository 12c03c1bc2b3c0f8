// SPDX-License-Identifier: Apache-2.0
// The turbojpeg interface catches libjpeg's errors itself and returns codes, so no longjmp reaches this file.
#include <fmt/format.h>
#include <turbojpeg.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/io/image_codec.h"

namespace tenfold::io::detail {
namespace {

constexpr std::uint32_t kApp1 = 0xE1, kStartOfScan = 0xDA, kEndOfImage = 0xD9;
constexpr std::string_view kExifName("Exif\0\0", 6);
constexpr std::uint32_t kOrientationTag = 0x0112, kShortType = 3;

// Huffman coding spends at least one bit on each block of 8 x 8 samples.
constexpr std::uint64_t kPixelsPerByte = 512;

[[noreturn]] void throw_damaged(std::string_view code, std::string_view name, std::string reason) {
  throw Error(ErrorClass::kFile,
              fmt::format("image.{}", code),
              {.what = fmt::format("{}: the JPEG file is damaged", name),
               .seen = std::move(reason),
               .wanted = "a complete JPEG file",
               .remedy = "get the file again"});
}

[[noreturn]] void throw_unsupported(std::string_view name, std::string reason) {
  throw Error(ErrorClass::kData,
              "image.unsupported",
              {.what = fmt::format("{}: this kind of JPEG is not read", name),
               .seen = std::move(reason),
               .wanted = "8-bit baseline or progressive JPEG, gray or colour, Huffman-coded",
               .remedy = "convert the picture to PNG"});
}

std::uint32_t byte_at(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]);
}

std::uint32_t big_endian16(std::span<const std::byte> bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

// The integers of a TIFF block in its own byte order; 0 outside of it.
class TiffBlock {
 public:
  TiffBlock(std::span<const std::byte> bytes, bool little_endian)
      : bytes_(bytes), little_endian_(little_endian) {}

  bool holds(std::size_t at, std::size_t count) const {
    return at <= bytes_.size() && count <= bytes_.size() - at;
  }

  std::uint32_t integer(std::size_t at, std::size_t count) const {
    if (!holds(at, count)) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value = value << 8 | byte_at(bytes_, little_endian_ ? at + count - 1 - i : at + i);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool little_endian_;
};

// C4 (tables), C8 (reserved) and CC (arithmetic conditioning) lie in the range of frame headers but are none.
bool is_frame_header(std::uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// SOF0 baseline, SOF1 extended sequential, SOF2 progressive. The others are lossless, hierarchical or arithmetic:
// arithmetic coding can pack a huge picture into a few bytes, and no browser shows it.
void read_frame_header(std::uint32_t marker,
                       std::span<const std::byte> body,
                       ImageInfo& info,
                       std::string_view name) {
  if (marker > 0xC2) throw_unsupported(name, fmt::format("coding process SOF{}", marker - 0xC0));
  if (body.size() < 6) throw_damaged("corrupt", name, "a frame header that is too short");
  info.bits = byte_at(body, 0);
  info.height = big_endian16(body, 1);
  info.width = big_endian16(body, 3);
  info.channels = byte_at(body, 5);
  if (info.bits != 8) throw_unsupported(name, fmt::format("{} bits a sample", info.bits));
  if (info.width == 0 || info.height == 0) {
    throw_damaged("corrupt", name, fmt::format("{} x {} pixels", info.width, info.height));
  }
  if (info.channels != 1 && info.channels != 3)
    throw_unsupported(name, fmt::format("{} channels", info.channels));
}

struct TurboDeleter {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using TurboHandle = std::unique_ptr<void, TurboDeleter>;

TurboHandle make_handle(tjhandle handle) {
  if (handle != nullptr) return TurboHandle(handle);
  throw Error(ErrorClass::kResource, "image.no_memory", {.what = "libturbojpeg gives no memory"});
}

struct TurboBuffer {
  unsigned char* data = nullptr;
  unsigned long size = 0;
  TurboBuffer() = default;
  TurboBuffer(const TurboBuffer&) = delete;
  TurboBuffer& operator=(const TurboBuffer&) = delete;
  ~TurboBuffer() { tjFree(data); }
};

const unsigned char* as_bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

int exif_orientation(std::span<const std::byte> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little_endian = byte_at(tiff, 0) == 'I';
  if (byte_at(tiff, 0) != byte_at(tiff, 1) || (!little_endian && byte_at(tiff, 0) != 'M')) return 1;
  const TiffBlock block(tiff, little_endian);
  if (block.integer(2, 2) != 42) return 1;
  const std::size_t directory = block.integer(4, 4);
  const std::size_t entries = block.integer(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;  // below 2^32 + 2^20 in 64 bits
    if (!block.holds(entry, 12)) return 1;
    if (block.integer(entry, 2) != kOrientationTag) continue;
    const std::uint32_t value = block.integer(entry + 8, 2);
    const bool one_short = block.integer(entry + 2, 2) == kShortType && block.integer(entry + 4, 4) == 1;
    return one_short && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

StoredHeader jpeg_header(std::span<const std::byte> bytes, std::string_view name) {
  ImageInfo info{.format = ImageFormat::kJpeg};
  bool has_exif = false;
  std::size_t at = 2;  // after the start-of-image marker; never beyond the end
  while (true) {
    if (bytes.size() - at < 4) throw_damaged("truncated", name, "the file ends before the picture's data");
    if (byte_at(bytes, at) != 0xFF) throw_damaged("corrupt", name, fmt::format("no marker at byte {}", at));
    const std::uint32_t marker = byte_at(bytes, at + 1);
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == kStartOfScan || marker == kEndOfImage) break;
    const std::size_t length = big_endian16(bytes, at + 2);  // counts itself, not the marker
    if (length < 2) throw_damaged("corrupt", name, fmt::format("a segment of {} bytes", length));
    if (length > bytes.size() - at - 2) throw_damaged("truncated", name, "a segment is longer than the file");
    const std::span<const std::byte> body = bytes.subspan(at + 4, length - 2);
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    if (marker == kApp1 && !has_exif && text.starts_with(kExifName)) {
      has_exif = true;
      info.orientation = exif_orientation(body.subspan(kExifName.size()));
    }
    if (is_frame_header(marker)) {
      if (info.channels != 0) throw_damaged("corrupt", name, "two frame headers");
      read_frame_header(marker, body, info, name);
    }
    at += 2 + length;
  }
  if (info.channels == 0) throw_damaged("corrupt", name, "no frame header before the picture's data");
  return {info, std::uint64_t{info.width} * info.height / kPixelsPerByte};
}

Image decode_jpeg(std::span<const std::byte> bytes,
                  const ImageInfo& info,
                  const ImageOptions& options,
                  std::string_view name) {
  const TurboHandle handle = make_handle(tjInitDecompress());
  const auto size = checked::cast<unsigned long>(bytes.size());
  int width = 0, height = 0, subsampling = 0, color_space = 0;
  const auto fail = [&] { throw_damaged("corrupt", name, tjGetErrorStr2(handle.get())); };
  if (tjDecompressHeader3(
          handle.get(), as_bytes(bytes), size.value(), &width, &height, &subsampling, &color_space) != 0) {
    fail();
  }
  // Two readers of one header must agree, or memory would be sized by one and filled by the other.
  if (static_cast<std::uint32_t>(width) != info.width || static_cast<std::uint32_t>(height) != info.height) {
    throw_damaged("corrupt",
                  name,
                  fmt::format("two sizes, {} x {} and {} x {}", info.width, info.height, width, height));
  }
  const bool gray =
      options.color == ColorMode::kGray || (options.color == ColorMode::kAsStored && info.channels == 1);
  Image image{.width = info.width, .height = info.height, .channels = gray ? 1u : 3u, .pixels = {}};
  image.pixels.resize(std::size_t{info.width} * info.height * image.channels);
  // Stop on warnings: libjpeg only warns where data is cut off or broken and then paints gray. Limited scans: a
  // progressive file may otherwise repeat tiny scans over a huge picture.
  const int flags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS | TJFLAG_ACCURATEDCT;
  const int format = gray ? TJPF_GRAY : TJPF_RGB;
  if (tjDecompress2(handle.get(),
                    as_bytes(bytes),
                    size.value(),
                    image.pixels.data(),
                    width,
                    0,
                    height,
                    format,
                    flags) != 0) {
    const std::string reason = tjGetErrorStr2(handle.get());
    const bool cut_off = reason.find("Premature end") != std::string::npos;
    throw_damaged(cut_off ? "truncated" : "corrupt", name, reason);
  }
  return image;
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality, bool full_chroma) {
  constexpr std::uint32_t kMaxSide = 65'500;  // libjpeg's JPEG_MAX_DIMENSION
  if (image.width > kMaxSide || image.height > kMaxSide) {
    throw Error(ErrorClass::kData,
                "image.bad_shape",
                {.what = "the picture is too large for JPEG",
                 .seen = fmt::format("{} x {} pixels", image.width, image.height),
                 .wanted = fmt::format("at most {} pixels a side", kMaxSide),
                 .remedy = "write it as PNG"});
  }
  const TurboHandle handle = make_handle(tjInitCompress());
  const bool gray = image.channels == 1;
  const int color_subsampling = full_chroma ? TJSAMP_444 : TJSAMP_420;
  TurboBuffer out;
  const int failure = tjCompress2(handle.get(),
                                  image.pixels.data(),
                                  static_cast<int>(image.width),
                                  0,
                                  static_cast<int>(image.height),
                                  gray ? TJPF_GRAY : TJPF_RGB,
                                  &out.data,
                                  &out.size,
                                  gray ? TJSAMP_GRAY : color_subsampling,
                                  quality,
                                  TJFLAG_ACCURATEDCT);
  if (failure != 0) {
    throw Error(ErrorClass::kResource,
                "image.cannot_encode",
                {.what = "the picture cannot be written as JPEG", .seen = tjGetErrorStr2(handle.get())});
  }
  const auto* begin = reinterpret_cast<const std::byte*>(out.data);
  return {begin, begin + out.size};
}

}  // namespace tenfold::io::detail
