// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/byte_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::io {

void throw_over_limit(std::string code, std::string what, const std::string& most, std::string remedy) {
  throw Error(ErrorClass::kResource,
              std::move(code),
              {.what = std::move(what),
               .seen = "more than " + most,
               .wanted = "at most " + most,
               .remedy = std::move(remedy)});
}

MemorySource::MemorySource(std::string_view text, std::string name) : rest_(text), name_(std::move(name)) {}

std::size_t MemorySource::read(std::span<char> target) {
  const std::size_t count = std::min(target.size(), rest_.size());
  std::copy_n(rest_.data(), count, target.data());
  rest_.remove_prefix(count);
  return count;
}

FileSource::FileSource(const Path& path, std::uint64_t limit)
    : file_(open_regular_file(path, limit).descriptor), left_(limit), limit_(limit), name_(path.string()) {}

std::size_t FileSource::read(std::span<char> target) {
  const std::size_t count = read_some(file_, std::as_writable_bytes(target), name_);
  if (count > left_) throw_too_large(name_, fmt::format("more than {} bytes", limit_), limit_);
  left_ -= count;
  return count;
}

}  // namespace tenfold::io
