// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/vector_stages.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/version.h"
#include "tenfold/config/toml.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/systems/repconc/vector_data.h"
#include "tenfold/systems/repconc/vector_retriever.h"

namespace tenfold::repconc {
namespace {

double mean_length(const VectorSet& set) {
  double sum = 0;
  for (std::size_t i = 0; i < set.rows; ++i) {
    double square = 0;
    for (const float value : set.view().row(i)) square += static_cast<double>(value) * value;
    sum += std::sqrt(square);
  }
  return sum / static_cast<double>(set.rows);
}

// One token a text: rows first to first + count - 1 of the table.
retrieval::TokenLists row_tokens(std::size_t first, std::size_t count) {
  retrieval::TokenLists lists;
  for (std::size_t i = first; i < first + count; ++i)
    lists.add(std::vector<std::int64_t>{static_cast<std::int64_t>(i)});
  return lists;
}

class VectorStages {
 public:
  VectorStages(const TrainOptions& options, Path folder, systems::Context& context)
      : options_(options), folder_(std::move(folder)), context_(context) {
    TrainOptions named = options;
    toml_ = config::to_toml(config::Fields(named), "train");
    hash_ = config::hash(config::Fields(named));
    with_queries_ = !options_.vectors.queries.empty() && options_.query_stage.epochs > 0.0;
    check_method();
    documents_ = read_vector_file(options_.data.path, "documents");
    if (!options_.vectors.queries.empty())
      queries_ = read_vector_file(options_.vectors.queries, "queries", documents_.dimension);
    if (!options_.vectors.labels.empty()) check_labels();
  }

  systems::Outcome run() {
    context_.progress(fmt::format("{} from {} documents", options_.vectors.method, documents_.rows));
    std::shared_ptr<const search::Quantizer> quantizer =
        search::train_quantizer(documents_.view(),
                                {.method = options_.vectors.method,
                                 .bytes = options_.bytes,
                                 .bits = options_.bits,
                                 .seed = static_cast<std::int64_t>(context_.seed)});
    VectorRetriever retriever{.assigning = quantizer, .scoring = quantizer};
    nlohmann::json object = {{"method", options_.vectors.method},
                             {"documents", documents_.rows},
                             {"dimension", documents_.dimension},
                             {"bytes_per_document", quantizer->code_bytes()},
                             {"squared_error", search::reconstruction_error(*quantizer, documents_.view())},
                             {"model", (folder_ / "model").string()}};
    std::string text = fmt::format("{}: {} documents of dimension {}, {} bytes each, squared error {:.5g}\n",
                                   options_.vectors.method,
                                   documents_.rows,
                                   documents_.dimension,
                                   quantizer->code_bytes(),
                                   object["squared_error"].get<double>());
    if (with_queries_) {
      const systems::Outcome outcome = train_queries(retriever);
      if (!outcome.shown || outcome.json->value("ended_by", "") == "stopped") return outcome;
      object["query"] = *outcome.json;
      text += outcome.text;
    }
    write(retriever);
    return systems::make_outcome(std::move(object), std::move(text));
  }

 private:
  void check_method() const {
    if (!with_queries_ || options_.vectors.method != "rabitq") return;
    throw Error(ErrorClass::kConfig,
                "vectors.method",
                {.what = "there is nothing to train with queries",
                 .seen = "rabitq, which has no codewords",
                 .wanted = "pq, opq or anisotropic",
                 .remedy = "leave --vectors.queries out, set --query.epochs 0, or choose another method"});
  }

  void check_labels() const {
    if (queries_.rows > 0) return;
    throw Error(ErrorClass::kConfig,
                "vectors.labels",
                {.what = "labels without queries",
                 .wanted = "--vectors.queries",
                 .remedy = "give the file of query vectors"});
  }

  // By query; without labels the nearest document by whole vectors.
  std::vector<std::vector<std::uint32_t>> relevant() const {
    if (!options_.vectors.labels.empty())
      return read_vector_labels(options_.vectors.labels, queries_.rows, documents_.rows);
    std::vector<std::vector<std::uint32_t>> nearest;
    for (const search::Hits& hits : exact_hits(documents_, queries_.view(), 1))
      nearest.push_back({hits[0].row});
    return nearest;
  }

  std::shared_ptr<const retrieval::Corpus> make_corpus() const {
    retrieval::RetrievalData data;
    const auto labels = relevant();
    for (std::size_t i = 0; i < queries_.rows; ++i) {
      data.queries.ids.push_back(std::to_string(i));
      data.queries.texts.emplace_back();
      if (labels[i].empty()) continue;
      const bool valid = is_held_out(i, options_.vectors.valid_share);
      search::BeirSplit& split = data.splits[valid ? "valid" : "train"];
      split.queries.push_back(static_cast<std::uint32_t>(i));
      search::Judgements judgements;
      for (const std::uint32_t row : labels[i]) judgements.push_back({.row = row, .grade = 1});
      split.judgements.push_back(std::move(judgements));
    }
    Sha256 hash;
    hash.update(std::as_bytes(std::span(documents_.values)));
    hash.update(std::as_bytes(std::span(queries_.values)));
    data.content = hash.hex_digest();
    return std::make_shared<const retrieval::Corpus>(
        retrieval::DataOptions{.pseudo_queries = 0, .label_repeats = 1},
        std::move(data),
        row_tokens(0, documents_.rows),
        row_tokens(documents_.rows, queries_.rows));
  }

  retrieval::Encoder make_vector_encoder() const {
    const auto d = static_cast<std::int64_t>(documents_.dimension);
    torch::Tensor table = at::empty({static_cast<std::int64_t>(documents_.rows + queries_.rows), d});
    std::copy(documents_.values.begin(), documents_.values.end(), table.data_ptr<float>());
    std::copy(
        queries_.values.begin(), queries_.values.end(), table.data_ptr<float>() + documents_.values.size());
    const std::shared_ptr<retrieval::EncoderImpl> made = std::make_shared<VectorEncoderImpl>(
        table, static_cast<std::int64_t>(documents_.rows), options_.vectors.hidden);
    return retrieval::Encoder(made);
  }

  QueryOptions query_options() const {
    QueryOptions query = options_.query;
    if (!options_.vectors.labels.empty()) return query;
    query.label_weight = 0.0;
    if (query.distillation_weight == 0.0) query.distillation_weight = 1.0;
    return query;
  }

  systems::Outcome train_queries(VectorRetriever& retriever) {
    training::seed_initial_weights(context_.seed);
    const auto& start = dynamic_cast<const search::ProductQuantizer&>(*retriever.assigning);
    const retrieval::Encoder encoder = make_vector_encoder();
    const retrieval::Encoder teacher = copy_of(encoder);
    JointModule model(encoder, Codebook(start, options_.query.codeword_rate));
    // Codes are the nearest codewords from here on, with any start.
    retriever.assigning = std::make_shared<search::ProductQuantizer>(model->codebook->quantizer());
    // Scores as of unit vectors.
    const retrieval::LossOptions loss{.scale = options_.loss.scale /
                                               (mean_length(queries_) * mean_length(documents_))};
    QueryTask task(make_corpus(), model, teacher, loss, query_options());
    const auto estimator = train::make_gradient_estimator(options_.training.gradient);
    systems::Context context = context_;
    context.out = folder_ / "query";
    const std::string name = options_.training.name.empty() ? "repconc" : options_.training.name;
    systems::Outcome outcome = training::run_training(
        {.system = "repconc", .name = name + " query", .config_toml = toml_, .config_hash = hash_},
        task,
        *estimator,
        training::trainer_of(options_.query_stage),
        context);
    retriever.scoring = std::make_shared<search::ProductQuantizer>(model->codebook->quantizer());
    retriever.queries = std::dynamic_pointer_cast<VectorEncoderImpl>(model->encoder.ptr());
    return outcome;
  }

  void write(const VectorRetriever& retriever) const {
    context_.files->make_directories(folder_);
    io::BundleWriter bundle(*context_.files,
                            folder_ / "model",
                            {.system = "repconc", .created_by = "tenfold " + std::string(version())});
    bundle.add("config.toml", toml_);
    add_vector_members(bundle, retriever);
    bundle.commit();
  }

  TrainOptions options_;
  Path folder_;
  systems::Context& context_;
  std::string toml_, hash_;
  bool with_queries_ = false;
  VectorSet documents_, queries_;
};

}  // namespace

systems::Outcome train_vectors(const TrainOptions& options, const Path& folder, systems::Context& context) {
  return VectorStages(options, folder, context).run();
}

}  // namespace tenfold::repconc
