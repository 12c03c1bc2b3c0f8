// SPDX-License-Identifier: Apache-2.0
// Safetensors: our header scanner against the JSON library, every accepted tensor readable, and files come back from
// our writer.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/io/json.h"
#include "tenfold/io/safetensors.h"

namespace {

using nlohmann::json;
using tenfold::fuzz::require;
using tenfold::io::InputFile;
using tenfold::io::SafetensorsReader;

class MemoryFile final : public tenfold::WritableFile {
 public:
  void write(std::span<const std::byte> bytes) override {
    content.insert(content.end(), bytes.begin(), bytes.end());
  }
  void sync() override {}
  void close() override {}
  std::vector<std::byte> content;
};

// The text between length and data; only for files whose length is possible.
std::string_view header_of(std::span<const std::byte> file) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
  return {reinterpret_cast<const char*>(file.data()) + 8, length};
}

json parse_header(std::string_view header) {
  return tenfold::io::parse_json(header, "header", {.max_depth = 1'000'000, .max_nodes = 1'000'000'000});
}

void compare_with_library(const SafetensorsReader& reader, std::string_view header) {
  json root;
  require(tenfold::fuzz::accepts([&] { root = parse_header(header); }), "an accepted header is strict JSON");
  json metadata = json::object();
  if (root.contains("__metadata__")) {
    metadata = root.at("__metadata__");
    root.erase("__metadata__");
  }
  require(metadata == json(reader.metadata()), "the metadata are those of the header");
  require(root.size() == reader.size(), "every tensor of the header is there");
  for (const auto& [name, tensor] : root.items()) {
    const tenfold::io::TensorInfo info = reader.info(name);
    require(info.name == name, "a tensor is found by its name");
    require(tensor.at("dtype") == std::string(to_string(info.dtype)), "the type is that of the header");
    require(tensor.at("shape") == json(info.shape), "the shape is that of the header");
  }
}

void write_and_read_again(const SafetensorsReader& reader) {
  std::vector<tenfold::io::AlignedBuffer> data;
  std::vector<tenfold::io::TensorView> tensors;
  for (const std::string& name : reader.names()) {
    const tenfold::io::TensorInfo info = reader.info(name);
    data.push_back(reader.read(name));
    require(data.back().size() == info.bytes, "a tensor has its size");
    tensors.push_back({name, info.dtype, info.shape, data.back().bytes()});
  }
  MemoryFile file;
  tenfold::io::write_safetensors(file, tensors, reader.metadata());
  const SafetensorsReader again(InputFile::view(file.content, "written"));
  require(again.names() == reader.names(), "the names come back");
  require(again.metadata() == reader.metadata(), "the metadata come back");
  for (const auto& tensor : tensors) {
    const auto bytes = again.read(tensor.name);
    require(std::equal(bytes.bytes().begin(), bytes.bytes().end(), tensor.data.begin(), tensor.data.end()),
            "the data come back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = tenfold::fuzz::as_bytes(data, size);
  try {
    const SafetensorsReader reader(InputFile::view(file, "input"));
    compare_with_library(reader, header_of(file));
    write_and_read_again(reader);
  } catch (const tenfold::Error& error) {
    require(error.error_class() == tenfold::ErrorClass::kFile, error.what());
    require(error.code().starts_with("safetensors."), error.what());
    if (error.code() == "safetensors.header_json") {
      require(!tenfold::fuzz::accepts([&] { parse_header(header_of(file)); }),
              "a header refused as JSON is not JSON");
    }
  }
  return 0;
}
