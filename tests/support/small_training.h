// SPDX-License-Identifier: Apache-2.0
// A tiny training run for tests: a classifier of synthetic rows with all that makes resuming hard (dropout, batch norm, a
// state of its own), and helpers that compare what two runs left behind.
#pragma once

#include <ATen/Functions.h>
#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/base/stop.h"
#include "tenfold/data/tensor_dataset.h"
#include "tenfold/train/task.h"

namespace tenfold::train::testing {

constexpr std::int64_t kInputs = 8, kClasses = 3;

struct SmallModel : torch::nn::Module {
  SmallModel(double dropout_rate, bool batch_norm, std::int64_t hidden) : dropout(dropout_rate) {
    first = register_module("first", torch::nn::Linear(kInputs, hidden));
    if (batch_norm) norm = register_module("norm", torch::nn::BatchNorm1d(hidden));
    second = register_module("second", torch::nn::Linear(hidden, kClasses));
  }
  torch::Tensor forward(const torch::Tensor& x) {  // [B, 8] -> [B, 3]
    namespace F = torch::nn::functional;
    torch::Tensor h = first->forward(x);
    if (norm) h = norm->forward(h);
    h = at::relu(h);
    if (dropout > 0.0) h = F::dropout(h, F::DropoutFuncOptions().p(dropout).training(is_training()));
    return second->forward(h);
  }
  double dropout;
  torch::nn::Linear first{nullptr}, second{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

// Rows from counters: the class is the largest of three fixed combinations of the inputs.
inline std::vector<torch::Tensor> synthetic_rows(std::int64_t rows, std::uint64_t seed) {
  torch::Tensor x = at::empty({rows, kInputs}), y = at::empty({rows}, torch::kInt64);
  random::Generator draws(seed, 1);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data_ptr<float>()[i] = static_cast<float>(draws.normal());
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* values = x.data_ptr<float>() + row * kInputs;
    const float scores[kClasses] = {values[0] + values[1], values[2] - values[3], 0.5f * values[4]};
    y.data_ptr<std::int64_t>()[row] = std::max_element(scores, scores + kClasses) - scores;
  }
  return {x, y};
}

struct SmallTaskOptions {
  std::int64_t rows = 100;  // not a multiple of the batch: the last one of an epoch is short
  double dropout = 0.0;
  bool batch_norm = false;
  std::int64_t hidden = 16;
  bool validates = true;
  std::vector<std::int64_t> bad_rows;  // with a NaN
};

class SmallTask : public TrainTask {
 public:
  explicit SmallTask(SmallTaskOptions options = {})
      : options_(std::move(options)),
        train_(with_bad_rows(synthetic_rows(options_.rows, 11), options_.bad_rows)),
        valid_(synthetic_rows(32, 12)) {
    model_ = std::make_shared<SmallModel>(options_.dropout, options_.batch_norm, options_.hidden);
    random::Generator draws(5, 2);
    const torch::NoGradGuard no_grad;
    model_->first->bias.zero_();
    model_->second->bias.zero_();
    for (torch::Tensor& parameter : model_->parameters()) {
      if (parameter.dim() < 2) continue;  // batch norm keeps its ones and zeros
      for (std::int64_t i = 0; i < parameter.numel(); ++i) {
        parameter.data_ptr<float>()[i] = 0.3f * static_cast<float>(draws.normal());
      }
    }
  }

  std::string system_name() const override { return "small"; }
  torch::nn::Module& module() override { return *model_; }
  SmallModel& model() { return *model_; }
  const data::Dataset& train_set() const override { return train_; }

  StepOutput run(const data::Batch& batch) override {
    const torch::Tensor scores = model_->forward(batch.tensors[0]);
    StepOutput output;
    output.loss = torch::nn::functional::cross_entropy(scores, batch.tensors[1]);
    output.metrics.emplace_back("accuracy", accuracy(scores, batch.tensors[1]));
    return output;
  }

  Figures evaluate() override {
    ++evaluations;
    if (!options_.validates) return {};
    const torch::Tensor scores = model_->forward(valid_[0]);
    return {{"loss", torch::nn::functional::cross_entropy(scores, valid_[1]).item<double>()},
            {"accuracy", accuracy(scores, valid_[1]).item<double>()}};
  }

  std::uint64_t tokens(const data::Batch& batch) const override {
    ++steps_begun;
    if (on_step) on_step(steps_begun);
    return static_cast<std::uint64_t>(batch.size());
  }
  std::string save_state() const override { return "{\"own\": " + std::to_string(own_state) + "}"; }
  void load_state(std::string_view text) override {
    own_state = std::stoi(std::string(text.substr(text.find(':') + 1)));
  }

  mutable std::uint64_t steps_begun = 0;             // in this object
  std::function<void(std::uint64_t begun)> on_step;  // at the begin of each
  int evaluations = 0;
  int own_state = 0;

 private:
  static torch::Tensor accuracy(const torch::Tensor& scores, const torch::Tensor& y) {
    return scores.argmax(1).eq(y).to(torch::kFloat32).mean();
  }
  static std::vector<torch::Tensor> with_bad_rows(std::vector<torch::Tensor> tensors,
                                                  const std::vector<std::int64_t>& rows) {
    for (const std::int64_t row : rows) tensors[0][row][0] = std::numeric_limits<float>::quiet_NaN();
    return tensors;
  }

  SmallTaskOptions options_;
  data::TensorDataset train_;
  std::vector<torch::Tensor> valid_;
  std::shared_ptr<SmallModel> model_;
};

// Everything before the last key of a line, which holds what a clock gave.
inline std::vector<std::string> deterministic_lines(const Path& metrics) {
  std::vector<std::string> lines;
  const std::string text = read_text_file(metrics);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    lines.push_back(line.substr(0, line.find(", \"time\": {")));
    at = end + 1;
  }
  return lines;
}

// A folder of its own, removed afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenfold-train-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  Path operator/(const std::string& name) const { return path_ / name; }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace tenfold::train::testing
