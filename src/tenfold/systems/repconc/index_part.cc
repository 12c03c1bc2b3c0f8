// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/index_part.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/io/json.h"
#include "tenfold/search/index_bundle.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kTextLimit = std::uint64_t{16} << 30;
constexpr std::uint64_t kCoarseSeed = 1;

Error bad_documents(const std::string& seen) {
  return Error(ErrorClass::kFile,
               "repconc.documents",
               {.what = "documents.jsonl does not fit the index",
                .seen = seen,
                .wanted = "one object with _id and text a row",
                .remedy = "run tenfold repconc index again"});
}

std::string to_jsonl(const search::BeirCorpus& corpus) {
  std::string text;
  for (std::size_t i = 0; i < corpus.ids.size(); ++i) {
    const nlohmann::ordered_json object = {{"_id", corpus.ids[i]}, {"text", corpus.texts[i]}};
    text += object.dump() + "\n";
  }
  return text;
}

search::BeirCorpus from_jsonl(const std::string& text) {
  search::BeirCorpus corpus;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    const nlohmann::json object = io::parse_json(line, "documents.jsonl", {.error_class = ErrorClass::kFile});
    if (!object.is_object() || !object.contains("_id") || !object.contains("text") ||
        !object["_id"].is_string() || !object["text"].is_string())
      throw bad_documents(printable(line));
    corpus.ids.push_back(object["_id"].get<std::string>());
    corpus.texts.push_back(object["text"].get<std::string>());
    corpus.titles.emplace_back();
  }
  return corpus;
}

}  // namespace

search::CodeIndex build_codes(const Retriever& retriever,
                              const std::vector<float>& vectors,
                              std::int64_t lists) {
  const std::vector<std::uint8_t> codes = retriever.codes(vectors);
  if (lists == 0) {
    search::CodeIndex index(retriever.scoring);
    index.add_codes(codes);
    return index;
  }
  const search::Vectors rows = search::as_vectors(vectors, retriever.scoring.dimension());
  search::CodeIndex index(
      retriever.scoring,
      search::train_coarse(retriever.scoring, rows, static_cast<std::size_t>(lists), kCoarseSeed));
  index.add_codes(codes);
  return index;
}

void write_index(FileSystem& files,
                 const Path& target,
                 const Retriever& retriever,
                 const search::BeirCorpus& corpus,
                 const search::CodeIndex& index) {
  io::BundleWriter bundle(
      files, target, {.system = "repconc", .created_by = "tenfold " + std::string(version())});
  add_retriever_members(bundle, retriever);
  bundle.add("documents.jsonl", to_jsonl(corpus));
  search::add_index_members(bundle, index);
  bundle.commit();
}

OpenIndex open_index(const std::string& path) {
  return open_index(open_part(path, "index"));
}

OpenIndex open_index(const io::BundleReader& bundle) {
  OpenIndex open{.retriever = open_retriever(bundle),
                 .corpus = from_jsonl(bundle.read_text("documents.jsonl", kTextLimit)),
                 .codes = std::move(search::open_index_members(bundle).index)};
  if (open.corpus.ids.size() != open.codes.size() ||
      open.codes.dimension() != open.retriever.scoring.dimension())
    throw bad_documents(fmt::format("{} texts, {} codes", open.corpus.ids.size(), open.codes.size()));
  for (const io::BundleMember& member : bundle.manifest().members)
    if (member.name.starts_with("index.")) open.code_file_bytes += member.size;
  return open;
}

search::FlatIndex exact_index(const std::vector<float>& vectors, std::size_t dimension) {
  search::FlatIndex index(dimension);
  index.add(search::as_vectors(vectors, dimension));
  return index;
}

}  // namespace tenfold::repconc
