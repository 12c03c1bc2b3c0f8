// SPDX-License-Identifier: Apache-2.0
// IDX files that must be refused, one per rule and edge, plain and compressed, and files that would fill the memory.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tenfold/io/idx.h"
#include "tests/malformed/memory_probe.h"
#include "tests/unit/io/gzip_bytes.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;

std::string big_endian(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFF);
  return text;
}

std::string idx(int type, const std::vector<std::uint32_t>& shape, const std::string& data = "") {
  std::string text = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const std::uint32_t size : shape) text += big_endian(size);
  return text + data;
}

std::string error_for(const std::string& bytes) {
  const InputFile file = InputFile::view(std::as_bytes(std::span(bytes)), "case.idx");
  const std::string error = error_of([&] { read_idx(file); });
  EXPECT_EQ(error_of([&] { idx_info(file); }), error);  // both check the same
  return error;
}

struct Case {
  std::string bytes;
  std::string code;              // of the plain file
  std::string packed_code = {};  // of the compressed one; empty: the same
};

std::vector<Case> cases() {
  const std::uint32_t most = 0xFFFFFFFF;
  return {
      {"", "magic"},
      {std::string("\0\0\x08", 3), "magic"},
      {std::string("\1\0\x08\1\0\0\0\0", 8), "magic"},
      {std::string("\0\1\x08\1\0\0\0\0", 8), "magic"},
      {"\x93NUMPY", "magic"},
      {idx(0x00, {1}, "x"), "unsupported_dtype"},
      {idx(0x07, {1}, "x"), "unsupported_dtype"},
      {idx(0x0A, {1}, "x"), "unsupported_dtype"},
      {idx(0x0F, {1}, "x"), "unsupported_dtype"},
      {idx(0xFF, {1}, "x"), "unsupported_dtype"},
      {idx(0x08, {}, "x"), "rank"},
      {idx(0x08, std::vector<std::uint32_t>(9, 1), "x"), "rank"},
      {idx(0x08, std::vector<std::uint32_t>(255, 1), "x"), "rank"},
      {idx(0x08, {1}).substr(0, 4), "header_past_end"},
      {idx(0x08, {1, 1}).substr(0, 11), "header_past_end"},
      {idx(0x08, {most, most, most}, "x"), "shape_overflow"},
      {idx(0x0E, {most, 0x40000000}, "x"), "shape_overflow"},
      {idx(0x08, std::vector<std::uint32_t>(8, most), "x"), "shape_overflow"},
      {idx(0x08, {most, most}, "x"), "truncated", "lying_header"},
      {idx(0x08, {100'000}, "x"), "truncated", "lying_header"},
      {idx(0x08, {2}, "x"), "truncated"},
      {idx(0x0C, {1}, "xxx"), "truncated"},
      {idx(0x08, {1}), "truncated"},
      {idx(0x08, {1}, "xx"), "trailing_bytes"},
      {idx(0x08, {0}, "x"), "trailing_bytes"},
      {idx(0x08, {0, most}, "x"), "trailing_bytes"},
      {idx(0x0D, {1}, "xxxxx"), "trailing_bytes"},
  };
}

TEST(IdxMalformed, EachRuleHasItsCode) {
  for (const Case& c : cases())
    EXPECT_EQ(error_for(c.bytes), "file idx." + c.code) << testing::PrintToString(c.bytes);
}

TEST(IdxMalformed, EachRuleHoldsInsideGzipToo) {
  for (const Case& c : cases()) {
    EXPECT_EQ(error_for(gzip(c.bytes)), "file idx." + (c.packed_code.empty() ? c.code : c.packed_code))
        << testing::PrintToString(c.bytes);
  }
}

TEST(IdxMalformed, EveryCutIsRefused) {
  const std::string good = idx(0x0B, {2, 2}, "abcdefgh");
  const std::string packed = gzip(good);
  ASSERT_EQ(error_for(good), "no error");
  ASSERT_EQ(error_for(packed), "no error");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(error_for(good.substr(0, length)), "no error") << length;
  }
  for (std::size_t length = 0; length < packed.size(); ++length) {
    EXPECT_NE(error_for(packed.substr(0, length)), "no error") << length;
  }
}

TEST(IdxMalformed, DamageAfterTheLastValueIsSeen) {
  std::string packed = gzip(idx(0x08, {4}, "abcd"));
  packed[packed.size() - 6] = static_cast<char>(packed[packed.size() - 6] ^ 1);  // of the checksum
  EXPECT_EQ(error_for(packed), "file gzip.corrupt");
  EXPECT_EQ(error_for(gzip(idx(0x08, {4}, "abcd")) + "x"), "file gzip.trailing_bytes");
}

void open_idx(const Path& path) {
  const IdxArray array = read_idx(path);
  note_memory();
}

TEST(IdxMalformed, NoFileFillsTheMemory) {
#ifdef TENFOLD_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory hides the reader's";
#endif
  const TempFolder folder;
  const Path path = folder / "bomb.gz";
  const Path warm_up = folder / "warm_up.gz";
  std::ofstream(warm_up, std::ios::binary) << gzip(idx(0x08, {2}, "x"));
  const std::string zeros(50 * kMegabyte, '\0');
  const std::vector<std::pair<std::string, std::string>> bombs = {
      {gzip(idx(0x08, {10}, zeros)), "idx.trailing_bytes"},         // 50 MB behind ten values
      {gzip(zeros), "idx.unsupported_dtype"},                       // 50 MB that are no IDX file
      {gzip(idx(0x08, {1'000'000'000}, "x")), "idx.lying_header"},  // a claim of 1 GB in 30 bytes
      {gzip(idx(0x08, {1u << 31}, zeros)), "idx.lying_header"},     // 2 GB said, 50 MB held
  };
  for (const auto& [bytes, code] : bombs) {
    std::ofstream(path, std::ios::binary) << bytes;
    const Measured measured = measure_in_child(open_idx, path, warm_up);
    EXPECT_EQ(std::string(measured.code), code);
    EXPECT_LE(measured.growth, kMegabyte) << code;
    std::cout << "  " << code << ": " << measured.growth / 1024 << " KB\n";
  }
  // One byte more than the file holds, within what it could hold: what is read before the end is seen, and no more.
  std::ofstream(path, std::ios::binary)
      << gzip(idx(0x08, {static_cast<std::uint32_t>(zeros.size() + 1)}, zeros));
  const Measured measured = measure_in_child(open_idx, path, warm_up);
  EXPECT_EQ(std::string(measured.code), "idx.truncated");
  EXPECT_LE(measured.growth, 51 * kMegabyte);
  EXPECT_GE(measured.growth, 45 * kMegabyte) << "the measurement sees nothing";
}

}  // namespace
}  // namespace tenfold::io
