// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/memory_files.h"

#include <fmt/format.h>

#include "tenfold/base/error.h"

namespace tenfold::serve {
namespace {

class MemoryFile final : public WritableFile {
 public:
  MemoryFile(std::string& content, std::size_t& used, std::size_t limit)
      : content_(content), used_(used), limit_(limit) {}
  void write(std::span<const std::byte> bytes) override {
    if (bytes.size() > limit_ - used_) {
      throw Error(ErrorClass::kResource,
                  "serve.result_too_large",
                  {.what = "the result is larger than a server sends",
                   .wanted = fmt::format("at most {} bytes", limit_),
                   .remedy = "use the command line"});
    }
    used_ += bytes.size();
    content_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void sync() override {}
  void close() override {}

 private:
  std::string& content_;
  std::size_t& used_;
  std::size_t limit_;
};

[[noreturn]] void throw_missing(const Path& path) {
  throw Error(ErrorClass::kFile, "file.not_found", {.what = path.filename().string() + " is not there"});
}

}  // namespace

std::unique_ptr<WritableFile> MemoryFiles::create(const Path& path) {
  std::string& content = files_[path.string()];
  used_ -= content.size();
  content.clear();
  return std::make_unique<MemoryFile>(content, used_, limit_);
}

void MemoryFiles::rename(const Path& from, const Path& to) {
  auto node = files_.extract(from.string());
  if (node.empty()) throw_missing(from);
  remove(to);
  node.key() = to.string();
  files_.insert(std::move(node));
}

void MemoryFiles::exchange(const Path& a, const Path& b) {
  const auto first = files_.find(a.string());
  const auto second = files_.find(b.string());
  if (first == files_.end()) throw_missing(a);
  if (second == files_.end()) throw_missing(b);
  std::swap(first->second, second->second);
}

void MemoryFiles::remove(const Path& path) {
  const auto found = files_.find(path.string());
  if (found == files_.end()) return;
  used_ -= found->second.size();
  files_.erase(found);
}

}  // namespace tenfold::serve
