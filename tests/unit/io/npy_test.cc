// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/npy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

// A file of version 1.0 with this dictionary and these data.
std::string npy_file(const std::string& header, const std::string& data = "", char major = 1) {
  std::string text = std::string("\x93NUMPY") + major + '\0';
  text += static_cast<char>(header.size() & 0xFF);
  text += static_cast<char>(header.size() >> 8);
  if (major > 1) text += std::string(2, '\0');
  return text + header + data;
}

std::string dictionary(const std::string& descr,
                       const std::string& shape,
                       const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

NpyArray parse(const std::string& file, std::uint64_t limit = kDefaultReadLimit) {
  return read_npy(InputFile::view(std::as_bytes(std::span(file)), "case.npy"), limit);
}

std::string error_for(const std::string& file, std::uint64_t limit = kDefaultReadLimit) {
  return error_of([&] { parse(file, limit); });
}

template <typename T>
std::vector<T> values_of(const NpyArray& array) {
  return {array.values<T>().begin(), array.values<T>().end()};
}

TEST(Npy, ReadsEachVersion) {
  for (const char major : {1, 2, 3}) {
    const NpyArray array =
        parse(npy_file(dictionary("<i2", "(2,)"), std::string("\x01\x00\xFF\xFF", 4), major));
    EXPECT_EQ(array.shape, std::vector<std::uint64_t>{2});
    EXPECT_EQ(values_of<std::int16_t>(array), (std::vector<std::int16_t>{1, -1}));
  }
}

TEST(Npy, ReadsScalarsEmptyArraysAndKeysInAnyOrder) {
  EXPECT_TRUE(parse(npy_file(dictionary("|u1", "()"), "\x07")).shape.empty());
  EXPECT_EQ(parse(npy_file(dictionary("<f4", "(3, 0, 18446744073709551615)"))).data.size(), 0u);
  const NpyArray array = parse(
      npy_file("{\"shape\":(1,3),\"descr\":\"|b1\",\"fortran_order\":False}   \n", std::string("\1\0\1", 3)));
  EXPECT_EQ(values_of<bool>(array), (std::vector<bool>{true, false, true}));
}

TEST(Npy, ConvertsBigEndianValues) {
  const NpyArray array =
      parse(npy_file(dictionary(">i4", "(2,)"), std::string("\0\0\1\2\xFF\xFF\xFF\xFE", 8)));
  EXPECT_EQ(values_of<std::int32_t>(array), (std::vector<std::int32_t>{258, -2}));
}

// Element (i, j, k) of shape (2, 3, 2) holds 100 i + 10 j + k; in Fortran order i runs fastest.
TEST(Npy, TransposesFortranOrderToCOrder) {
  std::string fortran;
  for (int k = 0; k < 2; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) fortran += static_cast<char>(100 * i + 10 * j + k);
    }
  }
  const NpyArray array = parse(npy_file(dictionary("|u1", "(2, 3, 2)", "True"), fortran));
  EXPECT_EQ(values_of<std::uint8_t>(array),
            (std::vector<std::uint8_t>{0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}));
}

TEST(Npy, RefusesMalformedFilesEachWithItsCode) {
  const auto header = [](const std::string& text) { return npy_file(text + "\n", std::string(4, '\0')); };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "magic"},
      {"\x93NUMP", "magic"},
      {"PK\x03\x04", "magic"},
      {"\x93NUMPY", "header_past_end"},
      {std::string("\x93NUMPY\1\0\xFF", 9), "header_past_end"},
      {std::string("\x93NUMPY\0\0\0\0", 10), "version"},
      {std::string("\x93NUMPY\4\0\0\0\0\0", 12), "version"},
      {std::string("\x93NUMPY\1\1\0\0", 10), "version"},
      {std::string("\x93NUMPY\1\0\xFF\xFF{", 11), "header_past_end"},
      {std::string("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{", 13), "header_past_end"},
      {header(""), "header_syntax"},
      {header("{"), "header_syntax"},
      {header("[]"), "header_syntax"},
      {header("{} x"), "header_syntax"},
      {header("{}"), "missing_key"},
      {header("{'descr': '<f4', 'shape': (1,)}"), "missing_key"},
      {header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"), "duplicate_key"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}"), "unknown_key"},
      {header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (01,)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}"), "header_syntax"},
      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,) 'x'}"), "header_syntax"},
      {header("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}"), "header_syntax"},
      {header("{'des\\x63r': '<f4', 'fortran_order': False, 'shape': (1,)}"), "header_syntax"},
      {header(dictionary("|O", "(1,)")), "unsupported_dtype"},
      {header(dictionary("<U4", "(1,)")), "unsupported_dtype"},
      {header(dictionary("<c8", "(1,)")), "unsupported_dtype"},
      {header(dictionary("|i4", "(1,)")), "unsupported_dtype"},
      {header(dictionary("f4", "(1,)")), "unsupported_dtype"},
      {header(dictionary("", "(1,)")), "unsupported_dtype"},
      {header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "unsupported_dtype"},
      {header(dictionary("<f4", "(18446744073709551616,)")), "shape_overflow"},
      {header(dictionary("<f4", "(4294967296, 4294967296)")), "shape_overflow"},
      {header(dictionary("<f4", "(4611686018427387905,)")), "shape_overflow"},
      {header(
           dictionary("<f4",
                      "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
                      "1, 1, 1, 1, 1)")),
       "rank"},
      {header(dictionary("<f4", "(2,)")), "truncated"},
      {header(dictionary("<f4", "(1125899906842624,)")), "truncated"},
      {header(dictionary("<f4", "(0,)")), "trailing_bytes"},
      {header(dictionary("|u1", "(3,)")), "trailing_bytes"},
  };
  for (const auto& [file, code] : cases) EXPECT_EQ(error_for(file), "file npy." + code) << file;
}

TEST(Npy, EveryCutOfAGoodFileIsRefused) {
  const std::string good = npy_file(dictionary("<f4", "(2, 2)"), std::string(16, '\1'));
  ASSERT_EQ(error_for(good), "no error");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(error_for(good.substr(0, length)), "no error") << length;
  }
}

TEST(Npy, HoldsTheMemoryLimitAndTheType) {
  const std::string file = npy_file(dictionary("<f4", "(2,)"), std::string(8, '\0'));
  EXPECT_EQ(error_for(file, 8), "no error");
  EXPECT_EQ(error_for(file, 7), "file npy.too_large");
  EXPECT_EQ(error_of([&] { parse(file).values<double>(); }), "file npy.wrong_dtype");
}

TEST(Npy, WritesVersionOneAlignedTo64Bytes) {
  const TempFolder folder;
  const std::vector<float> values = {1.0F, 2.0F};
  write_npy(real_file_system(), folder / "a.npy", {DType::kF32, {2}, std::as_bytes(std::span(values))});
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  header += std::string(117 - header.size(), ' ') + "\n";
  const std::string data("\0\0\x80\x3F\0\0\0\x40", 8);
  EXPECT_EQ(read_text_file(folder / "a.npy"), std::string("\x93NUMPY\1\0\x76\0", 10) + header + data);
  EXPECT_EQ(values_of<float>(read_npy(folder / "a.npy")), values);
}

TEST(Npy, RefusesToWriteWhatDoesNotFit) {
  const TempFolder folder;
  const std::vector<float> values = {1.0F, 2.0F};
  const auto bytes = std::as_bytes(std::span(values));
  const auto error_with = [&](const NpyView& array) {
    return error_of([&] { write_npy(real_file_system(), folder / "a.npy", array); });
  };
  EXPECT_EQ(error_with({DType::kF32, {3}, bytes}), "data npy.write_shape");
  EXPECT_EQ(error_with({DType::kBF16, {4}, bytes}), "data npy.write_dtype");
}

TEST(Npy, NumpyReadsOurFilesAndWeReadIts) {
  if (std::system("/usr/bin/python3 -c 'import numpy' > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3-numpy";
  const TempFolder folder;
  const std::vector<std::int64_t> values = {1, -2, 3, 4, 5, 6};
  write_npy(real_file_system(), folder / "ours.npy", {DType::kI64, {3, 2}, std::as_bytes(std::span(values))});
  std::ofstream(folder / "check.py") << R"(
import numpy as np, os
os.chdir(os.path.dirname(__file__))
a = np.load('ours.npy', allow_pickle=False)
assert a.dtype == np.int64 and a.tolist() == [[1, -2], [3, 4], [5, 6]], a
np.save('c.npy', np.arange(24, dtype='<f8').reshape(2, 3, 4) / 8)
np.save('fortran.npy', np.asfortranarray(np.arange(24, dtype='>u2').reshape(2, 3, 4)))
np.save('scalar.npy', np.float16(0.5))
np.save('objects.npy', np.array([{}], dtype=object), allow_pickle=True)
with open('v3.npy', 'wb') as f:
    np.lib.format.write_array(f, np.array([True, False]), version=(3, 0))
)";
  ASSERT_EQ(std::system(("/usr/bin/python3 " + (folder / "check.py").string()).c_str()), 0);
  const NpyArray c = read_npy(folder / "c.npy");
  const NpyArray fortran = read_npy(folder / "fortran.npy");
  EXPECT_EQ(c.shape, (std::vector<std::uint64_t>{2, 3, 4}));
  EXPECT_EQ(fortran.shape, c.shape);
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(c.values<double>()[i], static_cast<double>(i) / 8);
    EXPECT_EQ(fortran.values<std::uint16_t>()[i], i);
  }
  const NpyArray scalar = read_npy(folder / "scalar.npy");
  EXPECT_EQ(scalar.dtype, DType::kF16);
  EXPECT_EQ(scalar.data.as<std::uint16_t>()[0], 0x3800);  // 0.5 in half precision
  EXPECT_EQ(values_of<bool>(read_npy(folder / "v3.npy")), (std::vector<bool>{true, false}));
  EXPECT_EQ(error_of([&] { read_npy(folder / "objects.npy"); }), "file npy.unsupported_dtype");
}

}  // namespace
}  // namespace tenfold::io
