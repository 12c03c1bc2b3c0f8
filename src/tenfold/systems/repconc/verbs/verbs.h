// SPDX-License-Identifier: Apache-2.0
// The verbs of `tenfold repconc`.
#pragma once

#include <cstddef>
#include <string>

#include "tenfold/search/vector_index.h"
#include "tenfold/systems/system.h"

namespace tenfold::repconc {

systems::Verb make_train_verb();
systems::Verb make_index_verb();
systems::Verb make_search_verb();
systems::Verb make_eval_verb();
systems::Verb make_export_verb();
systems::Verb make_collection_verb();
systems::Verb make_bench_verb();

struct ManyQueries {
  std::string path;     // of an index
  std::string queries;  // folder with queries.jsonl
  search::SearchRequest request;
};
// All queries of a file by codes; text for trec_eval, JSON by query. With several processes each searches its share of the documents.
systems::Outcome search_many(const ManyQueries& request);

}  // namespace tenfold::repconc
