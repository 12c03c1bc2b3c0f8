// SPDX-License-Identifier: Apache-2.0
// Opening or refusing a safetensors file takes at most 2 x header + 1 MB of memory, whatever the file claims. Measured
// as the growth of the resident set's high-water mark in a child process of its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tenfold/io/safetensors.h"
#include "tests/malformed/memory_probe.h"
#include "tests/malformed/safetensors_cases.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;

void open_safetensors(const Path& path) {
  const SafetensorsReader reader = SafetensorsReader::open(path);
  note_memory();
}

// Repeats `entry(i)` until the text has `bytes` bytes.
template <typename Entry>
std::string repeated(std::size_t bytes, Entry entry) {
  std::string text;
  text.reserve(bytes + 200);
  for (std::size_t i = 0; text.size() < bytes; ++i) text += (i == 0 ? "" : ",") + entry(i);
  return text;
}

struct Bomb {
  std::string name;
  std::string header;
  std::string code;  // "accepted" or the expected error
};

constexpr std::size_t kLargeHeader = 20 * kMegabyte;
constexpr std::size_t kHeader = 5 * kMegabyte;

std::string numbered(std::size_t i) {
  return std::to_string(i);
}

std::string hexadecimal(std::size_t i) {
  std::ostringstream text;
  text << std::hex << i;
  return text.str();
}

std::string empty_tensor(const std::string& name) {
  return "\"" + name + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
}

std::vector<Bomb> bombs() {
  std::vector<Bomb> list;
  const auto braces = [](const std::string& inside) { return "{" + inside + "}"; };
  list.push_back({"many_tensors",
                  braces(repeated(kLargeHeader, [](auto i) { return empty_tensor(numbered(i)); })),
                  "accepted"});
  list.push_back({"many_tensors_with_escapes",
                  braces(repeated(kHeader, [](auto i) { return empty_tensor("\\u0041\\n" + numbered(i)); })),
                  "accepted"});
  list.push_back(
      {"many_ranks",
       braces(repeated(kHeader,
                       [](auto i) {
                         return "\"" + numbered(i) +
                                R"(":{"dtype":"U8","shape":[0,0,0,0,0,0,0,0],"data_offsets":[0,0]})";
                       })),
       "accepted"});
  list.push_back(
      {"last_name_twice",
       braces(repeated(kHeader, [](auto i) { return empty_tensor(numbered(i)); }) + "," + empty_tensor("7")),
       "safetensors.duplicate_name"});
  list.push_back({"one_long_name", braces(empty_tensor(std::string(kHeader, 'n'))), "accepted"});
  list.push_back({"two_long_names",
                  braces(empty_tensor(std::string(kHeader / 2, 'n')) + "," +
                         empty_tensor(std::string(kHeader / 2, 'n'))),
                  "safetensors.duplicate_name"});
  list.push_back(
      {"one_long_metadata", R"({"__metadata__":{"k":")" + std::string(kHeader, 'v') + "\"}}", "accepted"});
  list.push_back({"many_metadata",
                  R"({"__metadata__":{)" +
                      repeated(kHeader, [](auto i) { return "\"" + hexadecimal(i) + "\":\"\""; }) + "}}",
                  "accepted"});
  list.push_back(
      {"one_long_number",
       R"({"a":{"dtype":"U8","shape":[)" + std::string(kHeader, '9') + R"(],"data_offsets":[0,0]}})",
       "safetensors.integer_too_large"});
  list.push_back(
      {"one_long_shape",
       R"({"a":{"dtype":"U8","shape":[)" + repeated(kHeader, [](auto) { return std::string("1"); }) + "]}}",
       "safetensors.rank"});
  list.push_back({"one_long_pair",
                  R"({"a":{"dtype":"U8","data_offsets":[)" +
                      repeated(kHeader, [](auto) { return std::string("1"); }) + "]}}",
                  "safetensors.offsets_not_pair"});
  list.push_back(
      {"unknown_key", braces("\"a\":{\"" + std::string(kHeader, 'k') + "\":1}"), "safetensors.unknown_key"});
  list.push_back({"only_braces", std::string(kHeader, '{'), "safetensors.header_json"});
  list.push_back({"only_spaces", "{" + std::string(kHeader, ' '), "safetensors.header_json"});
  list.push_back({"long_padding", "{}" + std::string(kHeader, ' '), "accepted"});
  return list;
}

TEST(MemoryBound, OpeningOrRefusingTakesAtMostTwiceTheHeaderPlusOneMegabyte) {
#ifdef TENFOLD_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory hides the reader's";
#endif
  const TempFolder folder;
  const Path path = folder / "bomb.safetensors";
  const Path warm_up = folder / "warm_up.safetensors";
  std::ofstream(warm_up, std::ios::binary) << safetensors_file("{[");
  for (const Bomb& bomb : bombs()) {
    std::ofstream(path, std::ios::binary) << safetensors_file(bomb.header);
    const Measured measured = measure_in_child(open_safetensors, path, warm_up);
    EXPECT_EQ(std::string(measured.code), bomb.code) << bomb.name;
    EXPECT_LE(measured.growth, 2 * bomb.header.size() + kMegabyte) << bomb.name;
    EXPECT_GE(measured.growth, bomb.header.size() * 9 / 10) << bomb.name << ": the measurement sees nothing";
    RecordProperty(bomb.name, std::to_string(measured.growth));
    std::cout << "  " << bomb.name << ": "
              << static_cast<double>(measured.growth) / static_cast<double>(bomb.header.size())
              << " x header\n";
  }
}

TEST(MemoryBound, AClaimIsNotAllocatedBeforeItIsChecked) {
#ifdef TENFOLD_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory hides the reader's";
#endif
  const TempFolder folder;
  const Path path = folder / "claim.safetensors";
  const Path warm_up = folder / "warm_up.safetensors";
  std::ofstream(warm_up, std::ios::binary) << safetensors_file("{[");
  const auto expect_refused =
      [&](const std::string& bytes, std::uint64_t file_size, const std::string& code) {
        std::ofstream(path, std::ios::binary) << bytes;
        std::filesystem::resize_file(path, file_size);  // the rest is a hole of zeros
        measure_here(open_safetensors, path);
        const Measured measured = measure_in_child(open_safetensors, path, warm_up);
        EXPECT_EQ(std::string(measured.code), code);
        EXPECT_LE(measured.growth, kMegabyte) << code;
      };
  expect_refused(length_bytes(100'000'000) + "{}", 10, "safetensors.header_past_end");
  expect_refused(length_bytes(~std::uint64_t{0}) + "{}", 200 * kMegabyte, "safetensors.header_too_long");
  expect_refused(length_bytes(100'000'000), 200 * kMegabyte, "safetensors.header_start");
  // A tensor of a petabyte that is not there.
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1125899906842624],"data_offsets":[0,1125899906842624]}})";
  expect_refused(safetensors_file(header), 8 + header.size(), "safetensors.offsets_past_end");
}

}  // namespace
}  // namespace tenfold::io
