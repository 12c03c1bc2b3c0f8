// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/runtime/documents.h"

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"

namespace tenfold::retrieval {
namespace {

constexpr std::uint64_t kTextLimit = std::uint64_t{16} << 30;

}  // namespace

std::string documents_to_jsonl(const search::BeirCorpus& corpus) {
  std::string text;
  for (std::size_t i = 0; i < corpus.ids.size(); ++i) {
    const nlohmann::ordered_json object = {{"_id", corpus.ids[i]}, {"text", corpus.texts[i]}};
    text += object.dump() + "\n";
  }
  return text;
}

search::BeirCorpus read_documents(const io::BundleReader& bundle) {
  const std::string text = bundle.read_text(kDocumentsMember, kTextLimit);
  search::BeirCorpus corpus;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    const nlohmann::json object = io::parse_json(line, kDocumentsMember, {.error_class = ErrorClass::kFile});
    if (!object.is_object() || !object.contains("_id") || !object.contains("text") ||
        !object["_id"].is_string() || !object["text"].is_string()) {
      throw Error(ErrorClass::kFile,
                  "retrieval.documents",
                  {.what = "documents.jsonl does not fit the index",
                   .seen = printable(line),
                   .wanted = "one object with _id and text a row",
                   .remedy = "run tenfold repconc index again"});
    }
    corpus.ids.push_back(object["_id"].get<std::string>());
    corpus.texts.push_back(object["text"].get<std::string>());
    corpus.titles.emplace_back();
  }
  return corpus;
}

}  // namespace tenfold::retrieval
