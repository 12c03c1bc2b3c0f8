// SPDX-License-Identifier: Apache-2.0
// Lines are cut here; each is then parsed by io/json.h.
#include "tenfold/io/jsonl.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"

namespace tenfold::io {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

[[noreturn]] void throw_limit(std::string code,
                              std::string what,
                              std::uint64_t limit,
                              std::string_view unit) {
  throw_over_limit(std::move(code),
                   std::move(what),
                   fmt::format("{} {}", limit, unit),
                   "check that the file has one JSON value on each line");
}

void write_line(WritableFile& file, std::string& line) {
  line += '\n';
  file.write(std::as_bytes(std::span(line)));
}

// Copies the lines of `path` that stay into `target`.
void copy_kept_lines(const Path& path, const JsonlKeep& keep, WritableFile& target) {
  FileSource source(path);
  JsonlReader reader(source);
  nlohmann::json value;
  std::string line;
  const auto next = [&] {
    try {
      return reader.next(value);
    } catch (const Error& error) {
      // Only a line that was being written when the program died has no end.
      if (reader.line_has_end() || error.error_class() != ErrorClass::kData) throw;
      return false;
    }
  };
  while (next()) {
    if (keep && !keep(value)) continue;
    line = reader.text();
    write_line(target, line);
  }
}

}  // namespace

JsonlReader::JsonlReader(ByteSource& source, JsonlOptions options)
    : source_(source), options_(options), buffer_(kBufferBytes) {}

bool JsonlReader::next(nlohmann::json& value) {
  do {
    if (!read_line()) return false;
  } while (trim(text_).empty());
  const std::string place = fmt::format("{} line {}", source_.name(), line_);
  value = parse_json(text_, place, {.max_bytes = options_.line_bytes, .max_depth = options_.depth});
  if (options_.objects_only && !value.is_object()) {
    throw Error(ErrorClass::kData,
                "jsonl.not_an_object",
                {.what = place + ": the line is not a JSON object",
                 .seen = printable(text_, 60),
                 .wanted = "an object in braces",
                 .remedy = "check that the file has one JSON object on each line"});
  }
  return true;
}

// Puts the next line into text_, without its end. False at the end of the file.
bool JsonlReader::read_line() {
  text_.clear();
  has_end_ = false;
  if (position_ == filled_ && !refill()) return false;
  ++line_;
  const auto place = [this] { return fmt::format("{} line {}", source_.name(), line_); };
  if (line_ > options_.lines) throw_limit("jsonl.too_many_lines", place(), options_.lines, "lines");
  while (!has_end_ && (position_ < filled_ || refill())) {
    const std::string_view rest(buffer_.data() + position_, filled_ - position_);
    const std::string_view piece = rest.substr(0, rest.find('\n'));
    has_end_ = piece.size() < rest.size();
    position_ += piece.size() + (has_end_ ? 1 : 0);
    // A sum of sizes in memory: at most the limit and one buffer.
    if (text_.size() + piece.size() > options_.line_bytes) {
      throw_limit("jsonl.line_too_long", place() + ": the line is too long", options_.line_bytes, "bytes");
    }
    text_ += piece;
  }
  if (text_.ends_with('\r')) text_.pop_back();
  return true;
}

bool JsonlReader::refill() {
  position_ = 0;
  filled_ = source_.read(buffer_);
  return filled_ > 0;
}

JsonlWriter::JsonlWriter(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}

JsonlWriter JsonlWriter::create(FileSystem& files, const Path& path) {
  return JsonlWriter(files.create(path));
}

JsonlWriter JsonlWriter::resume(FileSystem& files, const Path& path, const JsonlKeep& keep) {
  if (!path_exists(path)) return create(files, path);
  Path temporary = path;
  temporary += ".tmp";
  try {
    // The file stays open across the rename: what is appended later goes to the renamed file.
    std::unique_ptr<WritableFile> file = files.create(temporary);
    copy_kept_lines(path, keep, *file);
    file->sync();
    files.rename(temporary, path);
    files.sync_directory(path.parent_path());
    return JsonlWriter(std::move(file));
  } catch (const Error& error) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw naming_target(error, temporary, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);  // the first failure is the one to report
    throw;
  }
}

void JsonlWriter::append(std::string_view object) {
  check_internal(
      object.starts_with('{') && object.ends_with('}') && object.find('\n') == std::string_view::npos,
      "a line for a JSON lines file is one object without line breaks");
  line_ = object;
  write_line(*file_, line_);
}

void JsonlWriter::sync() {
  file_->sync();
}
void JsonlWriter::close() {
  file_->close();
}

}  // namespace tenfold::io
