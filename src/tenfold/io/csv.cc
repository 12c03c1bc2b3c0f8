// SPDX-License-Identifier: Apache-2.0
// The CSV grammar as a hand-written scanner over a refilled buffer.
#include "tenfold/io/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

[[noreturn]] void throw_data(std::string code, ErrorText text) {
  throw Error(ErrorClass::kData, std::move(code), std::move(text));
}

[[noreturn]] void throw_limit(std::string code,
                              std::string what,
                              std::uint64_t limit,
                              std::string_view unit) {
  throw_over_limit(std::move(code),
                   std::move(what),
                   fmt::format("{} {}", limit, unit),
                   "check that the file is a table and that every quote is closed");
}

void check_separator(char separator) {
  if (separator == ',' || separator == ';' || separator == '\t' || separator == '|') return;
  throw Error(ErrorClass::kUsage,
              "csv.bad_separator",
              {.what = "the column separator cannot be used",
               .seen = printable(std::string_view(&separator, 1)),
               .wanted = "a comma, a semicolon, a tab or a vertical bar"});
}

std::string count_of_fields(std::size_t count) {
  return fmt::format("{} field{}", count, count == 1 ? "" : "s");
}

// Most tables are ASCII: eight bytes at a time are looked at before the full check.
bool is_ascii(std::string_view text) {
  std::uint64_t seen = 0;
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    seen |= word;
    text.remove_prefix(8);
  }
  for (char c : text) seen |= static_cast<unsigned char>(c);
  return (seen & 0x8080808080808080u) == 0;
}

// End of the run of ordinary bytes at the start of `text`.
std::size_t plain_run(std::string_view text, char separator) {
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    // Everything special but the separators '|' and ';' is below '-', so most bytes take one comparison.
    if (c == separator) break;
    if (static_cast<unsigned char>(c) > '"') continue;
    if (c == '\n' || c == '\r' || c == '"' || c == '\0') break;
  }
  return i;
}

}  // namespace

CsvReader::CsvReader(ByteSource& source, CsvOptions options)
    : source_(source), options_(options), buffer_(kBufferBytes) {
  check_separator(options_.separator);
  // The mark has three bytes: a source that gives fewer at first must not hide it.
  while (filled_ < kByteOrderMark.size() && !ended_) {
    const std::size_t count = source_.read(std::span(buffer_).subspan(filled_));
    ended_ = count == 0;
    filled_ += count;
  }
  if (std::string_view(buffer_.data(), filled_).starts_with(kByteOrderMark))
    position_ = kByteOrderMark.size();
  if (options_.has_header) read_header();
}

void CsvReader::read_header() {
  CsvRow row;
  if (!read_record(row)) {
    throw_data("csv.no_header",
               {.what = source_.name() + ": the table is empty",
                .seen = "no line with text",
                .wanted = "a first line with the names of the columns",
                .remedy = "check that it is the right file"});
  }
  width_ = row.size();
  for (std::size_t i = 0; i < row.size(); ++i) header_.emplace_back(row[i]);
  std::vector<std::string_view> sorted(header_.begin(), header_.end());
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i].empty() || sorted[i] != sorted[i - 1]) continue;
    throw_data("csv.duplicate_column",
               {.what = place(row.line()) + ": two columns have the same name",
                .seen = printable(sorted[i]),
                .wanted = "each name once",
                .remedy = "rename or remove one of the columns"});
  }
}

bool CsvReader::next(CsvRow& row) {
  if (!read_record(row)) return false;
  if (width_ == 0) width_ = row.size();
  if (options_.fixed_width && row.size() != width_) {
    throw_data("csv.field_count",
               {.what = place(row.line()) + ": the row does not fit the table",
                .seen = count_of_fields(row.size()),
                .wanted = count_of_fields(width_) +
                          (options_.has_header ? ", as in the header" : ", as in the first row"),
                .remedy = "put fields that contain the separator in double quotes"});
  }
  if (++rows_ > options_.limits.rows) {
    throw_limit(
        "csv.too_many_rows", place(row.line()) + ": the table is too long", options_.limits.rows, "rows");
  }
  return true;
}

bool CsvReader::read_record(CsvRow& row) {
  row.text_.clear();
  row.ends_.clear();
  while (take_line_end()) {
  }
  if (peek() == kEnd) return false;
  row.line_ = line_;
  while (true) {
    if (row.ends_.size() == options_.limits.fields_per_row) {
      throw_limit(
          "csv.too_many_fields", place(row.line()) + ": the row is too wide", row.ends_.size(), "fields");
    }
    read_field(row);
    row.ends_.push_back(row.text_.size());
    row.text_.push_back('\0');
    if (peek() != static_cast<unsigned char>(options_.separator)) break;
    ++position_;
  }
  if (peek() != kEnd) take_line_end();
  check_text(row);
  return true;
}

void CsvReader::read_field(CsvRow& row) {
  if (peek() == '"') {
    read_quoted(row);
  } else {
    read_plain(row);
  }
}

void CsvReader::read_plain(CsvRow& row) {
  const std::size_t field_begin = row.text_.size();
  while (peek() != kEnd) {
    const std::string_view rest(buffer_.data() + position_, filled_ - position_);
    const std::size_t run = plain_run(rest, options_.separator);
    append(row, field_begin, rest.substr(0, run));
    position_ += run;
    if (run == rest.size()) continue;
    const char stop = rest[run];
    if (stop == '\0') {
      throw_data("csv.nul_byte",
                 {.what = place(line_) + ": the file contains a NUL byte",
                  .wanted = "text",
                  .remedy = "check that it is a text file in UTF-8, not UTF-16 or a spreadsheet"});
    }
    if (stop != '"') return;
    throw_data("csv.quote_in_field",
               {.what = place(line_) + ": a double quote stands inside a field that is not quoted",
                .seen = printable(std::string_view(row.text_).substr(field_begin), 60) + "\"",
                .wanted = "quotes around the whole field, inner quotes doubled"});
  }
}

void CsvReader::read_quoted(CsvRow& row) {
  const std::uint64_t opened = line_;
  const std::size_t field_begin = row.text_.size();
  ++position_;
  while (peek() != kEnd) {
    const std::string_view rest(buffer_.data() + position_, filled_ - position_);
    const std::string_view piece = rest.substr(0, rest.find('"'));
    if (piece.find('\0') != std::string_view::npos) {
      throw_data("csv.nul_byte",
                 {.what = place(line_) + ": a quoted field contains a NUL byte", .wanted = "text"});
    }
    append(row, field_begin, piece);
    line_ += static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
    position_ += piece.size();
    if (piece.size() == rest.size()) continue;
    ++position_;  // the quote
    const int after = peek();
    if (after == '"') {
      append(row, field_begin, "\"");
      ++position_;
      continue;
    }
    if (after == kEnd || after == '\n' || after == '\r' ||
        after == static_cast<unsigned char>(options_.separator))
      return;
    const char seen = static_cast<char>(after);
    throw_data("csv.text_after_quote",
               {.what = place(line_) + ": text stands after the closing quote of a field",
                .seen = printable(std::string_view(&seen, 1)),
                .wanted = "a separator or the end of the line",
                .remedy = "double the quotes inside the field"});
  }
  throw_data("csv.unterminated_quote",
             {.what = place(opened) + ": a quoted field begins here and never ends",
              .seen = printable(std::string_view(row.text_).substr(field_begin), 60),
              .wanted = "a closing double quote",
              .remedy = "close the quote, or check whether the file was cut off"});
}

void CsvReader::append(CsvRow& row, std::size_t field_begin, std::string_view piece) {
  // Both sums are of sizes in memory, at most the limits plus one buffer.
  if (row.text_.size() - field_begin + piece.size() > options_.limits.field_bytes) {
    throw_limit("csv.field_too_long",
                place(row.line_) + ": a field is too long",
                options_.limits.field_bytes,
                "bytes");
  }
  if (row.text_.size() + piece.size() > options_.limits.row_bytes) {
    throw_limit(
        "csv.row_too_long", place(row.line_) + ": the row is too long", options_.limits.row_bytes, "bytes");
  }
  row.text_.append(piece);
}

namespace {

bool needs_quotes(std::string_view field, char separator) {
  // A byte order mark at the start of a file would be taken for one.
  return field.starts_with(kByteOrderMark) || plain_run(field, separator) != field.size();
}

void append_field(std::string& out, std::string_view field, bool quoted) {
  if (!quoted) {
    out += field;
    return;
  }
  out += '"';
  for (char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

// The row as a file has it, for messages.
std::string written_row(const CsvRow& row, char separator) {
  std::string text;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) text += separator;
    append_field(text, row[i], needs_quotes(row[i], separator));
  }
  return text;
}

}  // namespace

// Fields are checked together: the NULs between them keep a sequence from spanning two fields.
void CsvReader::check_text(const CsvRow& row) const {
  if (is_ascii(row.text_) || is_valid_utf8(row.text_)) return;
  const std::string written = written_row(row, options_.separator);
  std::string_view text = written;
  std::uint64_t line = row.line_;
  while (is_valid_utf8(text.substr(0, text.find('\n')))) {
    text.remove_prefix(text.find('\n') + 1);
    ++line;
  }
  throw_data("csv.invalid_utf8",
             {.what = place(line) + ": the text is not valid UTF-8",
              .seen = printable(text.substr(0, text.find('\n')), 60),
              .wanted = "UTF-8",
              .remedy = "convert the file, for example with: iconv -f latin1 -t utf-8"});
}

// LF or CRLF. False when something else comes.
bool CsvReader::take_line_end() {
  const int next = peek();
  if (next != '\n' && next != '\r') return false;
  ++position_;
  if (next == '\r') {
    if (peek() != '\n') {
      throw_data("csv.bare_carriage_return",
                 {.what = place(line_) + ": a carriage return is not followed by a line feed",
                  .wanted = "line ends LF or CRLF",
                  .remedy = "convert the line ends, or put the field in double quotes"});
    }
    ++position_;
  }
  ++line_;
  return true;
}

bool CsvReader::refill() {
  if (ended_) return false;
  position_ = 0;
  filled_ = source_.read(buffer_);
  ended_ = filled_ == 0;
  return !ended_;
}

std::string CsvReader::place(std::uint64_t line) const {
  return fmt::format("{} line {}", source_.name(), line);
}

std::optional<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header.begin());
}

namespace {

CsvTable read_table(ByteSource& source, const CsvOptions& options) {
  CsvReader reader(source, options);
  CsvTable table;
  table.header = reader.header();
  CsvRow row;
  while (reader.next(row)) table.rows.push_back(row);
  return table;
}

}  // namespace

CsvTable read_csv(const Path& path, const CsvOptions& options) {
  FileSource source(path, options.limits.file_bytes);
  return read_table(source, options);
}

CsvTable parse_csv(std::string_view text, std::string name, const CsvOptions& options) {
  MemorySource source(text, std::move(name));
  return read_table(source, options);
}

void append_csv_row(std::string& out, std::span<const std::string> fields, const CsvWriteOptions& options) {
  check_separator(options.separator);
  if (fields.empty()) throw_data("csv.no_fields", {.what = "a CSV row without fields cannot be written"});
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string& field = fields[i];
    if (field.find('\0') != std::string::npos) {
      throw_data("csv.nul_byte",
                 {.what = "a NUL byte cannot be written to CSV", .seen = printable(field, 60)});
    }
    if (!is_ascii(field) && !is_valid_utf8(field)) {
      throw_data(
          "csv.invalid_utf8",
          {.what = "a field for CSV is not valid UTF-8", .seen = printable(field, 60), .wanted = "UTF-8"});
    }
    if (i > 0) out += options.separator;
    // An empty field alone would be an empty line, which readers skip.
    append_field(out, field, needs_quotes(field, options.separator) || (field.empty() && fields.size() == 1));
  }
  out += options.crlf ? "\r\n" : "\n";
}

CsvWriter::CsvWriter(WritableFile& file, std::span<const std::string> header, CsvWriteOptions options)
    : file_(file), options_(options), width_(header.size()) {
  append_csv_row(buffer_, header, options_);
}

void CsvWriter::add_row(std::span<const std::string> fields) {
  if (fields.size() != width_) {
    throw_data("csv.field_count",
               {.what = "a row for CSV does not fit its header",
                .seen = count_of_fields(fields.size()),
                .wanted = count_of_fields(width_)});
  }
  append_csv_row(buffer_, fields, options_);
  if (buffer_.size() >= kBufferBytes) finish();
}

void CsvWriter::finish() {
  file_.write(std::as_bytes(std::span(buffer_)));
  buffer_.clear();
}

}  // namespace tenfold::io
