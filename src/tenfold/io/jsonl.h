// SPDX-License-Identifier: Apache-2.0
// JSON lines: one JSON value a line. The reader is strict and knows its line numbers; the writer only ever appends
// whole lines, so that a killed program leaves at most one torn line at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/byte_source.h"

namespace tenfold::io {

struct JsonlOptions {
  std::size_t line_bytes = std::size_t{16} << 20;  // longest line
  std::uint64_t lines = 100'000'000;               // with empty ones
  std::size_t depth = 64;                          // of nested arrays and objects
  bool objects_only = true;                        // refuse lines that are not an object
};

// Reads line by line; memory is one line and a buffer of 64 KiB. Empty lines are skipped, LF and CRLF end a line, the
// last one may lack its end. Refused with the file's name and the line number: what io/json.h refuses
// (Error(kData, "json.syntax"), ...), Error(kData, "jsonl.not_an_object"), Error(kResource, "jsonl.line_too_long" or
// "jsonl.too_many_lines"). After an error the reader must not be used again.
class JsonlReader {
 public:
  // `source` must outlive the reader.
  explicit JsonlReader(ByteSource& source, JsonlOptions options = {});

  // Puts the next value into `value`. False at the end.
  bool next(nlohmann::json& value);

  std::uint64_t line() const { return line_; }  // of the last value or error; the first line is 1
  std::string_view text() const {
    return text_;
  }  // of the last value, without the line end; until the next call
  bool line_has_end() const { return has_end_; }  // false: the file ended before the line did

 private:
  bool read_line();
  bool refill();

  ByteSource& source_;
  JsonlOptions options_;
  std::vector<char> buffer_;
  std::size_t position_ = 0;
  std::size_t filled_ = 0;
  std::string text_;
  std::uint64_t line_ = 0;
  bool has_end_ = true;
};

// Decides which lines of an existing file stay when a writer continues it.
using JsonlKeep = std::function<bool(const nlohmann::json&)>;

class JsonlWriter {
 public:
  // Starts `path` anew.
  static JsonlWriter create(FileSystem& files, const Path& path);

  // Continues `path` after the lines that `keep` accepts (all, when empty); a torn last line is dropped. The old file
  // is replaced in one rename, so that a crash leaves the old or the new one. A file that is not there is created.
  // Throws what JsonlReader throws for damage before the last line; the file is then left as it was.
  static JsonlWriter resume(FileSystem& files, const Path& path, const JsonlKeep& keep = {});

  // Writes `object`, one JSON object without line breaks, and a line end in one call to the file.
  void append(std::string_view object);
  void sync();
  void close();

 private:
  explicit JsonlWriter(std::unique_ptr<WritableFile> file);

  std::unique_ptr<WritableFile> file_;
  std::string line_;
};

}  // namespace tenfold::io
