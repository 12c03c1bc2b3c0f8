// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc search --queries`: all queries of a file by codes, with one process or several.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/clock.h"
#include "tenfold/search/beir.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/shards.h"
#include "tenfold/systems/repconc/verbs/verbs.h"

namespace tenfold::repconc {
namespace {

// One line a hit, as TREC's tools read runs: query Q0 document rank score name.
std::string to_run(const search::BeirQueries& queries,
                   const search::BeirCorpus& corpus,
                   const std::vector<search::Hits>& found) {
  std::string text;
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (std::size_t rank = 0; rank < found[i].size(); ++rank) {
      const search::Hit& hit = found[i][rank];
      text += fmt::format(
          "{} Q0 {} {} {:.6f} repconc\n", queries.ids[i], corpus.ids[hit.row], rank + 1, hit.score);
    }
  }
  return text;
}

}  // namespace

systems::Outcome search_many(const ManyQueries& request) {
  const auto communicator = train::make_communicator(train::communicator_options_from_environment());
  const OpenIndex open = open_index(request.path);
  const search::BeirQueries queries = search::read_beir_queries(request.queries);
  const std::size_t dimension = open.codes->dimension();
  const auto encode = [&](std::size_t begin, std::size_t end) {
    return open.retriever.encode_queries({queries.texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                          queries.texts.begin() + static_cast<std::ptrdiff_t>(end)});
  };
  const std::vector<float> vectors = encode_in_shards(*communicator, queries.texts.size(), dimension, encode);
  const Stopwatch watch;
  const std::vector<search::Hits> found =
      search_in_shards(*communicator, *open.codes, search::as_vectors(vectors, dimension), request.request);
  const double seconds = watch.wall_seconds();
  nlohmann::json results = nlohmann::json::object();
  for (std::size_t i = 0; i < found.size(); ++i) {
    nlohmann::json hits = nlohmann::json::array();
    for (const search::Hit& hit : found[i])
      hits.push_back({{"id", open.corpus.ids[hit.row]}, {"score", hit.score}});
    results[queries.ids[i]] = std::move(hits);
  }
  systems::Outcome outcome = systems::make_outcome({{"documents", open.codes->live()},
                                                    {"queries", queries.ids.size()},
                                                    {"processes", communicator->world_size()},
                                                    {"search_seconds", seconds},
                                                    {"results", std::move(results)}},
                                                   to_run(queries, open.corpus, found));
  outcome.shown = communicator->rank() == 0;
  return outcome;
}

}  // namespace tenfold::repconc
