// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/evaluation.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tenfold/search/faiss_file.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/search/fusion.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/search/rabitq.h"
#include "tenfold/search/rerank_index.h"
#include "tenfold/systems/repconc/counting_files.h"
#include "tenfold/systems/repconc/index_part.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kDepth = 100;
constexpr std::size_t kRerankFactor = 10;  // 1,000 candidates for 100 hits
constexpr int kWeightSteps = 20;           // of the weighted hybrid

// One list alone at either end: a document the other list adds has no say there.
search::Hits weighted(const search::Hits& words, const search::Hits& codes, double weight) {
  if (weight <= 0.0) return words;
  if (weight >= 1.0) return codes;
  return search::weighted_fusion(
      std::array<search::Hits, 2>{words, codes}, kDepth, {.weights = {1.0 - weight, weight}});
}

std::vector<search::Hits> weighted(const std::vector<search::Hits>& words,
                                   const std::vector<search::Hits>& codes,
                                   double weight) {
  std::vector<search::Hits> both;
  for (std::size_t i = 0; i < words.size(); ++i) both.push_back(weighted(words[i], codes[i], weight));
  return both;
}

class Evaluation {
 public:
  Evaluation(const EvaluationRequest& request, const Retriever& retriever, const Baselines& baselines)
      : request_(request),
        retriever_(retriever),
        baselines_(baselines),
        dimension_(retriever.scoring.dimension()),
        words_(request.corpus.texts, request.bm25) {}

  std::vector<MethodRow> run() {
    const std::vector<search::Hits> by_words = words_.search(request_.queries.texts, kDepth);
    add("bm25", 0, words_bytes(), by_words);
    const std::vector<float> documents = retriever_.encode_documents(request_.corpus.texts);
    std::vector<float> dense, dense_queries;
    if (!retriever_.dense.is_empty()) {
      dense = by_dense(request_.corpus.texts);
      dense_queries = by_dense(request_.queries.texts);
      add_whole("dense", dense, dense_queries);
    }
    if (const Retriever* control = baseline("fine-tuned"))
      add_whole("fine-tuned",
                control->encode_documents(request_.corpus.texts),
                control->encode_queries(request_.queries.texts));
    add_whole("joint-whole", documents, own_queries());
    if (!dense.empty()) add_untrained(dense, dense_queries);
    for (const char* name : {"jpq", "distillation"})
      if (const Retriever* other = baseline(name)) add_retriever(name, *other);
    Retriever first = retriever_;
    first.scoring = first.assigning;
    first.queries = first.documents;
    add_codes("repconc-1", build_codes(first, documents, 0), first.encode_queries(request_.queries.texts));
    add_trained(documents, by_words);
    return std::move(table_);
  }

 private:
  double count() const { return static_cast<double>(request_.corpus.ids.size()); }
  double words_bytes() const { return static_cast<double>(words_.bytes()) / count(); }
  search::Vectors rows(const std::vector<float>& vectors) const {
    return search::as_vectors(vectors, dimension_);
  }
  const Retriever* baseline(const std::string& name) const {
    const auto found = baselines_.find(name);
    return found == baselines_.end() ? nullptr : found->second;
  }

  void add(const std::string& method, double code, double bytes, const std::vector<search::Hits>& hits) {
    table_.push_back({method, code, bytes, search::score_rankings(hits, request_.queries.judgements)});
  }

  void add_whole(const std::string& method,
                 const std::vector<float>& documents,
                 const std::vector<float>& queries) {
    const search::FlatIndex index = exact_index(documents, dimension_);
    const double bytes = 4.0 * static_cast<double>(dimension_);
    add(method, bytes, bytes, index.search(rows(queries), {.k = kDepth}));
  }

  void add_codes(const std::string& method,
                 const search::CodeIndex& index,
                 const std::vector<float>& queries) {
    add(method,
        static_cast<double>(index.quantizer().code_bytes()),
        static_cast<double>(faiss_file_bytes(index)) / count(),
        index.search(rows(queries), {.k = kDepth}));
  }

  void add_retriever(const std::string& method, const Retriever& other) {
    add_codes(method,
              build_codes(other, other.encode_documents(request_.corpus.texts), 0),
              other.encode_queries(request_.queries.texts));
  }

  // Queries as the encoder of documents sees them: stage 1 and before have one encoder.
  std::vector<float> own_queries() const { return retriever_.encode_documents(request_.queries.texts); }

  std::vector<float> by_dense(const std::vector<std::string>& texts) const {
    Retriever before = retriever_;
    before.documents = before.dense;
    return before.encode_documents(texts);
  }

  void add_untrained(const std::vector<float>& documents, const std::vector<float>& queries) {
    for (const char* method : {"pq", "opq", "anisotropic"}) {
      search::CodeIndex index(search::train_product_quantizer(
          rows(documents),
          {.method = method,
           .bytes = static_cast<std::int64_t>(retriever_.scoring.code_bytes()),
           .bits = static_cast<std::int64_t>(retriever_.scoring.bits()),
           .seed = request_.seed}));
      index.add(rows(documents));
      add_codes(method, index, queries);
    }
    const search::Rabitq rabitq =
        search::train_rabitq(rows(documents), 1, static_cast<std::uint64_t>(request_.seed));
    std::vector<std::uint8_t> codes(rabitq.code_bytes() * request_.corpus.ids.size());
    rabitq.encode(rows(documents), codes);
    std::vector<float> decoded(documents.size());
    rabitq.decode(codes, decoded);  // its estimate of an inner product is that with this vector
    const double bytes = static_cast<double>(rabitq.code_bytes());
    const double shared = 4.0 * static_cast<double>(dimension_ * (dimension_ + 1)) / count();
    add("rabitq",
        bytes,
        bytes + shared,
        exact_index(decoded, dimension_).search(rows(queries), {.k = kDepth}));
  }

  void add_trained(const std::vector<float>& documents, const std::vector<search::Hits>& by_words) {
    search::CodeIndex index = build_codes(retriever_, documents, 0);
    const std::vector<float> queries = retriever_.encode_queries(request_.queries.texts);
    const std::vector<search::Hits> by_codes = index.search(rows(queries), {.k = kDepth});
    const auto code = static_cast<double>(index.quantizer().code_bytes());
    const double bytes =
        request_.index_bytes_per_document.value_or(static_cast<double>(faiss_file_bytes(index)) / count());
    add("repconc", code, bytes, by_codes);
    const double weight = tuned_weight(index);
    search::Int8Rows second(dimension_);
    second.append(rows(documents));
    const double second_bytes = static_cast<double>(second.bytes()) / count();
    const search::RerankIndex both(std::move(index), std::move(second), kRerankFactor);
    add("rerank", code + second_bytes, bytes + second_bytes, both.search(rows(queries), {.k = kDepth}));
    std::vector<search::Hits> fused;
    for (std::size_t i = 0; i < by_codes.size(); ++i)
      fused.push_back(
          search::reciprocal_rank_fusion(std::array<search::Hits, 2>{by_words[i], by_codes[i]}, kDepth));
    add("hybrid", code, bytes + words_bytes(), fused);
    if (!request_.tuning.texts.empty())
      add("hybrid-weighted", code, bytes + words_bytes(), weighted(by_words, by_codes, weight));
  }

  double tuned_weight(const search::CodeIndex& index) const {
    if (request_.tuning.texts.empty()) return 0;
    const std::vector<search::Hits> by_words = words_.search(request_.tuning.texts, kDepth);
    const std::vector<search::Hits> by_codes =
        index.search(rows(retriever_.encode_queries(request_.tuning.texts)), {.k = kDepth});
    double best = -1, best_weight = 0;
    for (int step = 0; step <= kWeightSteps; ++step) {
      const double weight = static_cast<double>(step) / kWeightSteps;
      const double ndcg =
          search::score_rankings(weighted(by_words, by_codes, weight), request_.tuning.judgements)
              .mean("ndcg@10");
      if (ndcg <= best) continue;
      best = ndcg;
      best_weight = weight;
    }
    return best_weight;
  }

  const EvaluationRequest& request_;
  const Retriever& retriever_;
  const Baselines& baselines_;
  std::size_t dimension_;
  search::Bm25Index words_;
  std::vector<MethodRow> table_;
};

}  // namespace

std::vector<MethodRow> evaluate_methods(const EvaluationRequest& request,
                                        const Retriever& retriever,
                                        const Baselines& baselines) {
  return Evaluation(request, retriever, baselines).run();
}

const MethodRow* find_row(const std::vector<MethodRow>& rows, const std::string& method) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const MethodRow& row) { return row.method == method; });
  return found == rows.end() ? nullptr : &*found;
}

std::vector<MethodComparison> compare_methods(const std::vector<MethodRow>& rows) {
  static constexpr std::array<std::pair<const char*, const char*>, 5> kPairs = {{{"repconc", "opq"},
                                                                                 {"repconc", "jpq"},
                                                                                 {"repconc-1", "opq"},
                                                                                 {"jpq", "opq"},
                                                                                 {"distillation", "opq"}}};
  std::vector<MethodComparison> comparisons;
  for (const auto& [method, against] : kPairs) {
    const MethodRow *a = find_row(rows, against), *b = find_row(rows, method);
    if (a == nullptr || b == nullptr) continue;
    comparisons.push_back(
        {method,
         against,
         search::paired_bootstrap(a->scores.per_query.at("mrr@10"), b->scores.per_query.at("mrr@10"))});
  }
  return comparisons;
}

std::optional<double> gap_closed(const std::vector<MethodRow>& rows, const std::string& method) {
  const MethodRow *opq = find_row(rows, "opq"), *ours = find_row(rows, method);
  const MethodRow* control = find_row(rows, "fine-tuned");
  if (control == nullptr) control = find_row(rows, "joint-whole");
  if (opq == nullptr || ours == nullptr || control == nullptr) return std::nullopt;
  const double gap = control->scores.mean("mrr@10") - opq->scores.mean("mrr@10");
  if (gap <= 0) return std::nullopt;
  return (ours->scores.mean("mrr@10") - opq->scores.mean("mrr@10")) / gap;
}

std::uint64_t faiss_file_bytes(const search::CodeIndex& index) {
  CountingFiles files;
  search::write_faiss(files, "index.faiss", index);
  return files.bytes();
}

}  // namespace tenfold::repconc
