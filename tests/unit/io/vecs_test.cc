// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/vecs.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

// Two rows of three bytes each, by hand.
const std::string kTwoRows("\3\0\0\0\1\2\3\3\0\0\0\4\5\xFF", 14);

InputFile view(const std::string& bytes) {
  return InputFile::view(std::as_bytes(std::span(bytes)), "case");
}

template <typename T = std::uint8_t>
std::string error_for(const std::string& bytes, const VecsOptions& options = {}) {
  return error_of([&] { read_vecs<T>(view(bytes), options); });
}

TEST(Vecs, ReadsRowsByTheFormat) {
  const auto matrix = read_vecs<std::uint8_t>(view(kTwoRows));
  EXPECT_EQ(matrix.rows, 2u);
  EXPECT_EQ(matrix.dimension, 3u);
  EXPECT_EQ(matrix.values, (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 255}));
  EXPECT_EQ(matrix.row(1)[0], 4);
  const auto floats = read_vecs<float>(view(std::string("\1\0\0\0\0\0\x20\xC1", 8)));
  EXPECT_EQ(floats.values, std::vector<float>{-10.0F});
  const auto ints = read_vecs<std::int32_t>(view(std::string("\1\0\0\0\xFF\xFF\xFF\xFF", 8)));
  EXPECT_EQ(ints.values, std::vector<std::int32_t>{-1});
  EXPECT_EQ(count_vecs_rows<std::uint8_t>(view(kTwoRows)), 2u);
}

TEST(Vecs, AnEmptyFileHasNoRows) {
  const auto matrix = read_vecs<float>(view(""));
  EXPECT_EQ(matrix.rows, 0u);
  EXPECT_EQ(matrix.dimension, 0u);
  EXPECT_TRUE(matrix.values.empty());
}

TEST(Vecs, ReadsARangeOfRows) {
  const auto second = read_vecs<std::uint8_t>(view(kTwoRows), {.first_row = 1});
  EXPECT_EQ(second.values, (std::vector<std::uint8_t>{4, 5, 255}));
  const auto first = read_vecs<std::uint8_t>(view(kTwoRows), {.max_rows = 1});
  EXPECT_EQ(first.values, (std::vector<std::uint8_t>{1, 2, 3}));
  const auto past = read_vecs<std::uint8_t>(view(kTwoRows), {.first_row = 5});
  EXPECT_EQ(past.rows, 0u);
  EXPECT_EQ(past.dimension, 3u);
}

TEST(Vecs, RefusesMalformedFilesEachWithItsCode) {
  EXPECT_EQ(error_for(std::string("\3\0\0", 3)), "file vecs.truncated");
  EXPECT_EQ(error_for(std::string("\0\0\0\0", 4)), "file vecs.dimension");
  EXPECT_EQ(error_for(std::string("\xFF\xFF\xFF\xFF\1\2\3", 7)), "file vecs.dimension");
  EXPECT_EQ(error_for(std::string("\0\0\0\x80\1\2\3", 7)), "file vecs.dimension");
  EXPECT_EQ(error_for(std::string("\4\0\0\0\1\2\3", 7)), "file vecs.dimension");
  EXPECT_EQ(error_for<float>(std::string("\xFF\xFF\xFF\x7F\1\2\3\4", 8)), "file vecs.dimension");
  EXPECT_EQ(error_for(kTwoRows + "\1"), "file vecs.size");
  EXPECT_EQ(error_for(std::string("\3\0\0\0\1\2\3\2\0\0\0\4\5\6", 14)), "file vecs.rows_disagree");
  EXPECT_EQ(error_for(kTwoRows, {.max_bytes = 6}), "no error");
  EXPECT_EQ(error_for(kTwoRows, {.max_bytes = 5}), "file vecs.too_large");
}

TEST(Vecs, ManyRowsComeBackThroughAFile) {
  const TempFolder folder;
  std::vector<float> values(200'000);
  std::iota(values.begin(), values.end(), -1000.0F);
  write_vecs<float>(real_file_system(), folder / "v.fvecs", values, 100);
  EXPECT_EQ(std::filesystem::file_size(folder / "v.fvecs"), 2000u * (4 + 400));
  const auto matrix = read_vecs<float>(folder / "v.fvecs");
  EXPECT_EQ(matrix.rows, 2000u);
  EXPECT_EQ(matrix.values, values);
  const auto part = read_vecs<float>(folder / "v.fvecs", {.first_row = 1234, .max_rows = 700});
  EXPECT_EQ(part.rows, 700u);
  EXPECT_EQ(part.values.front(), 1234 * 100 - 1000.0F);
  EXPECT_EQ(part.values.back(), 1934 * 100 - 1001.0F);
}

TEST(Vecs, WritesTheBytesOfTheFormat) {
  const TempFolder folder;
  const std::vector<std::uint8_t> values = {1, 2, 3, 4, 5, 255};
  write_vecs<std::uint8_t>(real_file_system(), folder / "v.bvecs", values, 3);
  EXPECT_EQ(read_text_file(folder / "v.bvecs"), kTwoRows);
  write_vecs<std::uint8_t>(real_file_system(), folder / "none.bvecs", {}, 3);
  EXPECT_EQ(read_text_file(folder / "none.bvecs"), "");
  for (const std::uint32_t dimension : {0u, 4u, 0x80000000u}) {
    EXPECT_EQ(
        error_of([&] { write_vecs<std::uint8_t>(real_file_system(), folder / "x", values, dimension); }),
        "data vecs.write_dimension");
  }
}

}  // namespace
}  // namespace tenfold::io
