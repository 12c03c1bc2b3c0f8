// SPDX-License-Identifier: Apache-2.0
// Random access to a file from a stranger: opened without following links or blocking, only regular files, and every
// read either fills the whole target or throws. Memory can stand in for a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/file_system.h"

namespace tenfold::io {

class InputFile {
 public:
  // Throws Error(kFile): "file.symlink" (the last part of the path is a symbolic link), "file.not_regular" (folder, FIFO,
  // socket, device) and what throw_errno() knows (base/descriptor.h). Never blocks.
  static InputFile open(const Path& path);

  // The same for the entry `name` of the open folder `folder` (a file descriptor); `name` is one path component.
  // `label` is what messages call it. Also refuses a file with several hard links: "file.hard_link".
  static InputFile open_member(int folder, const std::string& name, std::string label);

  // Reads from `bytes`, which must outlive the object.
  static InputFile view(std::span<const std::byte> bytes, std::string label = "memory");

  std::uint64_t size() const { return size_; }  // bytes, as seen when it was opened
  const std::string& label() const { return label_; }

  // Fills `target` from byte `offset` on. Thread-safe. Throws Error(kFile): "file.truncated" when the file ends
  // earlier (it shrank after it was opened), "file.io".
  void read_at(std::uint64_t offset, std::span<std::byte> target) const;

  // All bytes without a copy, on pages of the system that are read when they are touched first; `keep` holds them. Meant for files
  // that nobody shortens: touching a page that is gone ends the process. Throws what throw_errno() knows.
  struct Mapping {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> keep;
  };
  Mapping map() const;

 private:
  InputFile(Descriptor descriptor, std::span<const std::byte> memory, std::uint64_t size, std::string label);
  static InputFile adopt(Descriptor descriptor, std::string label, bool refuse_hard_links);

  Descriptor descriptor_;  // not open: memory
  std::span<const std::byte> memory_;
  std::uint64_t size_ = 0;
  std::string label_;
};

}  // namespace tenfold::io
