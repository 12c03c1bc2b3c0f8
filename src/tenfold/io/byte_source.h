// SPDX-License-Identifier: Apache-2.0
// Where the line and table readers get their bytes: a file read piece by piece, or text in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/file_system.h"

namespace tenfold::io {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the front of `target` and returns how many bytes; 0 only at the end. Throws Error(kFile).
  virtual std::size_t read(std::span<char> target) = 0;
  // For messages: "systems.csv".
  virtual const std::string& name() const = 0;
};

// Error(kResource): more of something than a reader takes. `most` is the limit with its unit: "65536 bytes".
[[noreturn]] void throw_over_limit(std::string code,
                                   std::string what,
                                   const std::string& most,
                                   std::string remedy);

// Reads `text`, which must outlive the source.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view text, std::string name = "text");
  std::size_t read(std::span<char> target) override;
  const std::string& name() const override { return name_; }

 private:
  std::string_view rest_;
  std::string name_;
};

// Reads a regular file without holding more than the caller's buffer. Throws what open_regular_file() does
// (base/descriptor.h); "file.too_large" also when the file grows beyond `limit` while it is read.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(const Path& path, std::uint64_t limit = kDefaultReadLimit);
  std::size_t read(std::span<char> target) override;
  const std::string& name() const override { return name_; }

 private:
  Descriptor file_;
  std::uint64_t left_;  // bytes that may still come before the limit is broken
  std::uint64_t limit_;
  std::string name_;
};

}  // namespace tenfold::io
