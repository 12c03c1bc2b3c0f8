// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/idx.h"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/io/gzip_bytes.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

InputFile view(const std::string& bytes) {
  return InputFile::view(std::as_bytes(std::span(bytes)), "case-ubyte");
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

template <typename T>
std::vector<T> values_of(const std::string& file) {
  const InputFile input = view(file);
  const IdxArray array = read_idx(input);
  return {array.values<T>().begin(), array.values<T>().end()};
}

// Two by three bytes, by hand.
const std::string kTable = bytes_of({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255});

TEST(Idx, ReadsBytesByTheFormat) {
  const IdxArray array = read_idx(view(kTable));
  EXPECT_EQ(array.dtype, DType::kU8);
  EXPECT_EQ(array.shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(values_of<std::uint8_t>(kTable), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 255}));
}

TEST(Idx, ConvertsEachTypeFromBigEndian) {
  EXPECT_EQ(values_of<std::int8_t>(bytes_of({0, 0, 9, 1, 0, 0, 0, 2, 1, 254})),
            (std::vector<std::int8_t>{1, -2}));
  EXPECT_EQ(values_of<std::int16_t>(bytes_of({0, 0, 11, 1, 0, 0, 0, 2, 1, 2, 255, 254})),
            (std::vector<std::int16_t>{258, -2}));
  EXPECT_EQ(values_of<std::int32_t>(bytes_of({0, 0, 12, 1, 0, 0, 0, 1, 1, 2, 3, 4})),
            (std::vector<std::int32_t>{0x01020304}));
  EXPECT_EQ(values_of<float>(bytes_of({0, 0, 13, 1, 0, 0, 0, 1, 0xC1, 0x20, 0, 0})),
            (std::vector<float>{-10.0F}));
  EXPECT_EQ(values_of<double>(bytes_of({0, 0, 14, 1, 0, 0, 0, 1, 0xC0, 0x24, 0, 0, 0, 0, 0, 0})),
            (std::vector<double>{-10.0}));
}

TEST(Idx, CompressedFilesAreSeenByTheirContentNotByTheirName) {
  for (const std::string& packed : {gzip(kTable), gzip(kTable.substr(0, 5)) + gzip(kTable.substr(5))}) {
    EXPECT_EQ(values_of<std::uint8_t>(packed), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 255}));
    const IdxInfo info = idx_info(view(packed));
    EXPECT_TRUE(info.compressed);
    EXPECT_EQ(info.shape, (std::vector<std::uint64_t>{2, 3}));
  }
  EXPECT_FALSE(idx_info(view(kTable)).compressed);
}

TEST(Idx, EmptyArraysKeepTheirShape) {
  const std::string empty = bytes_of({0, 0, 8, 3, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255});
  EXPECT_EQ(read_idx(view(empty)).shape, (std::vector<std::uint64_t>{0, 0xFFFFFFFF, 0xFFFFFFFF}));
  EXPECT_EQ(read_idx(view(gzip(empty))).data.size(), 0u);
}

TEST(Idx, HoldsTheMemoryLimitAndTheType) {
  for (const std::string& file : {kTable, gzip(kTable)}) {
    EXPECT_EQ(error_of([&] { read_idx(view(file), 6); }), "no error");
    EXPECT_EQ(error_of([&] { read_idx(view(file), 5); }), "file idx.too_large");
    EXPECT_EQ(error_of([&] { idx_info(view(file), 5); }), "file idx.too_large");
  }
  EXPECT_EQ(error_of([&] { read_idx(view(kTable)).values<std::int8_t>(); }), "file idx.wrong_dtype");
}

TEST(Idx, WrittenFilesReadBackTheSame) {
  const TempFolder folder;
  std::vector<double> values(100'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.5 * static_cast<double>(i) - 3.0;
  write_idx(
      real_file_system(), folder / "a.idx", {DType::kF64, {100, 1000}, std::as_bytes(std::span(values))});
  const IdxArray array = read_idx(folder / "a.idx");
  EXPECT_EQ(array.shape, (std::vector<std::uint64_t>{100, 1000}));
  EXPECT_TRUE(std::equal(values.begin(), values.end(), array.values<double>().begin()));
  write_idx(
      real_file_system(), folder / "b.idx", {DType::kU8, {2, 3}, std::as_bytes(std::span(kTable).last(6))});
  EXPECT_EQ(read_text_file(folder / "b.idx"), kTable);
}

TEST(Idx, RefusesToWriteWhatTheFormatCannotHold) {
  const TempFolder folder;
  const std::vector<std::byte> data(8);
  const auto error_for = [&](const IdxView& array) {
    return error_of([&] { write_idx(real_file_system(), folder / "x", array); });
  };
  EXPECT_EQ(error_for({DType::kU8, {7}, data}), "data idx.write_shape");
  EXPECT_EQ(error_for({DType::kU8, {}, std::span(data).first(1)}), "data idx.write_shape");
  EXPECT_EQ(error_for({DType::kU8, std::vector<std::uint64_t>(9, 1), std::span(data).first(1)}),
            "data idx.write_shape");
  EXPECT_EQ(error_for({DType::kU8, {std::uint64_t{1} << 32, 0}, {}}), "data idx.write_shape");
  EXPECT_EQ(error_for({DType::kI64, {1}, data}), "data idx.write_dtype");
  EXPECT_FALSE(path_exists(folder / "x"));
}

TEST(Idx, ReadsTheRealDigits) {
  const Path digits = Path(TENFOLD_SOURCE_DIR).parent_path() / "shared/data/mnist10k";
  if (!path_exists(digits)) GTEST_SKIP() << "needs ../shared/data/mnist10k, which is not there";
  const IdxArray images = read_idx(digits / "t10k-images-idx3-ubyte.gz");
  EXPECT_EQ(images.dtype, DType::kU8);
  EXPECT_EQ(images.shape, (std::vector<std::uint64_t>{1000, 28, 28}));
  EXPECT_EQ(idx_info(InputFile::open(digits / "train-images-idx3-ubyte.gz")).shape,
            (std::vector<std::uint64_t>{8000, 28, 28}));
  const IdxArray labels = read_idx(digits / "t10k-labels-idx1-ubyte.gz");
  for (const std::uint8_t label : labels.values<std::uint8_t>()) EXPECT_LE(label, 9);
}

}  // namespace
}  // namespace tenfold::io
