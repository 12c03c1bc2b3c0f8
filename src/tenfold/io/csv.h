// SPDX-License-Identifier: Apache-2.0
// Comma-separated tables (RFC 4180): a streaming reader that holds one row at a time, a convenience that
// reads a whole table, and a writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/byte_source.h"

namespace tenfold::io {

struct CsvLimits {
  std::uint64_t file_bytes = std::uint64_t{256} << 20;  // of read_csv()
  std::uint64_t rows = 50'000'000;                      // without the header
  std::size_t fields_per_row = 16'384;
  std::size_t field_bytes = std::size_t{1} << 20;
  std::size_t row_bytes = std::size_t{16} << 20;
};

struct CsvOptions {
  char separator = ',';     // ',', ';', '\t' or '|'; others throw Error(kUsage, "csv.bad_separator")
  bool has_header = true;   // false: the first row is data and sets the number of fields
  bool fixed_width = true;  // false: rows may have any number of fields, the caller checks row.size()
  CsvLimits limits;
};

// The fields of one row, unquoted. A value: it may be kept after the reader went on.
class CsvRow {
 public:
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1] + 1;
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }
  std::uint64_t line() const { return line_; }  // where the row starts in the file; the first line is 1

 private:
  friend class CsvReader;
  std::string text_;               // each field followed by one NUL, which no field can contain
  std::vector<std::size_t> ends_;  // offset of that NUL
  std::uint64_t line_ = 0;
};

// Reads row by row; memory is one row and a buffer of 64 KiB.
//
// Accepted: LF or CRLF line ends, a last line without one, quoted fields with separators, doubled quotes and
// line breaks, a byte order mark. Empty lines are skipped (an empty field alone in its row is written "").
// Refused with Error(kData), the file's name and the line number:
//   csv.unterminated_quote (the line where the quote opened), csv.text_after_quote, csv.quote_in_field,
//   csv.bare_carriage_return, csv.nul_byte, csv.invalid_utf8, csv.field_count, csv.duplicate_column,
//   csv.no_header;
// and with Error(kResource): csv.field_too_long, csv.row_too_long, csv.too_many_fields, csv.too_many_rows.
// After an error the reader must not be used again.
class CsvReader {
 public:
  // Reads the header at once. `source` must outlive the reader.
  explicit CsvReader(ByteSource& source, CsvOptions options = {});

  // Column names as written; empty without a header. Names differ, but several may be empty.
  const std::vector<std::string>& header() const { return header_; }
  // Number of fields of each row; 0 before the first row of a file without header.
  std::size_t width() const { return width_; }

  // Puts the next row into `row`, reusing its memory. False at the end of the file.
  bool next(CsvRow& row);

 private:
  static constexpr int kEnd = -1;

  void read_header();
  bool read_record(CsvRow& row);
  void read_field(CsvRow& row);
  void read_quoted(CsvRow& row);
  void read_plain(CsvRow& row);
  void append(CsvRow& row, std::size_t field_begin, std::string_view piece);
  void check_text(const CsvRow& row) const;
  bool take_line_end();
  int peek() {
    return position_ < filled_ || refill() ? static_cast<unsigned char>(buffer_[position_]) : kEnd;
  }
  bool refill();
  std::string place(std::uint64_t line) const;

  ByteSource& source_;
  CsvOptions options_;
  std::vector<std::string> header_;
  std::size_t width_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t line_ = 1;  // of the next unread byte
  std::vector<char> buffer_;
  std::size_t position_ = 0;
  std::size_t filled_ = 0;
  bool ended_ = false;
};

struct CsvTable {
  std::vector<std::string> header;
  std::vector<CsvRow> rows;

  std::optional<std::size_t> column(std::string_view name) const;  // by the name as written
};

// The whole table. Throws what CsvReader and FileSource throw.
CsvTable read_csv(const Path& path, const CsvOptions& options = {});
CsvTable parse_csv(std::string_view text, std::string name = "text", const CsvOptions& options = {});

struct CsvWriteOptions {
  char separator = ',';
  bool crlf = false;  // true: line ends as RFC 4180 has them; false: LF, as other text files on this system
};

// Appends one row with its line end. Fields are quoted only where needed; the reader gives them back
// unchanged. Throws Error(kData, "csv.nul_byte" or "csv.invalid_utf8" or "csv.no_fields").
void append_csv_row(std::string& out,
                    std::span<const std::string> fields,
                    const CsvWriteOptions& options = {});

// Writes a table of fixed width into an open file through a buffer of 64 KiB.
class CsvWriter {
 public:
  // Writes the header. `file` must outlive the writer.
  CsvWriter(WritableFile& file, std::span<const std::string> header, CsvWriteOptions options = {});
  // Throws Error(kData, "csv.field_count") when the number of fields is not that of the header.
  void add_row(std::span<const std::string> fields);
  // Hands the rest to the file; must be the last call, for a destructor could not report a full disk.
  void finish();

 private:
  WritableFile& file_;
  CsvWriteOptions options_;
  std::size_t width_;
  std::string buffer_;
};

}  // namespace tenfold::io
