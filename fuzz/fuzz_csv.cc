// SPDX-License-Identifier: Apache-2.0
// CSV: what the reader accepts, the writer gives back. The first byte chooses separator and header.
#include <string>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/io/csv.h"

namespace {

using tenfold::io::CsvRow;

std::vector<std::string> fields_of(const CsvRow& row) {
  std::vector<std::string> fields;
  for (std::size_t i = 0; i < row.size(); ++i) fields.emplace_back(row[i]);
  return fields;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const char separator = ",;\t|"[data[0] & 3];
  tenfold::io::CsvOptions options{.separator = separator, .has_header = (data[0] & 4) != 0};
  options.fixed_width = (data[0] & 8) == 0;
  options.limits = {
      .file_bytes = 1 << 20, .rows = 1000, .fields_per_row = 100, .field_bytes = 1000, .row_bytes = 4000};
  tenfold::io::CsvTable table;
  const std::string_view text = tenfold::fuzz::as_text(data + 1, size - 1);
  if (!tenfold::fuzz::accepts([&] { table = tenfold::io::parse_csv(text, "input", options); })) return 0;

  std::string written;
  const tenfold::io::CsvWriteOptions write{.separator = separator, .crlf = (data[0] & 16) != 0};
  if (options.has_header) tenfold::io::append_csv_row(written, table.header, write);
  for (const CsvRow& row : table.rows) tenfold::io::append_csv_row(written, fields_of(row), write);
  options.limits.row_bytes = 2 * options.limits.row_bytes;
  const tenfold::io::CsvTable again = tenfold::io::parse_csv(written, "written", options);
  tenfold::fuzz::require(again.header == table.header, "the header comes back");
  tenfold::fuzz::require(again.rows.size() == table.rows.size(), "all rows come back");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    tenfold::fuzz::require(fields_of(again.rows[i]) == fields_of(table.rows[i]), "the fields come back");
  }
  return 0;
}
