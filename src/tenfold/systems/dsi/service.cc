// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <shared_mutex>
#include <utility>

#include "tenfold/systems/dsi/change.h"
#include "tenfold/systems/dsi/ranker.h"
#include "tenfold/systems/dsi/sequence_model.h"
#include "tenfold/systems/predictor.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::dsi {
namespace {

using systems::PredictAnswer;
using systems::PredictItem;
using systems::Tensor;
using systems::TensorType;

// The model, which routes may change while others read.
struct Shared {
  explicit Shared(OpenModel open) : ranker(std::move(open)) {}
  Ranker ranker;
  std::shared_mutex mutex;
};

struct AnswerOptions {
  std::int64_t k = 10;
  std::string method = "dsi";

  void visit_fields(auto&& field) {
    field("k", k, {.help = "documents a text", .min = 1, .max = 1000});
    field("method", method, {.help = "how to search", .choices = rank_method_names()});
  }
};

class DocumentPredictor final : public systems::Predictor {
 public:
  DocumentPredictor(std::shared_ptr<Shared> shared, const std::string& name) : shared_(std::move(shared)) {
    info_.name = name;
    info_.system = "dsi";
    info_.platform = "tenfold_dsi";
    info_.summary = fmt::format("{} documents in the weights of a model", shared_->ranker.open().size());
    info_.inputs = {{.name = "text", .type = TensorType::kBytes, .shape = {1}, .help = "what to look for"}};
    info_.outputs = {
        {.name = "ids", .type = TensorType::kBytes, .shape = {-1}, .help = "documents, best first"},
        {.name = "scores",
         .type = TensorType::kFp32,
         .shape = {-1},
         .help = "logits, log probabilities, or fused"}};
    info_.parameters = systems::parameters_of<AnswerOptions>();
  }

  const systems::PredictorInfo& info() const override { return info_; }
  void warm_up() override {
    shared_->ranker.rank(RankMethod::kDsi, {shared_->ranker.open().corpus.texts.front()}, 1);
  }

  std::vector<PredictAnswer> predict(std::span<const PredictItem> items, Deadline) override {
    const auto& options = *static_cast<const AnswerOptions*>(items.front().parameters.get());
    const auto k = static_cast<std::size_t>(options.k);
    const std::shared_lock lock(shared_->mutex);
    std::vector<PredictAnswer> answers(items.size());
    std::vector<std::string> texts;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string& text = items[i].inputs.front().texts.front();
      try {
        retrieval::query_tokens(*shared_->ranker.open().vocabulary, text);
        texts.push_back(text);
        places.push_back(i);
      } catch (const Error& error) {
        answers[i].error = error;
      }
    }
    if (texts.empty()) return answers;
    const auto hits = shared_->ranker.rank(parse_rank_method(options.method), texts, k);
    for (std::size_t i = 0; i < places.size(); ++i) answers[places[i]].outputs = to_tensors(hits[i], k);
    return answers;
  }

 private:
  // Always k of them, so that rows of a batch have one shape.
  std::vector<Tensor> to_tensors(const search::Hits& hits, std::size_t k) const {
    std::vector<std::string> ids(k);
    std::vector<float> scores(k);
    for (std::size_t i = 0; i < std::min(k, hits.size()); ++i) {
      ids[i] = shared_->ranker.open().corpus.ids[hits[i].row];
      scores[i] = hits[i].score;
    }
    const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(k)};
    return {Tensor::of_texts("ids", shape, std::move(ids)), Tensor::of<float>("scores", shape, scores)};
  }

  std::shared_ptr<Shared> shared_;
  systems::PredictorInfo info_;
};

struct SearchOptions {
  std::string text;
  std::vector<std::string> methods = {"dsi", "bm25", "fusion"};
  std::int64_t k = 10;

  void visit_fields(auto&& field) {
    field("text", text, {.help = "what to look for", .required = true});
    field("methods",
          methods,
          {.help = "ways to search, in the order of the answer", .choices = rank_method_names()});
    field("k", k, {.help = "documents of each", .min = 1, .max = 1000});
  }
};

nlohmann::json side_by_side(const Ranker& ranker, const SearchOptions& options) {
  const OpenModel& open = ranker.open();
  retrieval::query_tokens(*open.vocabulary, options.text);
  nlohmann::json answers = nlohmann::json::array();
  for (const std::string& name : options.methods) {
    const auto begin = std::chrono::steady_clock::now();
    const search::Hits found =
        ranker.rank(parse_rank_method(name), {options.text}, static_cast<std::size_t>(options.k)).front();
    const double microseconds =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    nlohmann::json hits = nlohmann::json::array();
    for (const search::Hit& hit : found)
      hits.push_back({{"id", open.corpus.ids[hit.row]},
                      {"docid", open.docid(hit.row)},
                      {"score", hit.score},
                      {"text", open.corpus.texts[hit.row]}});
    answers.push_back({{"method", name}, {"microseconds", microseconds}, {"hits", std::move(hits)}});
  }
  return {{"text", options.text}, {"documents", open.live.count()}, {"answers", std::move(answers)}};
}

struct TreeOptions {
  std::string text;
  std::int64_t beams = 10;

  void visit_fields(auto&& field) {
    field("text", text, {.help = "what to look for", .required = true});
    field("beams", beams, {.help = "hypotheses that go on", .min = 1, .max = 64});
  }
};

// The beam as a tree of prefixes; with atomic identifiers its only level are the documents themselves.
nlohmann::json beam_tree(const Ranker& ranker, const TreeOptions& options) {
  const OpenModel& open = ranker.open();
  nlohmann::json nodes = nlohmann::json::array();
  if (is_atomic(open.options)) {
    const auto hits =
        ranker.rank(RankMethod::kDsi, {options.text}, static_cast<std::size_t>(options.beams)).front();
    for (const search::Hit& hit : hits)
      nodes.push_back({{"parent", -1},
                       {"prefix", open.corpus.ids[hit.row]},
                       {"document", open.corpus.ids[hit.row]},
                       {"score", hit.score},
                       {"kept", true}});
    return {{"text", options.text}, {"scheme", open.options.docid.scheme}, {"nodes", std::move(nodes)}};
  }
  const std::vector<std::int64_t> tokens = retrieval::query_tokens(*open.vocabulary, options.text);
  retrieval::TokenLists list;
  list.add(tokens);
  auto& model = dynamic_cast<SequenceModelImpl&>(*DocidModel(open.model));
  const std::vector<BeamTreeNode> tree = model.tree(list, {.beams = options.beams, .allowed = &open.live});
  std::vector<std::vector<std::uint32_t>> prefixes;
  for (const BeamTreeNode& node : tree) {
    std::vector<std::uint32_t> prefix;
    if (node.parent >= 0) prefix = prefixes[static_cast<std::size_t>(node.parent)];
    prefix.push_back(node.token);
    prefixes.push_back(prefix);
    nlohmann::json one = {{"parent", node.parent},
                          {"prefix", open.scheme->text(prefix)},
                          {"score", node.log_probability},
                          {"kept", node.kept}};
    if (node.token == kEndToken) one["document"] = open.corpus.ids[node.document];
    nodes.push_back(std::move(one));
  }
  return {{"text", options.text}, {"scheme", open.options.docid.scheme}, {"nodes", std::move(nodes)}};
}

struct AddRouteOptions {
  std::string id, text;

  void visit_fields(auto&& field) {
    field("id", id, {.help = "of the new document", .required = true});
    field("text", text, {.help = "its words", .required = true});
  }
};

struct DeleteRouteOptions {
  std::string id;
  bool restore = false;

  void visit_fields(auto&& field) {
    field("id", id, {.help = "of the document", .required = true});
    field("restore", restore, {.help = "bring it back instead"});
  }
};

struct NoOptions {
  void visit_fields(auto&&) {}
};

nlohmann::json add_one(Ranker& ranker, const AddRouteOptions& options) {
  search::BeirCorpus document;
  document.ids = {options.id};
  document.texts = {options.text};
  document.titles = {""};
  const AddReport report = add_documents(ranker.open(), document, {}, 1, nullptr);
  return {{"documents", ranker.open().live.count()},
          {"method", report.method},
          {"milliseconds", report.milliseconds_each},
          {"found_first", report.found_first}};
}

void add_routes(const std::shared_ptr<Shared>& shared, systems::Service& service) {
  service.routes.push_back(
      systems::make_route<SearchOptions>("search",
                                         "several ways to search side by side, each with its time",
                                         false,
                                         [shared](const SearchOptions& options, systems::RouteContext&) {
                                           const std::shared_lock lock(shared->mutex);
                                           return side_by_side(shared->ranker, options);
                                         }));
  service.routes.push_back(systems::make_route<TreeOptions>(
      "tree",
      "the beam of a query as a tree of identifier prefixes with log probabilities",
      false,
      [shared](const TreeOptions& options, systems::RouteContext&) {
        const std::unique_lock lock(shared->mutex);  // the module is asked directly
        return beam_tree(shared->ranker, options);
      }));
  service.routes.push_back(
      systems::make_route<AddRouteOptions>("add",
                                           "add a document to the model that is served (not to its file)",
                                           false,
                                           [shared](const AddRouteOptions& options, systems::RouteContext&) {
                                             const std::unique_lock lock(shared->mutex);
                                             return add_one(shared->ranker, options);
                                           }));
  service.routes.push_back(systems::make_route<DeleteRouteOptions>(
      "delete",
      "delete a document of the model that is served, or bring it back (not in its file)",
      false,
      [shared](const DeleteRouteOptions& options, systems::RouteContext&) {
        const std::unique_lock lock(shared->mutex);
        set_live(shared->ranker.open(), {options.id}, options.restore);
        return nlohmann::json{{"documents", shared->ranker.open().live.count()}};
      }));
  service.routes.push_back(
      systems::make_route<NoOptions>("about",
                                     "number of documents and scheme of their identifiers",
                                     false,
                                     [shared](const NoOptions&, systems::RouteContext&) {
                                       const std::shared_lock lock(shared->mutex);
                                       const OpenModel& open = shared->ranker.open();
                                       return nlohmann::json{{"documents", open.live.count()},
                                                             {"deleted", open.size() - open.live.count()},
                                                             {"scheme", open.options.docid.scheme},
                                                             {"wide", open.options.model.wide},
                                                             {"dual", !open.dual.is_empty()}};
                                     }));
}

}  // namespace

systems::Service open_service(const io::BundleReader& bundle, const std::string& name) {
  const auto shared = std::make_shared<Shared>(open_model(bundle));
  systems::Service service{std::make_shared<DocumentPredictor>(shared, name), {}};
  add_routes(shared, service);
  return service;
}

}  // namespace tenfold::dsi
