// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/index_change.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/base/strings.h"

namespace tenfold::repconc {
namespace {

using RowOf = std::unordered_map<std::string_view, std::uint32_t>;  // of documents that are not removed

RowOf rows_of(const OpenIndex& open) {
  RowOf rows;
  for (std::uint32_t row = 0; row < open.corpus.ids.size(); ++row) {
    if (!open.codes->removed().test(row)) rows.emplace(open.corpus.ids[row], row);
  }
  return rows;
}

// Takes the row of an id out of `rows`.
std::uint32_t take(RowOf& rows, const std::string& id, std::string_view verb) {
  const auto found = rows.find(id);
  if (found == rows.end()) {
    throw Error(ErrorClass::kData,
                "index.no_such_document",
                {.what = fmt::format("a document to {} is not in the index", verb),
                 .seen = printable(id),
                 .wanted = "an id of the index, named once",
                 .remedy = verb == "update" ? "add new documents by --add" : "leave it out"});
  }
  const std::uint32_t row = found->second;
  rows.erase(found);
  return row;
}

void check_new(const RowOf& rows, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    if (!rows.contains(id)) continue;
    throw Error(ErrorClass::kData,
                "index.duplicate_id",
                {.what = "a document to add is in the index already",
                 .seen = printable(id),
                 .wanted = "an id that is not there",
                 .remedy = "give other texts to documents by --update"});
  }
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

search::DriftReport drift_of(const OpenIndex& open, const std::vector<float>& vectors) {
  if (!open.counts) return {};
  search::DriftMonitor monitor(open.retriever.assigning, *open.counts);
  monitor.observe(search::as_vectors(vectors, open.retriever.assigning.dimension()));
  return monitor.report();
}

std::size_t compact(OpenIndex& open) {
  const std::size_t before = open.codes->size();
  const std::vector<std::uint32_t> kept = open.codes->compact();
  if (kept.size() == before) return 0;
  search::BeirCorpus corpus;
  for (const std::uint32_t row : kept) {
    corpus.ids.push_back(std::move(open.corpus.ids[row]));
    corpus.titles.push_back(std::move(open.corpus.titles[row]));
    corpus.texts.push_back(std::move(open.corpus.texts[row]));
  }
  open.corpus = std::move(corpus);
  open.words.emplace(open.corpus.texts, open.words ? open.words->options() : search::Bm25Options());
  return before - kept.size();
}

}  // namespace

IndexChangeReport change_index(OpenIndex& open, const IndexChange& change) {
  RowOf rows = rows_of(open);
  std::vector<std::uint32_t> gone;
  for (const std::string& id : change.removed) gone.push_back(take(rows, id, "remove"));
  for (const std::string& id : change.updated.ids) gone.push_back(take(rows, id, "update"));
  check_new(rows, change.added.ids);
  check_new(
      [&] {
        RowOf updated;
        for (const std::string& id : change.updated.ids) updated.emplace(id, 0);
        return updated;
      }(),
      change.added.ids);
  search::BeirCorpus fresh = change.updated;
  append(fresh.ids, change.added.ids);
  append(fresh.texts, change.added.texts);
  if (rows.empty() && fresh.ids.empty()) {
    throw Error(ErrorClass::kData,
                "index.empty",
                {.what = "no document would be left in the index",
                 .seen = fmt::format("{} documents to remove", gone.size()),
                 .wanted = "at least one that stays",
                 .remedy = "delete the folder of the index instead"});
  }
  IndexChangeReport report{.added = change.added.ids.size(),
                           .updated = change.updated.ids.size(),
                           .removed = change.removed.size(),
                           .drift = {}};
  if (!fresh.ids.empty()) {
    const std::vector<float> vectors = open.retriever.encode_documents(fresh.texts);
    report.drift = drift_of(open, vectors);
    open.codes->add_codes(open.retriever.codes(vectors));
    append(open.corpus.ids, fresh.ids);
    append(open.corpus.texts, fresh.texts);
    open.corpus.titles.resize(open.corpus.ids.size());
    if (open.words) open.words->add(fresh.texts);
  }
  open.codes->remove(gone);
  if (change.compact) report.forgotten = compact(open);
  return report;
}

std::vector<std::string> read_ids(const Path& file) {
  const std::string text = read_text_file(file);
  std::vector<std::string> ids;
  for (const std::string& line : split(text, '\n')) {
    const std::string id(trim(line));
    if (!id.empty()) ids.push_back(id);
  }
  if (!ids.empty()) return ids;
  throw Error(ErrorClass::kData,
              "index.no_ids",
              {.what = fmt::format("{} names no document", file.string()),
               .seen = "no line with an id",
               .wanted = "one id a line",
               .remedy = "give a file with at least one id"});
}

}  // namespace tenfold::repconc
