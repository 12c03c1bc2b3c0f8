// SPDX-License-Identifier: Apache-2.0
// Every malformed file of the table is refused with its own code; so are all cuts of a good file, and no flipped bit crashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/io/safetensors.h"
#include "tests/malformed/safetensors_cases.h"

namespace tenfold::io {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The code of the error, or "accepted".
std::string verdict(const std::string& bytes) {
  try {
    const SafetensorsReader reader(InputFile::view(bytes_of(bytes), "case"));
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kFile) << error.what();
    EXPECT_FALSE(error.text().remedy.empty()) << error.what();
    return error.code();
  }
}

class Malformed : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(Malformed, IsRefusedFromMemoryAndFromDiskWithItsCode) {
  const MalformedCase& malformed = GetParam();
  EXPECT_EQ(verdict(malformed.bytes), "safetensors." + malformed.code);

  const Path path = Path(::testing::TempDir()) / ("malformed_" + malformed.name + ".safetensors");
  std::ofstream(path, std::ios::binary) << malformed.bytes;
  try {
    SafetensorsReader::open(path);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "safetensors." + malformed.code);
    EXPECT_NE(std::string(error.what()).find(path.filename().string()), std::string::npos) << error.what();
  }
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Safetensors,
                         Malformed,
                         ::testing::ValuesIn(malformed_safetensors()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(MalformedTable, HasEveryCodeOfTheReaderAndNoNameTwice) {
  std::set<std::string> codes;
  std::set<std::string> names;
  for (const MalformedCase& malformed : malformed_safetensors()) {
    codes.insert(malformed.code);
    EXPECT_TRUE(names.insert(malformed.name).second) << malformed.name;
  }
  EXPECT_GE(names.size(), 40u);
  const std::set<std::string> documented = {"too_short",
                                            "header_too_long",
                                            "header_past_end",
                                            "header_start",
                                            "header_utf8",
                                            "header_json",
                                            "header_padding",
                                            "metadata_not_object",
                                            "metadata_not_string",
                                            "duplicate_metadata_key",
                                            "duplicate_name",
                                            "duplicate_key",
                                            "tensor_not_object",
                                            "unknown_key",
                                            "missing_key",
                                            "dtype_not_string",
                                            "unknown_dtype",
                                            "shape_not_array",
                                            "rank",
                                            "offsets_not_pair",
                                            "negative_integer",
                                            "not_an_integer",
                                            "integer_too_large",
                                            "shape_overflow",
                                            "size_mismatch",
                                            "offsets_reversed",
                                            "offsets_past_end",
                                            "hole",
                                            "overlap",
                                            "trailing_bytes"};
  EXPECT_EQ(codes, documented);
}

std::string good_file() {
  return safetensors_file(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
      R"("a":{"dtype":"BF16","shape":[1,3],"data_offsets":[16,22]},"e":{"dtype":"U8","shape":[0,7],)"
      R"("data_offsets":[22,22]},"s":{"dtype":"BOOL","shape":[],"data_offsets":[22,23]}}   )",
      23);
}

TEST(MalformedSafetensors, EveryCutOfAGoodFileIsRefused) {
  const std::string good = good_file();
  ASSERT_EQ(verdict(good), "accepted");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(verdict(good.substr(0, length)), "accepted") << length << " bytes";
  }
}

TEST(MalformedSafetensors, AnyFlippedBitOfTheHeaderIsRefusedOrReadWithinTheFile) {
  const std::string good = good_file();
  const std::size_t header_end = good.size() - 23;
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * header_end; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      const SafetensorsReader reader(InputFile::view(bytes_of(flipped), "flipped"));
      std::uint64_t total = 0;
      for (const std::string& name : reader.names()) total += reader.read(name).size();
      EXPECT_EQ(total, 23u) << "bit " << bit;  // a flip in a name or in metadata
    } catch (const Error& error) {
      EXPECT_EQ(error.error_class(), ErrorClass::kFile) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 8 * header_end / 2);
}

}  // namespace
}  // namespace tenfold::io
