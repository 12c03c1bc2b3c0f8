// SPDX-License-Identifier: Apache-2.0
// CRC-32C against the vectors of RFC 3720 and a bit-by-bit computation.
#include "tenfold/io/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::io {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The definition, one bit at a time.
std::uint32_t slow_crc32c(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c({}), 0u);
  std::vector<std::byte> block(32, std::byte{0});
  EXPECT_EQ(crc32c(block), 0x8A9136AAu);
  std::fill(block.begin(), block.end(), std::byte{0xFF});
  EXPECT_EQ(crc32c(block), 0x62A8AB43u);
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(block), 0x46DD794Eu);
  std::reverse(block.begin(), block.end());
  EXPECT_EQ(crc32c(block), 0x113FDB5Cu);
}

TEST(Crc32c, EqualsTheBitwiseDefinitionForEveryLengthAndSplit) {
  random::Generator generator(7, 1);
  std::vector<std::byte> bytes(67);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(generator.below(256));
  const std::span<const std::byte> all(bytes);
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const std::uint32_t wanted = slow_crc32c(all.first(length));
    EXPECT_EQ(crc32c(all.first(length)), wanted) << length;
    const std::size_t split = length / 3;
    EXPECT_EQ(crc32c(all.subspan(split, length - split), crc32c(all.first(split))), wanted) << length;
  }
}

TEST(Crc32c, MasksAsTfRecordDoes) {
  // ((crc >> 15) | (crc << 17)) + 0xA282EAD8, computed by hand for the checksum of "123456789".
  EXPECT_EQ(mask_crc32c(0xE3069283u), 0xC78AB0E5u);
  EXPECT_EQ(mask_crc32c(0), 0xA282EAD8u);
}

}  // namespace
}  // namespace tenfold::io
