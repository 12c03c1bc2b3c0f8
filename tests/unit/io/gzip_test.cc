// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/gzip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/io/gzip_bytes.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

// `printf 'tenfold' | gzip -9n` in hexadecimal: made by GNU gzip.
const std::string kByGnuGzip(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x49\xcd\x4b\xcb\xcf\x49\x01\x00\xab\xd9\x21\x25\x07\x00\x00"
    "\x00",
    27);

InputFile view(const std::string& bytes) {
  return InputFile::view(std::as_bytes(std::span(bytes)), "case.gz");
}

// The whole content, in pieces of `piece` bytes.
std::string unpack(const std::string& bytes, std::size_t piece = 1000) {
  const InputFile file = view(bytes);
  GzipReader reader(file);
  std::string content;
  std::string part(piece, '\0');
  std::size_t count = piece;
  while (count == piece) {
    count = reader.read(std::as_writable_bytes(std::span(part.data(), part.size())));
    content += part.substr(0, count);
  }
  EXPECT_EQ(reader.read(std::as_writable_bytes(std::span(part.data(), part.size()))),
            0u);  // stays at the end
  return content;
}

std::string error_for(const std::string& bytes) {
  return error_of([&] { unpack(bytes); });
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += std::to_string(i * 7919 % 10'007) + " ";
  return text;
}

TEST(Gzip, ReadsWhatGnuGzipWrote) {
  EXPECT_EQ(unpack(kByGnuGzip), "tenfold");
  EXPECT_TRUE(is_gzip(view(kByGnuGzip)));
  EXPECT_FALSE(is_gzip(view("tenfold")));
  EXPECT_FALSE(is_gzip(view("\x1f")));
}

TEST(Gzip, PiecesOfAnySizeGiveTheSameContent) {
  const std::string text = long_text();
  const std::string packed = gzip(text);
  ASSERT_GT(packed.size(), 64u << 10);  // more than one buffer of input
  for (const std::size_t piece : {7ul, 4096ul, 1ul << 20}) EXPECT_EQ(unpack(packed, piece), text);
}

TEST(Gzip, MembersThatFollowEachOtherAreOneStream) {
  const std::string text = long_text();
  EXPECT_EQ(unpack(gzip("a") + gzip("") + gzip(text) + kByGnuGzip, 10), "a" + text + "tenfold");
}

TEST(Gzip, EveryCutIsRefused) {
  const std::string packed = gzip("a text that is long enough") + gzip("and a second member");
  const std::size_t boundary = gzip("a text that is long enough").size();
  for (std::size_t length = 1; length < packed.size(); ++length) {
    EXPECT_EQ(error_for(packed.substr(0, length)), length == boundary ? "no error" : "file gzip.truncated");
  }
  EXPECT_EQ(error_for(""), "file gzip.truncated");
}

// Some bits mean nothing: hints in the header, the rest of the last byte of the data.
TEST(Gzip, AFlippedBitIsSeenOrChangesNothing) {
  const std::string text = "a text that is long enough";
  const std::string packed = gzip(text);
  int seen = 0;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = packed;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const bool refused = error_for(damaged) != "no error";
      seen += refused ? 1 : 0;
      if (refused) continue;
      EXPECT_EQ(unpack(damaged), text) << i << " " << bit;
    }
  }
  EXPECT_GE(seen, static_cast<int>(8 * (packed.size() - 11)));  // all but the header and one byte at least
}

TEST(Gzip, RefusesOtherBytesEachWithItsCode) {
  const std::string packed = gzip("text");
  EXPECT_EQ(error_for("plain text"), "file gzip.corrupt");
  EXPECT_EQ(error_for(packed + "x"), "file gzip.trailing_bytes");
  EXPECT_EQ(error_for(packed + std::string(100, '\0')), "file gzip.trailing_bytes");
  EXPECT_EQ(error_for(packed + "\x1f\x8c more"), "file gzip.corrupt");
  std::string wrong_sum = packed;
  wrong_sum[packed.size() - 8] = static_cast<char>(wrong_sum[packed.size() - 8] + 1);
  EXPECT_EQ(error_for(wrong_sum), "file gzip.corrupt");
  EXPECT_NE(message_of([&] { unpack(wrong_sum); }).find("case.gz"), std::string::npos);
}

TEST(Gzip, TheCallerBoundsTheOutput) {
  const std::string bomb = gzip(std::string(50 << 20, '\0'));
  EXPECT_LE(bomb.size(), 60'000u);
  EXPECT_GE(max_gzip_output(bomb.size()), 50u << 20);  // the bound is not too low even for zeros
  const InputFile file = view(bomb);
  GzipReader reader(file);
  std::vector<std::byte> part(10, std::byte{1});
  EXPECT_EQ(reader.read(part), 10u);
  EXPECT_EQ(std::count(part.begin(), part.end(), std::byte{0}), 10);
  EXPECT_EQ(max_gzip_output(~std::uint64_t{0}), ~std::uint64_t{0});
}

}  // namespace
}  // namespace tenfold::io
