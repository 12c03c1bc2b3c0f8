// SPDX-License-Identifier: Apache-2.0
// `tenfold dsi search`: a text to documents, by the model and beside it by words, the dual encoder, and both.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/dsi/ranker.h"
#include "tenfold/systems/dsi/verbs/verbs.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::dsi {
namespace {

constexpr std::size_t kTextShown = 90;

struct SearchOptions {
  std::string path, text;
  std::int64_t k = 10;
  std::vector<std::string> methods = {"dsi"};

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run, or a model",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("text", text, {.help = "what to look for", .positional = true, .required = true});
    field("k", k, {.help = "documents shown", .min = 1, .max = 10000, .served_max = 1000});
    field("methods", methods, {.help = "ways to search, in this order", .choices = rank_method_names()});
  }
};

systems::Outcome run_search(const SearchOptions& options, systems::Context&) {
  const Ranker ranker(open_model(open_part(options.path)));
  const OpenModel& open = ranker.open();
  retrieval::query_tokens(*open.vocabulary, options.text);  // an empty or unknown query is an error here
  nlohmann::json results = nlohmann::json::object();
  std::string text;
  for (const std::string& method : options.methods) {
    const RankMethod kind = parse_rank_method(method);
    const auto begin = std::chrono::steady_clock::now();
    const search::Hits hits = ranker.rank(kind, {options.text}, static_cast<std::size_t>(options.k)).front();
    const double microseconds =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    report::Table table{
        fmt::format("{}, {:.0f} us", method, microseconds), {"score", "id", "docid", "text"}, {}, {}};
    nlohmann::json list = nlohmann::json::array();
    for (const search::Hit& hit : hits) {
      const std::string docid = open.docid(hit.row);
      table.rows.push_back({fmt::format("{:.4f}", hit.score),
                            printable(open.corpus.ids[hit.row]),
                            printable(docid),
                            printable(open.corpus.texts[hit.row], kTextShown)});
      list.push_back({{"id", open.corpus.ids[hit.row]},
                      {"docid", docid},
                      {"score", hit.score},
                      {"text", open.corpus.texts[hit.row]}});
    }
    text += report::to_terminal(table) + "\n";
    results[method] = {{"microseconds", microseconds}, {"hits", std::move(list)}};
  }
  return systems::make_outcome({{"query", options.text},
                                {"documents", open.live.count()},
                                {"scheme", open.options.docid.scheme},
                                {"results", std::move(results)}},
                               std::move(text));
}

}  // namespace

systems::Verb make_search_verb() {
  return systems::make_verb<SearchOptions>("search",
                                           "find the documents of a model that answer a text",
                                           "--methods dsi,bm25,dual,fusion puts other ways beside, each with "
                                           "its time, the opening of the model not counted.",
                                           {},
                                           run_search);
}

}  // namespace tenfold::dsi
