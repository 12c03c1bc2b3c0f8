// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/faulty_file_system.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

namespace fs = std::filesystem;
using faults::Fault;
using faults::FaultyFileSystem;

template <typename T>
TensorView view_of(std::string name, std::vector<std::uint64_t> shape, const std::vector<T>& values) {
  return {std::move(name), dtype_of<T>(), std::move(shape), std::as_bytes(std::span(values))};
}

std::string content(const Path& path) {
  return read_text_file(path);
}

// Written by hand from the format's text: the length, then the header padded to 8 bytes, then the data. F32 comes before
// U8 (wider alignment first), and names are sorted within a type.
TEST(Safetensors, WritesTheBytesOfTheFormat) {
  const TempFolder folder;
  const std::vector<float> ones = {1.0F, -2.0F};
  const std::vector<float> half = {0.5F};
  const std::vector<std::uint8_t> bytes = {7, 8, 9};
  const std::vector<TensorView> tensors = {
      view_of("bytes", {3, 1}, bytes), view_of("b", {1, 2}, ones), view_of("a \"q\"", {}, half)};
  write_safetensors(real_file_system(), folder / "t.safetensors", tensors, {{"k", "v\n"}, {"a", ""}});

  std::string header =
      R"({"__metadata__":{"a":"","k":"v\n"},"a \"q\"":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]},)"
      R"("bytes":{"dtype":"U8","shape":[3,1],"data_offsets":[12,15]}})";
  while (header.size() % 8 != 0) header += ' ';
  ASSERT_EQ(header.size(), 216u);
  const std::string data("\x00\x00\x00\x3F\x00\x00\x80\x3F\x00\x00\x00\xC0\x07\x08\x09", 15);
  EXPECT_EQ(content(folder / "t.safetensors"), std::string("\xD8\0\0\0\0\0\0\0", 8) + header + data);
}

TEST(Safetensors, AFileWithoutTensorsIsTheSmallestOne) {
  const TempFolder folder;
  write_safetensors(real_file_system(), folder / "e.safetensors", {});
  EXPECT_EQ(content(folder / "e.safetensors"), std::string("\x08\0\0\0\0\0\0\0", 8) + "{}      ");
  const auto reader = SafetensorsReader::open(folder / "e.safetensors");
  EXPECT_EQ(reader.size(), 0u);
  EXPECT_TRUE(reader.metadata().empty());
}

TEST(Safetensors, TheOrderOfTheCallerDoesNotChangeTheFile) {
  const TempFolder folder;
  const std::vector<double> x = {1.5, 2.5};
  const std::vector<std::int64_t> y = {3};
  const std::vector<TensorView> forward = {view_of("x", {2}, x), view_of("y", {1}, y)};
  const std::vector<TensorView> backward = {view_of("y", {1}, y), view_of("x", {2}, x)};
  write_safetensors(real_file_system(), folder / "1", forward);
  write_safetensors(real_file_system(), folder / "2", backward);
  EXPECT_EQ(content(folder / "1"), content(folder / "2"));
}

TEST(Safetensors, EveryElementTypeComesBack) {
  const TempFolder folder;
  std::vector<std::vector<std::byte>> data;
  std::vector<TensorView> tensors;
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    data.emplace_back(3 * element_size(dtype), static_cast<std::byte>(0x11 * (i + 1)));
    EXPECT_EQ(parse_dtype(to_string(dtype)), dtype);
  }
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    tensors.push_back({"t" + std::to_string(i), static_cast<DType>(i), {3}, data[i]});
  }
  write_safetensors(real_file_system(), folder / "all.safetensors", tensors);
  const auto reader = SafetensorsReader::open(folder / "all.safetensors");
  EXPECT_EQ(reader.size(), kDTypeCount);
  for (const TensorView& tensor : tensors) {
    const TensorInfo info = reader.info(tensor.name);
    EXPECT_EQ(info.dtype, tensor.dtype);
    EXPECT_EQ(info.shape, tensor.shape);
    const AlignedBuffer buffer = reader.read(tensor.name);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.bytes().data()) % 64, 0u);
    EXPECT_TRUE(
        std::equal(buffer.bytes().begin(), buffer.bytes().end(), tensor.data.begin(), tensor.data.end()));
  }
}

TEST(Safetensors, ReadsWhatOthersMayWrite) {
  // White space inside, another order of keys and tensors, escapes in names, an empty tensor, no padding.
  const std::string header =
      "{ \"b\\u00e9\\/\\n\" : { \"shape\":[ ] ,\"data_offsets\" : [ 0 , 2 "
      "],\r\n\t\"dtype\":\"\\u00460016\"}}";
  const std::string bad =
      std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "\x01\x02";
  EXPECT_EQ(error_of([&] { SafetensorsReader(InputFile::view(std::as_bytes(std::span(bad)))); }),
            "file safetensors.unknown_dtype");
  const std::string good_header =
      "{ \"b\\u00e9\\/\\n\" : { \"shape\":[ ] ,\"data_offsets\" : [ 0 , 2 ],\r\n\t\"dtype\":\"\\u004616\"},"
      "\"e\":{\"dtype\":\"F64\",\"shape\":[4,0,18446744073709551615],\"data_offsets\":[0,0]},"
      "\"__metadata__\":{\"k\\\"\":\"\\ud83d\\ude00:\\\"\" , \"other\":\"\"}}";
  ASSERT_LT(good_header.size(), 256u);
  const std::string good =
      std::string(1, static_cast<char>(good_header.size())) + std::string(7, '\0') + good_header + "\x34\x12";
  const SafetensorsReader reader(InputFile::view(std::as_bytes(std::span(good))));
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"b\xC3\xA9/\n", "e"}));
  const AlignedBuffer scalar = reader.read("b\xC3\xA9/\n");
  EXPECT_EQ(scalar.as<std::uint16_t>()[0], 0x1234);
  EXPECT_EQ(reader.info("e").shape, (std::vector<std::uint64_t>{4, 0, 18446744073709551615u}));
  EXPECT_EQ(reader.read("e").size(), 0u);
  EXPECT_EQ(reader.metadata(),
            (std::map<std::string, std::string>{{"k\"", "\xF0\x9F\x98\x80:\""}, {"other", ""}}));
}

TEST(Safetensors, TypedReadsCheckTheType) {
  const TempFolder folder;
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<TensorView> tensors = {view_of("weight", {2, 2}, values)};
  write_safetensors(real_file_system(), folder / "t", tensors);
  const auto reader = SafetensorsReader::open(folder / "t");
  EXPECT_EQ(reader.read_as<float>("weight"), values);
  EXPECT_EQ(error_of([&] { reader.read_as<double>("weight"); }), "file safetensors.wrong_dtype");
  std::array<std::byte, 15> small{};
  EXPECT_EQ(error_of([&] { reader.read("weight", small); }), "file safetensors.buffer_size");
  EXPECT_TRUE(reader.contains("weight"));
  EXPECT_FALSE(reader.contains("weights"));
  EXPECT_EQ(error_of([&] { reader.info("wieght"); }), "file safetensors.no_such_tensor");
  EXPECT_NE(message_of([&] { reader.info("wieght"); }).find("perhaps weight"), std::string::npos);
}

TEST(Safetensors, MapsWhatItReads) {
  const TempFolder folder;
  const std::vector<float> first = {1, 2, 3, 4};
  const std::vector<std::int64_t> second = {5, 6};
  const std::vector<TensorView> tensors = {view_of("a", {2, 2}, first), view_of("b", {2}, second)};
  write_safetensors(real_file_system(), folder / "t", tensors);
  InputFile::Mapping kept;
  {
    const auto reader = SafetensorsReader::open(folder / "t");
    for (const char* name : {"a", "b"}) {
      const auto mapping = reader.map(name);
      const auto bytes = reader.read(name);
      EXPECT_TRUE(std::ranges::equal(mapping.bytes, bytes.bytes()));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(mapping.bytes.data()) % 8, 0u);
    }
    kept = reader.map("b");
    EXPECT_EQ(error_of([&] { reader.map("c"); }), "file safetensors.no_such_tensor");
  }
  EXPECT_EQ(static_cast<int>(kept.bytes[0]), 5);  // outlives the reader
}

TEST(Safetensors, ManyThreadsReadOneFile) {
  const TempFolder folder;
  std::vector<std::vector<std::int32_t>> values;
  std::vector<TensorView> tensors;
  for (int i = 0; i < 16; ++i) values.emplace_back(1000, i * 7919);
  for (int i = 0; i < 16; ++i) tensors.push_back(view_of("t" + std::to_string(i), {10, 100}, values[i]));
  write_safetensors(real_file_system(), folder / "t", tensors);
  const auto reader = SafetensorsReader::open(folder / "t");
  std::array<bool, 16> equal{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back(
        [&, i] { equal[i] = reader.read_as<std::int32_t>("t" + std::to_string(i)) == values[i]; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(equal.begin(), equal.end(), true), 16);
}

TEST(Safetensors, AFileThatShrinksAfterOpeningGivesAnErrorNotASignal) {
  const TempFolder folder;
  const std::vector<float> values(100'000, 1.0F);
  const std::vector<TensorView> tensors = {view_of("t", {100'000}, values)};
  write_safetensors(real_file_system(), folder / "t", tensors);
  const auto reader = SafetensorsReader::open(folder / "t");
  fs::resize_file(folder / "t", 1000);
  EXPECT_EQ(error_of([&] { reader.read("t"); }), "file file.truncated");
}

TEST(Safetensors, OpensOnlyRegularFilesAndNeverBlocks) {
  const TempFolder folder;
  const auto error_at = [](const Path& path) { return error_of([&] { SafetensorsReader::open(path); }); };
  EXPECT_EQ(error_at(folder / "absent"), "file file.not_found");
  EXPECT_EQ(error_at(folder / std::string(300, 'a')), "file file.bad_path");
  EXPECT_EQ(error_at(folder.path()), "file file.not_regular");
  EXPECT_EQ(error_at("/dev/zero"), "file file.not_regular");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  ::alarm(20);
  EXPECT_EQ(error_at(folder / "fifo"), "file file.not_regular");
  ::alarm(0);
  write_safetensors(real_file_system(), folder / "t", {});
  fs::create_symlink("t", folder / "link");
  EXPECT_EQ(error_at(folder / "link"), "file file.symlink");
}

TEST(Safetensors, RefusesToWriteWhatItCouldNotRead) {
  const TempFolder folder;
  const std::vector<float> two = {1, 2};
  const auto error_with = [&](const std::vector<TensorView>& tensors,
                              const SafetensorsMetadata& metadata = {}) {
    return error_of([&] { write_safetensors(real_file_system(), folder / "t", tensors, metadata); });
  };
  EXPECT_EQ(error_with({view_of("a", {3}, two)}), "data safetensors.write_shape");
  EXPECT_EQ(error_with({view_of("a", {std::uint64_t{1} << 62, 4}, two)}), "data safetensors.write_shape");
  EXPECT_EQ(error_with({view_of("a", {2, 1, 1, 1, 1, 1, 1, 1, 1}, two)}), "data safetensors.write_shape");
  EXPECT_EQ(error_with({view_of("a", {2}, two), view_of("a", {1, 2}, two)}), "data safetensors.write_name");
  EXPECT_EQ(error_with({view_of("__metadata__", {2}, two)}), "data safetensors.write_name");
  EXPECT_EQ(error_with({view_of("\xFF", {2}, two)}), "data safetensors.write_name");
  EXPECT_EQ(error_with({}, {{"k", "\xFF"}}), "data safetensors.write_name");
  EXPECT_FALSE(fs::exists(folder / "t"));
}

TEST(Safetensors, AnyFailureWhileWritingKeepsTheOldFile) {
  const TempFolder folder;
  const std::vector<float> old_values = {1};
  const std::vector<float> new_values = {2, 3};
  const std::vector<TensorView> old_tensors = {view_of("t", {1}, old_values)};
  const std::vector<TensorView> new_tensors = {view_of("t", {2}, new_values)};
  const Path path = folder / "t.safetensors";
  for (const Fault fault : {Fault::kNoSpace, Fault::kIo, Fault::kShortWrite}) {
    write_safetensors(real_file_system(), path, old_tensors);
    std::uint64_t failing = 1;
    for (;; ++failing) {
      FaultyFileSystem files({.fault = fault, .at = failing});
      try {
        write_safetensors(files, path, new_tensors);
        break;
      } catch (const Error& error) {
        const auto& last = files.journal().back();
        const bool renamed = last.starts_with("sync_directory");
        EXPECT_EQ(SafetensorsReader::open(path).read_as<float>("t"), renamed ? new_values : old_values)
            << last;
        EXPECT_NE(error.error_class(), ErrorClass::kInternal);
        EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1) << last;
      }
    }
    EXPECT_EQ(failing - 1, 8u) << "create, 3 writes, sync, close, rename, sync of the folder";
    EXPECT_EQ(SafetensorsReader::open(path).read_as<float>("t"), new_values);
  }
}

// An independent reader: struct and json of Python's standard library.
TEST(Safetensors, AnIndependentReaderAgrees) {
  if (std::system("python3 -c 'import json, struct' > /dev/null 2>&1") != 0) GTEST_SKIP() << "no python3";
  const TempFolder folder;
  const std::vector<float> weight = {0.5F, -1.25F, 3.0F, 1e-3F, 65504.0F, 0.0F};
  const std::vector<std::int64_t> ids = {-1, 1LL << 40};
  const std::vector<TensorView> tensors = {view_of("weight", {2, 3}, weight), view_of("ids", {2}, ids)};
  write_safetensors(real_file_system(), folder / "t.safetensors", tensors, {{"format", "pt"}});
  std::ofstream(folder / "read.py") << R"(
import json, struct, sys
data = open(sys.argv[1], 'rb').read()
(n,) = struct.unpack('<Q', data[:8])
header = json.loads(data[8:8 + n])
assert n % 8 == 0 and header.pop('__metadata__') == {'format': 'pt'}
codes = {'F32': 'f', 'I64': 'q'}
for name in sorted(header):
    begin, end = header[name]['data_offsets']
    raw = data[8 + n + begin:8 + n + end]
    size = struct.calcsize(codes[header[name]['dtype']])
    print(name, header[name]['shape'], list(struct.unpack('<%d%s' % (len(raw) // size, codes[header[name]['dtype']]), raw)))
)";
  const std::string command = "python3 " + (folder / "read.py").string() + " " +
                              (folder / "t.safetensors").string() + " > " + (folder / "out").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(content(folder / "out"),
            "ids [2] [-1, 1099511627776]\n"
            "weight [2, 3] [0.5, -1.25, 3.0, 0.0010000000474974513, 65504.0, 0.0]\n");
}

}  // namespace
}  // namespace tenfold::io
