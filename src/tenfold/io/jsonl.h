// SPDX-License-Identifier: Apache-2.0
// JSON lines: one JSON value a line. The reader is strict and knows its line numbers; the writer only ever
// appends whole lines, so that a killed program leaves at most one torn line at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/byte_source.h"

namespace tenfold::io {

struct JsonlOptions {
  std::size_t line_bytes = std::size_t{16} << 20;  // longest line
  std::uint64_t lines = 100'000'000;
  int depth = 64;            // of nested arrays and objects
  bool objects_only = true;  // refuse lines that are not an object
};

struct JsonlLine {
  std::string text;          // one strict JSON value (RFC 8259), checked; without the line end
  std::uint64_t number = 0;  // the first line is 1
};

// Reads line by line; memory is one line and a buffer. Empty lines are skipped, the last line may lack its
// line end. Refused with Error(kData) and the line number: "jsonl.bad_json" (syntax, duplicate keys, invalid
// UTF-8, depth), "jsonl.not_an_object"; with Error(kResource): "jsonl.line_too_long", "jsonl.too_many_lines".
// After an error the reader must not be used again.
class JsonlReader {
 public:
  // `source` must outlive the reader.
  explicit JsonlReader(ByteSource& source, JsonlOptions options = {});
  // False at the end.
  bool next(JsonlLine& line);

 private:
  bool read_line(std::string& text);

  ByteSource& source_;
  JsonlOptions options_;
  std::vector<char> buffer_;
  std::size_t position_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t number_ = 0;
};

// Decides which lines of an existing file stay when a writer continues it.
using JsonlKeep = std::function<bool(const JsonlLine&)>;

class JsonlWriter {
 public:
  // Starts `path` anew.
  static JsonlWriter create(FileSystem& files, const Path& path);
  // Continues `path` after the lines that `keep` accepts (all, when empty); a torn last line is dropped. The
  // old file is replaced in one rename, so that a crash leaves either the old or the new one. A file that is
  // not there is created. Throws what JsonlReader throws for damage before the last line.
  static JsonlWriter resume(FileSystem& files, const Path& path, const JsonlKeep& keep = {});

  // Writes `json` and a line end in one call to the file. Throws Error(kInternal) when `json` is no object in
  // one line.
  void append(std::string_view json);
  void sync();
  void close();

 private:
  explicit JsonlWriter(std::unique_ptr<WritableFile> file);
  std::unique_ptr<WritableFile> file_;
  std::string line_;
};

}  // namespace tenfold::io
