// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tenfold/systems/predictor.h"
#include "tenfold/systems/repconc/searcher.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/retrieval/runtime/documents.h"

namespace tenfold::repconc {
namespace {

using systems::PredictAnswer;
using systems::PredictItem;
using systems::Tensor;
using systems::TensorType;

struct AnswerOptions {
  std::int64_t k = 10;
  std::string method = "codes";

  void visit_fields(auto&& field) {
    field("k", k, {.help = "documents a text", .min = 1, .max = 1000});
    field("method", method, {.help = "how to search", .choices = search_method_names()});
  }
};

systems::PredictorInfo info_of(const std::string& name, std::string summary) {
  systems::PredictorInfo info;
  info.name = name;
  info.system = "repconc";
  info.platform = "tenfold_repconc";
  info.summary = std::move(summary);
  info.inputs = {{.name = "text", .type = TensorType::kBytes, .shape = {1}, .help = "what to look for"}};
  return info;
}

// Documents for texts.
class IndexPredictor final : public systems::Predictor {
 public:
  IndexPredictor(std::shared_ptr<const Searcher> searcher, const std::string& name)
      : searcher_(std::move(searcher)),
        info_(info_of(name,
                      fmt::format("{} documents in {} bytes each, searched by a text",
                                  searcher_->index().codes->live(),
                                  searcher_->index().codes->quantizer().code_bytes()))) {
    info_.outputs = {
        {.name = "ids", .type = TensorType::kBytes, .shape = {-1}, .help = "documents, best first"},
        {.name = "scores",
         .type = TensorType::kFp32,
         .shape = {-1},
         .help = "inner products; BM25's; fused"}};
    info_.parameters = systems::parameters_of<AnswerOptions>();
  }

  const systems::PredictorInfo& info() const override { return info_; }
  // Any text will do, also one without known words.
  void warm_up() override {
    const OpenIndex& index = searcher_->index();
    const std::vector<float> query = index.retriever.encode_queries({"warm"});
    index.codes->search(search::as_vectors(query, index.codes->dimension()), {.k = 1});
  }

  std::vector<PredictAnswer> predict(std::span<const PredictItem> items, Deadline) override {
    const auto& options = *static_cast<const AnswerOptions*>(items.front().parameters.get());
    const SearchMethod method = parse_search_method(options.method);
    const auto k = static_cast<std::size_t>(options.k);
    std::vector<PredictAnswer> answers;
    for (const PredictItem& item : items) {
      try {
        answers.push_back({to_tensors(searcher_->hits(method, item.inputs.front().texts.front(), k), k), {}});
      } catch (const Error& error) {
        answers.push_back({{}, error});
      }
    }
    return answers;
  }

 private:
  // Always k of them, so that rows of a batch have one shape.
  std::vector<Tensor> to_tensors(const search::Hits& hits, std::size_t k) const {
    std::vector<std::string> ids(k);
    std::vector<float> scores(k);
    for (std::size_t i = 0; i < std::min(k, hits.size()); ++i) {
      ids[i] = searcher_->index().corpus.ids[hits[i].row];
      scores[i] = hits[i].score;
    }
    const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(k)};
    return {Tensor::of_texts("ids", shape, std::move(ids)), Tensor::of<float>("scores", shape, scores)};
  }

  std::shared_ptr<const Searcher> searcher_;
  systems::PredictorInfo info_;
};

struct VectorAnswerOptions {
  std::int64_t k = 10, probes = 0, candidates = 0;

  void visit_fields(auto&& field) {
    field("k", k, {.help = "documents a vector", .min = 1, .max = 1000});
    field("probes", probes, {.help = "lists to look into; 0: a tenth of them", .min = 0, .max = 1e7});
    field("candidates",
          candidates,
          {.help = "documents that a walk through the graph keeps in sight; 0: 64", .min = 0, .max = 1e6});
  }
};

// Documents, as rows, for vectors.
class VectorPredictor final : public systems::Predictor {
 public:
  VectorPredictor(std::shared_ptr<const OpenVectorIndex> open, const std::string& name)
      : open_(std::move(open)),
        info_(info_of(name,
                      fmt::format("{} documents given as vectors, in {} bytes each, searched by a vector",
                                  open_->codes.size(),
                                  open_->codes.code_bytes()))) {
    info_.inputs = {{.name = "vector",
                     .type = TensorType::kFp32,
                     .shape = {static_cast<std::int64_t>(open_->retriever.dimension())},
                     .help = "of the query, by what encoded the documents"}};
    info_.outputs = {{.name = "rows",
                      .type = TensorType::kInt64,
                      .shape = {-1},
                      .help = "documents, best first: rows of the file they came from; -1: no more"},
                     {.name = "scores", .type = TensorType::kFp32, .shape = {-1}, .help = "inner products"}};
    info_.parameters = systems::parameters_of<VectorAnswerOptions>();
  }

  const systems::PredictorInfo& info() const override { return info_; }

  std::vector<PredictAnswer> predict(std::span<const PredictItem> items, Deadline) override {
    const auto& options = *static_cast<const VectorAnswerOptions*>(items.front().parameters.get());
    std::vector<PredictAnswer> answers;
    for (const PredictItem& item : items) {
      try {
        answers.push_back({answer(item.inputs.front().values<float>(), options), {}});
      } catch (const Error& error) {
        answers.push_back({{}, error});
      }
    }
    return answers;
  }

 private:
  std::vector<Tensor> answer(std::span<const float> vector, const VectorAnswerOptions& options) const {
    const search::Vectors query(vector.data(), 1, vector.size());
    search::check_vectors(query, open_->retriever.dimension(), "queries");
    const std::vector<float> mapped = open_->retriever.map_queries(query);
    const auto k = static_cast<std::size_t>(options.k);
    const search::Hits hits = open_->codes
                                  .search(search::as_vectors(mapped, vector.size()),
                                          {.k = k,
                                           .probes = static_cast<std::size_t>(options.probes),
                                           .candidates = static_cast<std::size_t>(options.candidates)})
                                  .front();
    std::vector<std::int64_t> rows(k, -1);
    std::vector<float> scores(k);
    for (std::size_t i = 0; i < hits.size(); ++i) {
      rows[i] = hits[i].row;
      scores[i] = hits[i].score;
    }
    return {Tensor::of<std::int64_t>("rows", {options.k}, rows),
            Tensor::of<float>("scores", {options.k}, scores)};
  }

  std::shared_ptr<const OpenVectorIndex> open_;
  systems::PredictorInfo info_;
};

// Vectors and codes for texts.
class EncoderPredictor final : public systems::Predictor {
 public:
  EncoderPredictor(Retriever retriever, const std::string& name)
      : retriever_(std::move(retriever)), info_(info_of(name, "turns a text into a vector and its code")) {
    info_.outputs = {{.name = "vector",
                      .type = TensorType::kFp32,
                      .shape = {static_cast<std::int64_t>(retriever_.scoring.dimension())},
                      .help = "of a document, length 1"},
                     {.name = "codes",
                      .type = TensorType::kUint8,
                      .shape = {static_cast<std::int64_t>(retriever_.scoring.code_bytes())},
                      .help = "as the index keeps them"}};
  }

  const systems::PredictorInfo& info() const override { return info_; }

  std::vector<PredictAnswer> predict(std::span<const PredictItem> items, Deadline) override {
    std::vector<std::string> texts;
    for (const PredictItem& item : items) texts.push_back(item.inputs.front().texts.front());
    const std::vector<float> vectors = retriever_.encode_documents(texts);
    const std::vector<std::uint8_t> codes = retriever_.codes(vectors);
    const std::size_t d = retriever_.scoring.dimension(), bytes = retriever_.scoring.code_bytes();
    std::vector<PredictAnswer> answers;
    for (std::size_t i = 0; i < items.size(); ++i) {
      answers.push_back(
          {{Tensor::of<float>("vector", info_.outputs[0].shape, std::span(vectors).subspan(i * d, d)),
            Tensor::of<std::uint8_t>(
                "codes", info_.outputs[1].shape, std::span(codes).subspan(i * bytes, bytes))},
           {}});
    }
    return answers;
  }

 private:
  Retriever retriever_;
  systems::PredictorInfo info_;
};

struct SideBySideOptions {
  std::string text;
  std::vector<std::string> methods = {"bm25", "exact", "codes"};
  std::int64_t k = 10;
  std::int64_t bytes = 0;

  void visit_fields(auto&& field) {
    field("text", text, {.help = "what to look for", .required = true});
    field("methods",
          methods,
          {.help = "ways to search, in the order of the answer", .choices = search_method_names()});
    field("k", k, {.help = "documents of each", .min = 1, .max = 1000});
    field(
        "bytes",
        bytes,
        {.help =
             "of a document's code; 0: as the index has them, else codes by OPQ for comparison, trained when "
             "first asked for",
         .min = 0,
         .max = 65536});
  }
};

nlohmann::json side_by_side(const Searcher& searcher, const SideBySideOptions& options) {
  const search::BeirCorpus& corpus = searcher.index().corpus;
  nlohmann::json answers = nlohmann::json::array();
  for (const std::string& name : options.methods) {
    const SearchAnswer answer = searcher.answer(
        parse_search_method(name), options.text, static_cast<std::size_t>(options.k), options.bytes);
    nlohmann::json hits = nlohmann::json::array();
    for (const search::Hit& hit : answer.hits)
      hits.push_back({{"id", corpus.ids[hit.row]}, {"score", hit.score}, {"text", corpus.texts[hit.row]}});
    answers.push_back({{"asked", name},
                       {"method", answer.method},
                       {"bytes_per_document", answer.bytes_per_document},
                       {"microseconds", answer.microseconds},
                       {"hits", std::move(hits)}});
  }
  return {
      {"text", options.text}, {"documents", searcher.index().codes->live()}, {"answers", std::move(answers)}};
}

struct NoOptions {
  void visit_fields(auto&&) {}
};

systems::ApiRoute about_route(nlohmann::json about) {
  return systems::make_route<NoOptions>(
      "about",
      "number of documents, size of their codes, what they were made of, sizes that search can compare",
      false,
      [about = std::move(about)](const NoOptions&, systems::RouteContext&) { return about; });
}

systems::Service vector_service(const io::BundleReader& bundle, const std::string& name) {
  const auto open = std::make_shared<OpenVectorIndex>(open_vector_index(bundle));
  open->codes.own_codes();
  systems::Service service{std::make_shared<VectorPredictor>(open, name), {}};
  service.routes.push_back(about_route({{"content", "vectors"},
                                        {"documents", open->codes.size()},
                                        {"dimension", open->retriever.dimension()},
                                        {"bytes_per_document", open->codes.code_bytes()},
                                        {"maps_queries", open->retriever.queries != nullptr}}));
  return service;
}

systems::Service index_service(const io::BundleReader& bundle, const std::string& name) {
  OpenIndex open = open_index(bundle);
  open.codes->own_codes();  // a server answers from what it opened, whatever becomes of the file
  const auto searcher = std::make_shared<const Searcher>(std::move(open));
  systems::Service service{std::make_shared<IndexPredictor>(searcher, name), {}};
  service.routes.push_back(systems::make_route<SideBySideOptions>(
      "search",
      "several ways to search side by side, each with its bytes and time",
      false,
      [searcher](const SideBySideOptions& options, systems::RouteContext&) {
        return side_by_side(*searcher, options);
      }));
  const nlohmann::json about = {{"content", "texts"},
                                {"documents", searcher->index().codes->live()},
                                {"dimension", searcher->index().codes->dimension()},
                                {"bytes_per_document", searcher->index().codes->quantizer().code_bytes()},
                                {"sizes", searcher->sizes()},
                                {"fingerprint", searcher->documents_fingerprint()}};
  service.routes.push_back(about_route(about));
  return service;
}

}  // namespace

systems::Service open_service(const io::BundleReader& bundle, const std::string& name) {
  if (bundle.has(retrieval::kDocumentsMember)) return index_service(bundle, name);
  if (is_vector_bundle(bundle) && bundle.has("index.safetensors")) return vector_service(bundle, name);
  return {std::make_shared<EncoderPredictor>(open_retriever(bundle), name), {}};
}

}  // namespace tenfold::repconc
