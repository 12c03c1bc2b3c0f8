// SPDX-License-Identifier: Apache-2.0
// A file in memory that is written once and then read.
#pragma once

#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::dsi {

class MemoryFile final : public WritableFile {
 public:
  void write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void sync() override {}
  void close() override {}

  std::span<const std::byte> bytes() const { return bytes_; }
  io::SafetensorsReader reader() const { return io::SafetensorsReader(io::InputFile::view(bytes_)); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace tenfold::dsi
