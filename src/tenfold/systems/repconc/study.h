// SPDX-License-Identifier: Apache-2.0
// The stages in memory, each trained once and shared by everything that starts from it: the experiments behind the claims and the grid of
// docs/repconc.md. stages.h is the same for users, with run folders.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tenfold/base/stop.h"
#include "tenfold/systems/repconc/evaluation.h"
#include "tenfold/systems/repconc/stages.h"

namespace tenfold::repconc {

struct StudyEnvironment {
  std::uint64_t seed = 1;
  const StopToken* stop = nullptr;
  std::function<void(std::string_view)> progress;  // may be null
};

// Not thread-safe. All training methods throw Error(kResource, "reproduce.stopped") when `stop` was requested, and what the trainer
// throws.
class Study {
 public:
  // `options.bytes` is not used: each method names its own.
  Study(std::shared_ptr<const retrieval::Corpus> corpus, TrainOptions options, StudyEnvironment environment);

  const retrieval::Corpus& corpus() const { return *corpus_; }
  const TrainOptions& options() const { return options_; }

  retrieval::Encoder dense();  // stage 0
  // The dense encoder trained on with the options of the joint stage, but without codes: the uncompressed control.
  const Retriever& control();
  const search::ProductQuantizer& start(std::int64_t bytes, const std::string& method = "opq");

  // Stage 1 from a start. Figures of the last step that was logged go to `figures` when it is not null.
  JointModule joint(const search::ProductQuantizer& start,
                    const JointOptions& options,
                    std::map<std::string, double>* figures = nullptr);
  // The same from the OPQ start with the options of the study; trained once.
  const JointModule& joint(std::int64_t bytes);
  // Stage 2 of a model that the joint stage left, or of encoder and codewords as they began.
  Retriever query(const retrieval::Encoder& encoder,
                  const search::ProductQuantizer& assigning,
                  const QueryOptions& options);
  // The model of the joint stage without stage 2.
  Retriever without_query(const JointModule& model) const;

  // All rows of evaluate_methods() with the three baselines, on "test"; the joint and query options are those of the study.
  std::vector<MethodRow> table(std::int64_t bytes);
  // Of a retriever's codes, on "test"; `codes` instead of the nearest codewords when given: [documents, code_bytes].
  search::RankingScores scores(const Retriever& retriever,
                               const std::optional<std::vector<std::uint8_t>>& codes = std::nullopt) const;

 private:
  retrieval::Encoder fresh(const retrieval::Encoder& encoder) const;
  std::map<std::string, double> train(training::SystemTask& task,
                                      const train::TrainerOptions& trainer,
                                      std::uint64_t stage,
                                      const std::string& what);
  search::Bm25Options tuned_bm25();

  std::shared_ptr<const retrieval::Corpus> corpus_;
  TrainOptions options_;
  StudyEnvironment environment_;
  retrieval::Encoder dense_{nullptr};
  std::optional<Retriever> control_;
  std::map<std::pair<std::string, std::int64_t>, search::ProductQuantizer> starts_;
  std::map<std::int64_t, JointModule> joints_;
  std::optional<search::Bm25Options> bm25_;
};

// Texts and labels of a split; nothing when there is none.
LabelledQueries labelled_queries(const retrieval::RetrievalData& data, const std::string& split);

}  // namespace tenfold::repconc
