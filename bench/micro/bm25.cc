// SPDX-License-Identifier: Apache-2.0
// Quality and time of BM25 on a data set in BEIR form, one row a stemmer: time to index, time a query, metrics of the split.
//
//   build/release/bin/bench_bm25 FOLDER [split] [k1] [b]
#include "tenfold/search/bm25.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/search/beir.h"

namespace {

namespace search = tenfold::search;

void run(const std::string& folder, const std::string& split_name, double k1, double b) {
  const auto corpus = search::read_beir_corpus(folder);
  const auto queries = search::read_beir_queries(folder);
  const auto split = search::read_beir_split(folder, split_name, corpus, queries);
  std::vector<std::string> texts;
  for (const auto query : split.queries) texts.push_back(queries.texts[query]);
  fmt::print(
      "{} documents, {} queries of {}, k1 {}, b {}\n", corpus.ids.size(), texts.size(), split_name, k1, b);
  fmt::print("{:8} {:>9} {:>12} {:>7} {:>7} {:>8} {:>10}\n",
             "stemmer",
             "index s",
             "us a query",
             "hits@1",
             "mrr@10",
             "ndcg@10",
             "recall@100");
  for (const char* stemmer : {"none", "s", "light"}) {
    const tenfold::Stopwatch index_clock;
    const search::Bm25Index index(corpus.texts, {.k1 = k1, .b = b, .tokenizer = {.stemmer = stemmer}});
    const double index_seconds = index_clock.cpu_seconds();
    const tenfold::Stopwatch query_clock;
    const auto rankings = index.search(texts, 100);
    const double query_seconds = query_clock.cpu_seconds() / static_cast<double>(texts.size());
    const auto scores = search::score_rankings(rankings, split.judgements);
    fmt::print("{:8} {:9.2f} {:12.1f} {:7.4f} {:7.4f} {:8.4f} {:10.4f}\n",
               stemmer,
               index_seconds,
               1e6 * query_seconds,
               scores.mean("hits@1"),
               scores.mean("mrr@10"),
               scores.mean("ndcg@10"),
               scores.mean("recall@100"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_bm25 FOLDER [split] [k1] [b]\n");
    return 2;
  }
  try {
    run(argv[1],
        argc > 2 ? argv[2] : "test",
        argc > 3 ? tenfold::parse_double(argv[3]).value_or(0.9) : 0.9,
        argc > 4 ? tenfold::parse_double(argv[4]).value_or(0.4) : 0.4);
  } catch (const tenfold::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
