// SPDX-License-Identifier: Apache-2.0
// DSI as a task of the trainer: indexing and retrieval in one mixture (Tay et al., arXiv 2202.06991, section 3.1).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenfold/systems/dsi/examples.h"
#include "tenfold/systems/dsi/model.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/training/task.h"

namespace tenfold::dsi {

class DsiTask final : public training::SystemTask {
 public:
  DsiTask(std::shared_ptr<const retrieval::Corpus> corpus,
          std::shared_ptr<const ExampleDataset> examples,
          DocidModel model,
          double index_weight);

  std::string system_name() const override { return "dsi"; }
  torch::nn::Module& module() override { return *model_; }
  const data::Dataset& train_set() const override { return *examples_; }
  train::StepOutput run(const data::Batch& batch) override;
  std::vector<std::string> splits() const override;
  std::int64_t split_size(const std::string& split) const override;
  // "hits@1", "mrr@10", "recall@10", and "loss": of the first relevant document of each query.
  train::Figures evaluate_split(const std::string& split) override;

 private:
  std::shared_ptr<const retrieval::Corpus> corpus_;
  std::shared_ptr<const ExampleDataset> examples_;
  DocidModel model_;
  double index_weight_;
};

}  // namespace tenfold::dsi
