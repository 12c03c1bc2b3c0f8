// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc search`: a text against an index, by codes, by whole vectors, by words, by both.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/repconc/searcher.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/repconc/verbs/vector_verbs.h"
#include "tenfold/systems/repconc/verbs/verbs.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kTextShown = 90;

struct SearchOptions {
  std::string path, text, queries;
  std::int64_t k = 10, row = -1, probes = 0, candidates = 0;
  bool exact = false, bm25 = false, hybrid = false;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run with an index, or an index",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("text", text, {.help = "what to look for", .positional = true});
    field("k", k, {.help = "documents shown", .min = 1, .max = 10000});
    field("queries",
          queries,
          {.help = "folder with queries.jsonl: all its queries by codes, as lines that trec_eval reads; of "
                   "an index "
                   "of vectors: file of query vectors",
           .file = config::FileUse::kRead});
    field(
        "row",
        row,
        {.help = "of an index of vectors: row of the queries, or without a file a document; -1: all queries",
         .min = -1,
         .max = 1e12});
    field("probes", probes, {.help = "lists to look into; 0: a tenth of them", .min = 0, .max = 1e7});
    field("candidates",
          candidates,
          {.help = "documents that a walk through the graph keeps in sight; 0: 64", .min = 0, .max = 1e6});
    field("exact", exact, {.help = "also by whole vectors, which are computed for this"});
    field("bm25", bm25, {.help = "also by words"});
    field("hybrid", hybrid, {.help = "also by words and codes together"});
  }
  search::SearchRequest request() const {
    return {.k = static_cast<std::size_t>(k),
            .probes = static_cast<std::size_t>(probes),
            .candidates = static_cast<std::size_t>(candidates)};
  }
};

std::vector<SearchAnswer> answer(const SearchOptions& options, const Searcher& searcher) {
  std::vector<SearchMethod> methods = {SearchMethod::kCodes};
  if (options.exact) methods.push_back(SearchMethod::kExact);
  if (options.bm25) methods.push_back(SearchMethod::kBm25);
  if (options.hybrid) methods.push_back(SearchMethod::kHybrid);
  std::vector<SearchAnswer> answers;
  for (const SearchMethod method : methods)
    answers.push_back(searcher.answer(method, options.text, static_cast<std::size_t>(options.k)));
  return answers;
}

systems::Outcome run_search(const SearchOptions& options, systems::Context&) {
  const io::BundleReader bundle = open_part(options.path, "index");
  if (is_vector_bundle(bundle))
    return search_vectors(
        bundle,
        {.text = options.text, .queries = options.queries, .row = options.row, .request = options.request()});
  if (!options.queries.empty()) {
    if (!options.text.empty() || options.exact || options.bm25 || options.hybrid) {
      throw Error(ErrorClass::kUsage,
                  "repconc.text_and_queries",
                  {.what = "a folder of queries is answered by codes alone",
                   .seen = "--queries beside a text or another way to search",
                   .wanted = "one of the two",
                   .remedy = "leave the text and --exact, --bm25, --hybrid out, or --queries"});
    }
    return search_many({options.path, options.queries, options.request()});
  }
  const Searcher searcher(open_index(bundle), options.request());
  const OpenIndex& open = searcher.index();
  nlohmann::json results = nlohmann::json::object();
  std::string text;
  for (const SearchAnswer& found : answer(options, searcher)) {
    report::Table table{fmt::format("{}, {:.0f} us, {:.0f} bytes a document",
                                    found.method,
                                    found.microseconds,
                                    found.bytes_per_document),
                        {"score", "id", "text"},
                        {},
                        {}};
    nlohmann::json hits = nlohmann::json::array();
    for (const search::Hit& hit : found.hits) {
      const std::string& id = open.corpus.ids[hit.row];
      const std::string& content = open.corpus.texts[hit.row];
      table.rows.push_back({fmt::format("{:.4f}", hit.score), printable(id), printable(content, kTextShown)});
      hits.push_back({{"id", id}, {"score", hit.score}, {"text", content}});
    }
    text += report::to_terminal(table) + "\n";
    results[found.method] = {{"microseconds", found.microseconds},
                             {"bytes_per_document", found.bytes_per_document},
                             {"hits", std::move(hits)}};
  }
  return systems::make_outcome({{"query", options.text},
                                {"documents", open.codes->live()},
                                {"bytes_per_document", open.codes->quantizer().code_bytes()},
                                {"results", std::move(results)}},
                               std::move(text));
}

}  // namespace

systems::Verb make_search_verb() {
  return systems::make_verb<SearchOptions>(
      "search",
      "find the documents of an index that answer a text",
      "By codes; --exact, --bm25 and --hybrid put other methods beside, each with its time.",
      {},
      run_search);
}

}  // namespace tenfold::repconc
