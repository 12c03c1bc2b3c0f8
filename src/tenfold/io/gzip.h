// SPDX-License-Identifier: Apache-2.0
// Reading gzip files (RFC 1952) by zlib, piece by piece: the caller says how many bytes it wants, so no file can make the
// program produce more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tenfold/io/input_file.h"

namespace tenfold::io {

// By the first two bytes, never by the file's name.
bool is_gzip(const InputFile& file);

// The most bytes that a gzip file of `file_bytes` bytes can give: deflate turns no bit into more than 129 bytes.
std::uint64_t max_gzip_output(std::uint64_t file_bytes);

// Members that follow each other give one stream, as RFC 1952 has it. Memory: 64 KiB and zlib's window of 32 KiB,
// whatever the file says.
class GzipReader {
 public:
  // `file` must outlive the reader.
  explicit GzipReader(const InputFile& file);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // Fills `target` and returns its size; less only at the end of the last member, whose length and checksum are then
  // known to be right. Throws Error(kFile): "gzip.corrupt" (no gzip header, damaged data, wrong checksum or length),
  // "gzip.truncated" (the file ends within a member), "gzip.trailing_bytes" (what follows a member is no member), and what
  // InputFile::read_at throws. After an error the reader must not be used again.
  std::size_t read(std::span<std::byte> target);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::io
