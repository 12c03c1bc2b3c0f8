// SPDX-License-Identifier: Apache-2.0
// PNG and JPEG. A mutator repairs the checksums of PNG chunks, so that mutations get past them to the decoder.
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "fuzz/harness.h"
#include "tenfold/io/image.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr std::size_t kSignature = 8, kFrame = 12;  // a chunk's length, type and checksum

std::size_t big_endian(const std::uint8_t* bytes) {
  return static_cast<std::size_t>(bytes[0]) << 24 | static_cast<std::size_t>(bytes[1]) << 16 |
         static_cast<std::size_t>(bytes[2]) << 8 | bytes[3];
}

void repair_checksums(std::uint8_t* data, std::size_t size) {
  if (size < kSignature || std::memcmp(data, "\x89PNG\r\n\x1A\n", kSignature) != 0) return;
  std::size_t at = kSignature;
  while (size - at >= kFrame && big_endian(data + at) <= size - at - kFrame) {
    const std::size_t length = big_endian(data + at);
    const auto crc = crc32(0, data + at + 4, static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i)
      data[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += kFrame + length;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned int seed) {
  const std::size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 != 0) repair_checksums(data, mutated);
  return mutated;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tenfold::io;
  const std::span<const std::byte> bytes = tenfold::fuzz::as_bytes(data, size);
  ImageInfo info;
  const bool known = tenfold::fuzz::accepts([&] { info = image_info(bytes); });
  Image image;
  const ImageOptions options{.color = static_cast<ColorMode>(size % 3), .max_pixels = 100'000};
  if (!tenfold::fuzz::accepts([&] { image = decode_image(bytes, options); })) return 0;
  tenfold::fuzz::require(known, "a picture that decodes has a readable header");
  tenfold::fuzz::require(image.width == info.width && image.height == info.height,
                         "header and picture agree");
  tenfold::fuzz::require(image.pixels.size() == std::size_t{image.width} * image.height * image.channels,
                         "all pixels");
  return 0;
}
