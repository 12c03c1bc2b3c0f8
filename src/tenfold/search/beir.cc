// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/beir.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/byte_source.h"
#include "tenfold/io/csv.h"
#include "tenfold/io/jsonl.h"

namespace tenfold::search {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{64} << 30;
using Places = std::unordered_map<std::string_view, std::uint32_t>;

[[noreturn]] void fail(std::string_view code, ErrorText text) {
  throw Error(ErrorClass::kData, fmt::format("beir.{}", code), std::move(text));
}

// A text field of one line. Ids may be whole numbers: some published sets have them without quotes.
std::string text_of(const nlohmann::json& object, const char* key, const std::string& place, bool required) {
  const auto field = object.find(key);
  const bool is_id = std::string_view(key) == "_id";
  if (field != object.end() && field->is_string()) return field->get<std::string>();
  if (field != object.end() && is_id && field->is_number_integer()) return field->dump();
  if (!required && (field == object.end() || field->is_null())) return "";
  fail("field",
       {.what = fmt::format(
            "{}: {}", place, field == object.end() ? "a field is missing" : "a field is not a text"),
        .seen = field == object.end() ? "" : fmt::format("\"{}\": {}", key, printable(field->dump(), 60)),
        .wanted = fmt::format("\"{}\": \"...\"", key),
        .remedy = R"(every line needs {"_id": "...", "text": "..."})"});
}

// Calls add(line object, place) for every line and checks that ids differ.
template <typename Add>
void read_lines(const Path& path, const std::vector<std::string>& ids, const Add& add) {
  io::FileSource source(path, kFileLimit);
  io::JsonlReader reader(source);
  nlohmann::json line;
  std::unordered_map<std::string, std::uint64_t> lines;
  while (reader.next(line)) {
    const std::string place = fmt::format("{} line {}", path.filename().string(), reader.line());
    add(line, place);
    const auto [entry, is_new] = lines.try_emplace(ids.back(), reader.line());
    if (!is_new) {
      fail("duplicate_id",
           {.what = fmt::format("{}: this _id stands in line {} already", place, entry->second),
            .seen = printable(ids.back()),
            .remedy = "give every line its own _id"});
    }
  }
  if (ids.empty()) {
    fail("empty",
         {.what = fmt::format("{} has no lines", path.string()),
          .remedy = "give a file with at least one line"});
  }
}

Places places_of(const std::vector<std::string>& ids) {
  Places places;
  for (std::uint32_t i = 0; i < ids.size(); ++i) places.emplace(ids[i], i);
  return places;
}

std::uint32_t find(const Places& places,
                   std::string_view id,
                   std::string_view noun,
                   const std::string& place) {
  const auto entry = places.find(id);
  if (entry != places.end()) return entry->second;
  const bool document = noun == "document";
  fail(fmt::format("unknown_{}", noun),
       {.what = fmt::format("{}: a label names a {} that does not exist", place, noun),
        .seen = printable(id),
        .wanted = fmt::format("an _id of {}", document ? "corpus.jsonl" : "queries.jsonl"),
        .remedy = fmt::format("add the {} or remove the label", noun)});
}

int grade_of(std::string_view text, const std::string& place) {
  const auto number = parse_integer(trim(text));
  const auto grade = number ? checked::cast<int>(*number) : std::nullopt;
  if (grade) return *grade;
  fail("grade",
       {.what = fmt::format("{}: the relevance label is not a whole number", place),
        .seen = printable(text, 40),
        .wanted = "0, 1, 2, ..."});
}

void check_columns(const std::vector<std::string>& header, const std::string& place) {
  if (header.size() == 3) return;
  fail("columns",
       {.what = fmt::format("{}: a file of labels has three columns", place),
        .seen = printable(join(header, " | ")),
        .wanted =
            "query-id, corpus-id and score with a tabulator between them, and a first line that names them"});
}

Path split_path(const Path& folder, std::string_view split) {
  const std::vector<std::string> splits = beir_splits(folder);
  if (std::find(splits.begin(), splits.end(), split) != splits.end()) {
    return folder / "qrels" / fmt::format("{}.tsv", split);
  }
  fail("no_split",
       {.what = fmt::format("{} has no such split", folder.string()),
        .seen = printable(split),
        .wanted = splits.empty() ? "a file qrels/<split>.tsv" : "one of " + join(splits, ", ")});
}

}  // namespace

BeirCorpus read_beir_corpus(const Path& folder) {
  BeirCorpus corpus;
  read_lines(folder / "corpus.jsonl", corpus.ids, [&](const nlohmann::json& line, const std::string& place) {
    std::string title = text_of(line, "title", place, false), text = text_of(line, "text", place, true);
    corpus.ids.push_back(text_of(line, "_id", place, true));
    corpus.texts.push_back(title.empty() ? std::move(text) : text.empty() ? title : title + " " + text);
    corpus.titles.push_back(std::move(title));
  });
  return corpus;
}

BeirQueries read_beir_queries(const Path& folder) {
  BeirQueries queries;
  read_lines(
      folder / "queries.jsonl", queries.ids, [&](const nlohmann::json& line, const std::string& place) {
        queries.texts.push_back(text_of(line, "text", place, true));
        queries.ids.push_back(text_of(line, "_id", place, true));
      });
  return queries;
}

std::vector<std::string> beir_splits(const Path& folder) {
  std::vector<std::string> splits;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "qrels", error)) {
    if (entry.path().extension() == ".tsv") splits.push_back(entry.path().stem().string());
  }
  std::sort(splits.begin(), splits.end());
  return splits;
}

BeirSplit read_beir_split(const Path& folder,
                          std::string_view split,
                          const BeirCorpus& corpus,
                          const BeirQueries& queries) {
  const Path path = split_path(folder, split);
  const std::string name = fmt::format("qrels/{}", path.filename().string());
  io::FileSource source(path, kFileLimit);
  io::CsvReader reader(source, {.separator = '\t'});
  check_columns(reader.header(), name);
  const Places documents = places_of(corpus.ids), query_places = places_of(queries.ids);
  std::vector<Judgements> by_query(queries.ids.size());
  io::CsvRow row;
  while (reader.next(row)) {
    const std::string place = fmt::format("{} line {}", name, row.line());
    Judgements& judgements = by_query[find(query_places, row[0], "query", place)];
    const Judgement judgement{find(documents, row[1], "document", place), grade_of(row[2], place)};
    if (std::any_of(judgements.begin(), judgements.end(), [&](auto& j) { return j.row == judgement.row; })) {
      fail("duplicate_label",
           {.what = fmt::format("{}: this query and document have a label already", place),
            .seen = printable(fmt::format("{} {}", row[0], row[1])),
            .remedy = "keep one of them"});
    }
    judgements.push_back(judgement);
  }
  BeirSplit result;
  for (std::uint32_t i = 0; i < by_query.size(); ++i) {
    if (by_query[i].empty()) continue;
    result.queries.push_back(i);
    result.judgements.push_back(std::move(by_query[i]));
  }
  if (result.queries.empty()) fail("empty", {.what = fmt::format("{} has no labels", path.string())});
  return result;
}

}  // namespace tenfold::search
