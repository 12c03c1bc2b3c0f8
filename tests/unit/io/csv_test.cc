// SPDX-License-Identifier: Apache-2.0
// CSV: the grammar of RFC 4180, every refusal, round trips over random tables, and Python's csv module as second reader.
#include "tenfold/io/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

using Rows = std::vector<std::vector<std::string>>;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr CsvOptions kFree{.has_header = false, .fixed_width = false};

std::vector<std::string> fields_of(const CsvRow& row) {
  std::vector<std::string> fields;
  for (std::size_t i = 0; i < row.size(); ++i) fields.emplace_back(row[i]);
  return fields;
}

Rows rows_of(std::string_view text, const CsvOptions& options = kFree) {
  Rows rows;
  for (const CsvRow& row : parse_csv(text, "t.csv", options).rows) rows.push_back(fields_of(row));
  return rows;
}

std::string refusal(std::string_view text, const CsvOptions& options = {}) {
  return error_of([&] { parse_csv(text, "t.csv", options); });
}

std::string message(std::string_view text, const CsvOptions& options = {}) {
  return message_of([&] { parse_csv(text, "t.csv", options); });
}

TEST(Csv, ReadsHeaderAndRowsWithLineNumbers) {
  const CsvTable table = parse_csv("name,flop\nAlexNet,4.7e17\n\nGPT-3,3.14e23");
  EXPECT_THAT(table.header, ElementsAre("name", "flop"));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].line(), 2u);
  EXPECT_EQ(table.rows[1][0], "GPT-3");
  EXPECT_EQ(table.rows[1][1], "3.14e23");
  EXPECT_EQ(table.rows[1].line(), 4u);
  EXPECT_EQ(table.column("flop"), 1u);
  EXPECT_EQ(table.column("Flop"), std::nullopt);
}

TEST(Csv, KeepsQuotedSeparatorsQuotesAndLineBreaks) {
  const CsvTable table = parse_csv("a,b\r\n\"x, \"\"y\"\"\",\"two\r\nlines\nthree\"\r\n1,2\r\n");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0][0], "x, \"y\"");
  EXPECT_EQ(table.rows[0][1], "two\r\nlines\nthree");
  EXPECT_EQ(table.rows[1].line(), 5u);
}

TEST(Csv, KeepsEmptyFieldsAndSpaces) {
  EXPECT_EQ(rows_of(",\n\"\",\n a ,\t\n"), (Rows{{"", ""}, {"", ""}, {" a ", "\t"}}));
  EXPECT_EQ(rows_of("\"\"\n\na\n"), (Rows{{""}, {"a"}}));
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of("\r\n\n"), Rows{});
}

TEST(Csv, SkipsTheByteOrderMarkOnlyAtTheStart) {
  EXPECT_THAT(parse_csv("\xEF\xBB\xBFname\nx\n").header, ElementsAre("name"));
  EXPECT_EQ(rows_of("a\n\xEF\xBB\xBF"
                    "b\n"),
            (Rows{{"a"},
                  {"\xEF\xBB\xBF"
                   "b"}}));
  DripSource drip("\xEF\xBB\xBFname\nx\n", 1);
  EXPECT_THAT(CsvReader(drip).header(), ElementsAre("name"));
}

TEST(Csv, ReadsOtherSeparators) {
  for (const char separator : {';', '\t', '|'}) {
    const std::string text = std::string("a,b") + separator + "\"" + separator + "\"\n";
    CsvOptions options = kFree;
    options.separator = separator;
    EXPECT_EQ(rows_of(text, options), (Rows{{"a,b", std::string(1, separator)}}));
  }
  for (const char separator : {'"', '\n', '\0', 'a'}) {
    EXPECT_EQ(refusal("a\n", {.separator = separator}), "usage csv.bad_separator");
  }
}

TEST(Csv, RefusesUnterminatedQuotesWithTheLineWhereTheyBegan) {
  EXPECT_EQ(refusal("a,b\n1,2\n3,\"four\n5,6\n"), "data csv.unterminated_quote");
  EXPECT_THAT(message("a,b\n1,2\n3,\"four\n5,6\n"), HasSubstr("t.csv line 3"));
  EXPECT_EQ(refusal("a\n\""), "data csv.unterminated_quote");
  EXPECT_EQ(refusal("a\n\"x\"\""), "data csv.unterminated_quote");
}

TEST(Csv, RefusesTextAfterAClosingQuote) {
  EXPECT_EQ(refusal("a,b\n\"x\"y,2\n"), "data csv.text_after_quote");
  EXPECT_EQ(refusal("a,b\n\"x\" ,2\n"), "data csv.text_after_quote");
  EXPECT_THAT(message("a,b\n\"1\n\n\"y,2\n"), HasSubstr("t.csv line 4"));
}

TEST(Csv, RefusesQuotesInsidePlainFields) {
  EXPECT_EQ(refusal("a\n5\" disk\n"), "data csv.quote_in_field");
  EXPECT_THAT(message("a\n5\" disk\n"), HasSubstr("5\""));
}

TEST(Csv, RefusesBareCarriageReturns) {
  EXPECT_EQ(refusal("a,b\rc,d\r"), "data csv.bare_carriage_return");
  EXPECT_EQ(refusal("a,b\r\r\n"), "data csv.bare_carriage_return");
  EXPECT_EQ(refusal("a\n\"x\"\r"), "data csv.bare_carriage_return");
}

TEST(Csv, RefusesRowsOfAnotherWidthWithLineSeenAndWanted) {
  EXPECT_EQ(refusal("a,b\n1,2\n1,2,3\n"), "data csv.field_count");
  const std::string text = message("a,b\n1,2\n1,2,3\n");
  EXPECT_THAT(text, HasSubstr("t.csv line 3"));
  EXPECT_THAT(text, HasSubstr("seen: 3 fields"));
  EXPECT_THAT(text, HasSubstr("wanted: 2 fields, as in the header"));
  EXPECT_EQ(refusal("a,b\n1\n"), "data csv.field_count");
  EXPECT_EQ(refusal("1,2\n1\n", {.has_header = false}), "data csv.field_count");
  EXPECT_EQ(refusal("a,b\n1\n", {.fixed_width = false}), "no error");
}

TEST(Csv, RefusesNulBytes) {
  using namespace std::string_view_literals;
  EXPECT_EQ(refusal("a\n1\0 2\n"sv), "data csv.nul_byte");
  EXPECT_EQ(refusal("a\n\"1\0 2\"\n"sv), "data csv.nul_byte");
  EXPECT_EQ(refusal("a\0,b\0\n\0"sv), "data csv.nul_byte");
}

TEST(Csv, RefusesInvalidUtf8WithTheLine) {
  EXPECT_EQ(refusal("a,b\n1,caf\xE9\n"), "data csv.invalid_utf8");
  EXPECT_THAT(message("a,b\n1,caf\xE9\n"), HasSubstr("t.csv line 2"));
  EXPECT_THAT(message("a,b\n1,\"x\ny\n\xFFz\"\n"), HasSubstr("t.csv line 4"));
  EXPECT_EQ(refusal("a,b\n\xC3,\xA9\n"), "data csv.invalid_utf8") << "a sequence must not span two fields";
  EXPECT_EQ(refusal("\xFF\xFE"
                    "a"),
            "data csv.invalid_utf8")
      << "UTF-16";
  EXPECT_EQ(refusal("a\n\xED\xA0\x80\n"), "data csv.invalid_utf8") << "surrogate";
}

TEST(Csv, ShowsALineThatIsNotUtf8AsItIsWritten) {
  EXPECT_THAT(message("a,b,c\n1,\"x,y\",caf\xE9\n"), HasSubstr("1,\"x,y\",caf\\xe9"));
  EXPECT_THAT(message("a,b,c\n1,2,caf\xE9\n"), testing::Not(HasSubstr("\\x00")));
}

TEST(Csv, RefusesDuplicateColumnsButNotSeveralEmptyOnes) {
  EXPECT_EQ(refusal("a,b,a\n1,2,3\n"), "data csv.duplicate_column");
  EXPECT_THAT(message("a,b,a\n1,2,3\n"), HasSubstr("seen: a"));
  EXPECT_EQ(refusal("a,,\n1,2,3\n"), "no error");
}

TEST(Csv, RefusesEmptyFilesWhereAHeaderIsWanted) {
  EXPECT_EQ(refusal(""), "data csv.no_header");
  EXPECT_EQ(refusal("\xEF\xBB\xBF\n\n"), "data csv.no_header");
}

TEST(Csv, KeepsItsLimits) {
  CsvOptions options = kFree;
  options.limits = {.file_bytes = 100, .rows = 2, .fields_per_row = 3, .field_bytes = 10, .row_bytes = 25};
  EXPECT_EQ(refusal("1234567890,1234567890,12\n1,2,3\n", options), "no error");
  EXPECT_EQ(refusal("12345678901\n", options), "resource csv.field_too_long");
  EXPECT_EQ(refusal("\"12345678901\"\n", options), "resource csv.field_too_long");
  EXPECT_EQ(refusal("1234567890,1234567890,123456\n", options), "resource csv.row_too_long");
  EXPECT_EQ(refusal("1,2,3,4\n", options), "resource csv.too_many_fields");
  EXPECT_EQ(refusal("1\n2\n3\n", options), "resource csv.too_many_rows");
  TempFolder folder;
  write_file_atomically(real_file_system(), folder / "big.csv", std::string(101, '\n'));
  EXPECT_EQ(error_of([&] { read_csv(folder / "big.csv", options); }), "file file.too_large");
}

TEST(Csv, RefusesAnUnclosedQuoteInAHugeFileWithoutReadingItAll) {
  // The field limit stops the reader: memory stays near the limit although the source never ends.
  class Endless final : public ByteSource {
   public:
    std::size_t read(std::span<char> target) override {
      std::fill(target.begin(), target.end(), first_ ? '"' : 'x');
      const std::size_t count = first_ ? 1 : target.size();
      first_ = false;
      total_ += count;
      return count;
    }
    const std::string& name() const override { return name_; }
    std::size_t total() const { return total_; }

   private:
    bool first_ = true;
    std::size_t total_ = 0;
    std::string name_ = "endless";
  };
  Endless source;
  EXPECT_EQ(error_of([&] { CsvReader reader(source); }), "resource csv.field_too_long");
  EXPECT_LT(source.total(), std::size_t{2} << 20);
}

TEST(Csv, ReadsFilesAndNamesThemInErrors) {
  TempFolder folder;
  write_file_atomically(real_file_system(), folder / "ok.csv", "a,b\n1,2\n");
  EXPECT_EQ(read_csv(folder / "ok.csv").rows.size(), 1u);
  write_file_atomically(real_file_system(), folder / "bad.csv", "a,b\n1\n");
  EXPECT_THAT(message_of([&] { read_csv(folder / "bad.csv"); }), HasSubstr("bad.csv line 2"));
  EXPECT_EQ(error_of([&] { read_csv(folder / "none.csv"); }), "file file.not_found");
  EXPECT_EQ(error_of([&] { read_csv(folder.path()); }), "file file.not_regular");
}

TEST(Csv, StreamsALargeFileRowByRow) {
  TempFolder folder;
  const Path path = folder / "large.csv";
  constexpr int kRows = 100'000;
  write_file_atomically(real_file_system(), path, [](WritableFile& file) {
    CsvWriter writer(file, std::vector<std::string>{"id", "text"});
    for (int i = 0; i < kRows; ++i) writer.add_row(std::vector<std::string>{std::to_string(i), "a,\"b\"\nc"});
    writer.finish();
  });
  FileSource source(path);
  CsvReader reader(source);
  CsvRow row;
  int count = 0;
  while (reader.next(row)) {
    ASSERT_EQ(row[0], std::to_string(count));
    ASSERT_EQ(row[1], "a,\"b\"\nc");
    ASSERT_EQ(row.line(), 2u + 2u * static_cast<std::uint64_t>(count));
    ++count;
  }
  EXPECT_EQ(count, kRows);
}

TEST(Csv, QuotesOnlyWhereNeeded) {
  std::string out;
  append_csv_row(out, std::vector<std::string>{"a b", "c,d", "e\"f", "g\nh", "", "i\rj"});
  EXPECT_EQ(out, "a b,\"c,d\",\"e\"\"f\",\"g\nh\",,\"i\rj\"\n");
  out.clear();
  append_csv_row(out, std::vector<std::string>{"", "x"}, {.separator = '\t', .crlf = true});
  EXPECT_EQ(out, "\tx\r\n");
}

TEST(Csv, WriterRefusesWhatTheReaderWouldRefuse) {
  std::string out;
  EXPECT_EQ(error_of([&] { append_csv_row(out, std::vector<std::string>{std::string("a\0b", 3)}); }),
            "data csv.nul_byte");
  EXPECT_EQ(error_of([&] { append_csv_row(out, std::vector<std::string>{"\xFF"}); }),
            "data csv.invalid_utf8");
  EXPECT_EQ(error_of([&] { append_csv_row(out, {}); }), "data csv.no_fields");
  TempFolder folder;
  const auto file = real_file_system().create(folder / "w.csv");
  CsvWriter writer(*file, std::vector<std::string>{"a", "b"});
  EXPECT_EQ(error_of([&] { writer.add_row(std::vector<std::string>{"1"}); }), "data csv.field_count");
}

// Pieces that meet every branch of the scanner.
std::string random_field(random::Generator& generator, bool with_mark) {
  static const std::array<std::string, 14> kPieces = {"a",
                                                      "1.5",
                                                      ",",
                                                      "\"",
                                                      "\n",
                                                      "\r",
                                                      "\r\n",
                                                      " ",
                                                      ";",
                                                      "\t",
                                                      "\xC3\xA4",
                                                      "\xF0\x9F\x98\x80",
                                                      "",
                                                      "\xEF\xBB\xBF"};
  std::string field;
  const std::uint32_t count = generator.below(6);
  for (std::uint32_t i = 0; i < count; ++i) {
    field += kPieces[generator.below(static_cast<std::uint32_t>(kPieces.size()) - (with_mark ? 0 : 1))];
  }
  return field;
}

TEST(Csv, GivesBackEveryRandomTableThroughEveryBufferSplit) {
  for (std::uint64_t trial = 0; trial < 3000; ++trial) {
    random::Generator generator(20220214, trial);
    const CsvWriteOptions write{.separator = ",;\t|"[generator.below(4)], .crlf = generator.below(2) == 1};
    const std::uint32_t width = 1 + generator.below(4);
    Rows rows(generator.below(5));
    std::string text;
    for (auto& row : rows) {
      for (std::uint32_t i = 0; i < width; ++i) row.push_back(random_field(generator, true));
      append_csv_row(text, row, write);
    }
    if (!rows.empty() && generator.below(3) == 0) text.resize(text.size() - (write.crlf ? 2 : 1));
    DripSource source(text, 1 + generator.below(7));
    CsvReader reader(source, {.separator = write.separator, .has_header = false});
    Rows read;
    CsvRow row;
    while (reader.next(row)) read.push_back(fields_of(row));
    ASSERT_EQ(read, rows) << "trial " << trial << ": " << printable(text, 400);
  }
}

// Tables as other programs write them: fields quoted at will, some characters broken.
std::string random_text(random::Generator& generator, bool damage) {
  std::string text;
  const std::uint32_t rows = 1 + generator.below(4);
  const char* line_end = generator.below(2) == 0 ? "\n" : "\r\n";
  for (std::uint32_t r = 0; r < rows; ++r) {
    const std::uint32_t width = 1 + generator.below(3);
    for (std::uint32_t i = 0; i < width; ++i) {
      const std::string field = random_field(generator, false);
      if (i > 0) text += ',';
      const bool plain = field.find_first_of(",\"\r\n") == std::string::npos && generator.below(2) == 0;
      text += plain ? field : "\"" + join(split(field, '"'), "\"\"") + "\"";
    }
    text += line_end;
  }
  for (std::uint32_t i = 0; damage && i <= generator.below(3); ++i) {
    text[generator.below(static_cast<std::uint32_t>(text.size()))] = ",\"\r\nx"[generator.below(5)];
  }
  return text;
}

constexpr std::string_view kPythonReader = R"(
import csv, json, sys
csv.field_size_limit(1 << 30)
for number in range(int(sys.argv[2])):
    rows = []
    try:
        with open(f'{sys.argv[1]}/{number}.csv', encoding='utf-8', newline='') as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (csv.Error, UnicodeDecodeError):
        rows = None
    print(json.dumps(rows))
)";

std::vector<std::optional<Rows>> read_with_python(const TempFolder& folder, int count) {
  write_file_atomically(real_file_system(), folder / "reader.py", kPythonReader);
  const std::string command = "/usr/bin/python3 " + shell_quote((folder / "reader.py").string()) + " " +
                              shell_quote(folder.path().string()) + " " + std::to_string(count) + " > " +
                              shell_quote((folder / "rows.json").string());
  if (std::system(command.c_str()) != 0) return {};
  std::vector<std::optional<Rows>> tables;
  for (const std::string& line : split(read_text_file(folder / "rows.json"), '\n')) {
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line);
    tables.push_back(json.is_null() ? std::nullopt : std::optional<Rows>(json.get<Rows>()));
  }
  return tables;
}

TEST(Csv, AgreesWithPythonsCsvModule) {
  if (!std::filesystem::exists("/usr/bin/python3")) GTEST_SKIP() << "no /usr/bin/python3 to compare with";
  constexpr int kTables = 1500;
  TempFolder folder;
  std::vector<std::string> texts;
  for (int i = 0; i < kTables; ++i) {
    random::Generator generator(4180, static_cast<std::uint64_t>(i));
    texts.push_back(random_text(generator, i % 2 == 1));
    const auto file = real_file_system().create(folder / (std::to_string(i) + ".csv"));
    file->write(std::as_bytes(std::span(texts.back())));
  }
  const std::vector<std::optional<Rows>> python = read_with_python(folder, kTables);
  ASSERT_EQ(python.size(), texts.size());
  int both_read = 0, both_refused = 0;
  for (int i = 0; i < kTables; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const std::string error = refusal(texts[index], kFree);
    if (error == "no error") {
      ASSERT_TRUE(python[index].has_value()) << printable(texts[index], 400);
      ASSERT_EQ(rows_of(texts[index]), *python[index]) << printable(texts[index], 400);
      ++both_read;
    } else if (error == "data csv.unterminated_quote" || error == "data csv.text_after_quote" ||
               error == "data csv.invalid_utf8") {
      ASSERT_FALSE(python[index].has_value()) << error << ": " << printable(texts[index], 400);
      ++both_refused;
    } else {
      // Python takes these leniently: RFC 4180 has no such fields.
      ASSERT_TRUE(error == "data csv.quote_in_field" || error == "data csv.bare_carriage_return") << error;
    }
    if (i % 2 == 0) {
      ASSERT_EQ(error, "no error") << printable(texts[index], 400);
    }
  }
  EXPECT_GT(both_read, kTables / 2);
  EXPECT_GT(both_refused, kTables / 20);
}

}  // namespace
}  // namespace tenfold::io
