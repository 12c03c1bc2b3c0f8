// SPDX-License-Identifier: Apache-2.0
// What a verb writes while it answers a request stays in memory and goes with the answer: nothing of the server's disk is
// within its reach.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "tenfold/base/file_system.h"

namespace tenfold::serve {

class MemoryFiles final : public FileSystem {
 public:
  explicit MemoryFiles(std::size_t limit = std::size_t{64} << 20) : limit_(limit) {}

  // Throws Error(kResource, "serve.result_too_large") from write() beyond the limit.
  std::unique_ptr<WritableFile> create(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  void exchange(const Path& a, const Path& b) override;
  void remove(const Path& path) override;
  void make_directories(const Path&) override {}
  void sync_directory(const Path&) override {}
  std::uint64_t free_space(const Path&) override { return limit_; }

  const std::map<std::string, std::string>& files() const { return files_; }  // path -> content

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
  std::map<std::string, std::string> files_;
};

}  // namespace tenfold::serve
