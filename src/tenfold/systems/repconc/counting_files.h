// SPDX-License-Identifier: Apache-2.0
// A file system that keeps nothing and counts what is written: how long a file would be.
#pragma once

#include <cstdint>
#include <memory>

#include "tenfold/base/file_system.h"

namespace tenfold::repconc {

class CountingFiles final : public FileSystem {
 public:
  std::uint64_t bytes() const { return bytes_; }

  std::unique_ptr<WritableFile> create(const Path&) override { return std::make_unique<File>(bytes_); }
  void rename(const Path&, const Path&) override {}
  void exchange(const Path&, const Path&) override {}
  void remove(const Path&) override {}
  void make_directories(const Path&) override {}
  void sync_directory(const Path&) override {}
  std::uint64_t free_space(const Path&) override { return ~std::uint64_t{0}; }

 private:
  class File final : public WritableFile {
   public:
    explicit File(std::uint64_t& bytes) : bytes_(bytes) {}
    void write(std::span<const std::byte> bytes) override { bytes_ += bytes.size(); }
    void sync() override {}
    void close() override {}

   private:
    std::uint64_t& bytes_;
  };

  std::uint64_t bytes_ = 0;
};

}  // namespace tenfold::repconc
