// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/evaluation.h"

#include <ATen/Functions.h>

#include <array>
#include <utility>

#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/search/fusion.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/systems/repconc/index_part.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kDepth = 100;
constexpr std::int64_t kKMeansRounds = 25;

class Evaluation {
 public:
  Evaluation(const EvaluationRequest& request, const Retriever& retriever)
      : request_(request), retriever_(retriever), dimension_(retriever.scoring.dimension()) {}

  std::vector<MethodRow> run() {
    const search::Bm25Index words(request_.corpus.texts, request_.bm25);
    const std::vector<search::Hits> by_words = words.search(request_.queries, kDepth);
    add("bm25", static_cast<double>(words.bytes()) / count(), by_words);
    if (!retriever_.dense.is_empty()) add_untrained(retriever_.dense);
    const std::vector<float> documents = retriever_.encode_documents(request_.corpus.texts);
    add_whole("fine-tuned", documents, own_queries());
    const std::vector<float> queries = retriever_.encode_queries(request_.queries);
    Retriever first = retriever_;
    first.scoring = first.assigning;
    add_codes("repconc-1", build_codes(first, documents, 0), own_queries());
    const search::CodeIndex index = build_codes(retriever_, documents, 0);
    const std::vector<search::Hits> by_codes = index.search(rows(queries), {.k = kDepth});
    const double bytes =
        request_.index_bytes_per_document.value_or(static_cast<double>(index.bytes()) / count());
    add("repconc", bytes, by_codes);
    std::vector<search::Hits> both;
    for (std::size_t i = 0; i < by_codes.size(); ++i)
      both.push_back(
          search::reciprocal_rank_fusion(std::array<search::Hits, 2>{by_words[i], by_codes[i]}, kDepth));
    add("hybrid", bytes + static_cast<double>(words.bytes()) / count(), both);
    return std::move(table_);
  }

 private:
  double count() const { return static_cast<double>(request_.corpus.ids.size()); }
  search::Vectors rows(const std::vector<float>& vectors) const {
    return search::as_vectors(vectors, dimension_);
  }

  void add(const std::string& method, double bytes, const std::vector<search::Hits>& hits) {
    table_.push_back({method, bytes, search::score_rankings(hits, request_.judgements)});
  }

  void add_whole(const std::string& method,
                 const std::vector<float>& documents,
                 const std::vector<float>& queries) {
    const search::FlatIndex index = exact_index(documents, dimension_);
    add(method, 4.0 * static_cast<double>(dimension_), index.search(rows(queries), {.k = kDepth}));
  }

  void add_codes(const std::string& method,
                 const search::CodeIndex& index,
                 const std::vector<float>& queries) {
    add(method, static_cast<double>(index.bytes()) / count(), index.search(rows(queries), {.k = kDepth}));
  }

  // Queries as the encoder of documents sees them: stage 1 and before have one encoder.
  std::vector<float> own_queries() const { return retriever_.encode_documents(request_.queries); }

  void add_untrained(Encoder dense) {
    const auto encode = [&](const std::vector<std::string>& texts) {
      const torch::Tensor vectors = dense->encode((*retriever_.vocabulary)(texts)).contiguous();
      return std::vector<float>(vectors.data_ptr<float>(), vectors.data_ptr<float>() + vectors.numel());
    };
    const std::vector<float> documents = encode(request_.corpus.texts), queries = encode(request_.queries);
    add_whole("dense", documents, queries);
    for (const char* method : {"pq", "opq"}) {
      search::CodeIndex index(search::train_product_quantizer(
          rows(documents),
          {.method = method,
           .bytes = static_cast<std::int64_t>(retriever_.scoring.code_bytes()),
           .bits = static_cast<std::int64_t>(retriever_.scoring.bits()),
           .kmeans_iterations = kKMeansRounds,
           .seed = request_.seed}));
      index.add(rows(documents));
      add_codes(method, index, queries);
    }
  }

  const EvaluationRequest& request_;
  const Retriever& retriever_;
  std::size_t dimension_;
  std::vector<MethodRow> table_;
};

}  // namespace

std::vector<MethodRow> evaluate_methods(const EvaluationRequest& request, const Retriever& retriever) {
  return Evaluation(request, retriever).run();
}

}  // namespace tenfold::repconc
