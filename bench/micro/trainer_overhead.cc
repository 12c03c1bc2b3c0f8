// SPDX-License-Identifier: Apache-2.0
// What the trainer adds to a step: a logistic regression (784 -> 10, 7,850 parameters, batch 64) and a multi-layer perceptron
// (784-1024-1024-10) in the trainer and in a bare loop of forward, backward and optimiser over the same batches, which lie ready on both sides. Blocks of steps
// alternate; medians by wall and CPU time, in microseconds a step. One JSON object a line.
#include <ATen/Functions.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/data/loader.h"
#include "tenfold/train/machine.h"
#include "tenfold/train/trainer.h"

namespace {

using namespace tenfold;

constexpr std::int64_t kRows = 6400, kBatch = 64;

// Hands out batches that were cut beforehand.
class ReadyBatches : public data::Dataset {
 public:
  ReadyBatches() {
    for (std::int64_t i = 0; i < kRows / kBatch; ++i) {
      batches_.push_back({at::rand({kBatch, 784}), at::randint(10, {kBatch}, at::kLong)});
    }
  }
  std::int64_t size() const override { return kRows; }
  data::Batch get(std::span<const std::int64_t> ids, const data::DrawKey&) const override {
    return {.tensors = batches_[static_cast<std::size_t>(ids[0] / kBatch)], .ids = {ids.begin(), ids.end()}};
  }
  std::string fingerprint() const override { return "ready batches"; }

 private:
  std::vector<std::vector<at::Tensor>> batches_;
};

class Classifier : public train::TrainTask {
 public:
  explicit Classifier(std::int64_t hidden) {
    if (hidden == 0) {
      layers_ = torch::nn::Sequential(torch::nn::Linear(784, 10));
    } else {
      layers_ = torch::nn::Sequential(torch::nn::Linear(784, hidden),
                                      torch::nn::ReLU(),
                                      torch::nn::Linear(hidden, hidden),
                                      torch::nn::ReLU(),
                                      torch::nn::Linear(hidden, 10));
    }
  }
  std::string system_name() const override { return "classifier"; }
  torch::nn::Module& module() override { return *layers_; }
  const data::Dataset& train_set() const override { return data_; }
  train::StepOutput run(const data::Batch& batch) override {
    return {.loss =
                torch::nn::functional::cross_entropy(layers_->forward(batch.tensors[0]), batch.tensors[1])};
  }

 private:
  ReadyBatches data_;
  torch::nn::Sequential layers_{nullptr};
};

struct Case {
  std::int64_t hidden = 0;
  std::int64_t steps = 2000;
  bool folder = false;
};

struct Times {
  double wall = 0.0, cpu = 0.0;  // microseconds a step
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Times per_step(double wall_seconds, double cpu_seconds, std::int64_t steps) {
  return {1e6 * wall_seconds / static_cast<double>(steps), 1e6 * cpu_seconds / static_cast<double>(steps)};
}

Times bare(const train::TrainerOptions& options, const Case& test) {
  Classifier task(test.hidden);
  const auto parameters = train::trainable_parameters(task.module());
  const auto optimizer = train::make_optimizer(options.optimizer, parameters);
  data::Loader loader(
      task.train_set(), data::Sampler(kRows, {.batch_size = kBatch, .shuffle = false}), {.threads = 0});
  std::vector<data::Batch> batches;
  for (std::int64_t i = 0; i < kRows / kBatch; ++i) batches.push_back(loader.next().batch);
  const Stopwatch watch;
  for (std::int64_t step = 0; step < test.steps; ++step) {
    for (const auto& parameter : parameters) {
      torch::Tensor value = parameter.value;
      value.mutable_grad().reset();
    }
    task.run(batches[static_cast<std::size_t>(step) % batches.size()]).loss.backward();
    optimizer->step(options.optimizer.learning_rate);
  }
  return per_step(watch.wall_seconds(), watch.cpu_seconds(), test.steps);
}

Times trainer(train::TrainerOptions options, const Case& test) {
  Classifier task(test.hidden);
  options.steps = test.steps;
  const auto backprop = train::make_backprop();
  train::TrainEnvironment environment;
  if (test.folder) environment.folder = std::filesystem::temp_directory_path() / "tenfold-trainer-overhead";
  environment.peak_gflops = 100.0;
  const train::TrainReport report = train::train(task, *backprop, options, environment);
  std::error_code ignored;
  if (test.folder) std::filesystem::remove_all(environment.folder, ignored);
  return per_step(report.wall_seconds, report.cpu_seconds, test.steps);
}

using Measure = std::function<Times()>;

void compare(const char* name, const Measure& without_it, const Measure& with_it, int repeats) {
  std::vector<double> wall, cpu, base_wall, base_cpu;
  for (int i = 0; i < repeats; ++i) {
    const Times without = without_it(), with = with_it();
    wall.push_back(with.wall - without.wall);
    cpu.push_back(with.cpu - without.cpu);
    base_wall.push_back(without.wall);
    base_cpu.push_back(without.cpu);
  }
  std::printf(
      "{\"name\": \"%s\", \"base_us\": %.1f, \"adds_us\": %.1f, \"base_cpu_us\": %.1f, \"adds_cpu_us\": "
      "%.1f}\n",
      name,
      median(base_wall),
      median(wall),
      median(base_cpu),
      median(cpu));
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 9;
  train::set_threads(1);
  train::TrainerOptions plain;
  plain.batch_size = kBatch;
  plain.loader_threads = 0;
  plain.shuffle = false;
  plain.save_every = 0;
  plain.count_flops = false;
  plain.optimizer.name = "sgd";
  plain.optimizer.learning_rate = 0.01;
  train::TrainerOptions counted = plain;
  counted.count_flops = true;
  train::TrainerOptions adamw = plain;
  adamw.optimizer.name = "adamw";
  train::TrainerOptions averaged = adamw;
  averaged.clip_norm = 1.0;
  averaged.ema_decay = 0.99;
  try {
    const Case small, with_folder{.folder = true}, large{.hidden = 1024, .steps = 50};
    const auto loop = [&](const Case& test) { return [&plain, test] { return bare(plain, test); }; };
    const auto run = [&](const train::TrainerOptions& options, const Case& test) {
      return [&options, test] { return trainer(options, test); };
    };
    compare("logistic: loop", loop(small), run(plain, small), repeats);
    compare("logistic: loop, FLOP count", loop(small), run(counted, small), repeats);
    compare("logistic: loop, FLOP count, run folder", loop(small), run(counted, with_folder), repeats);
    compare("logistic: clipping and averages", run(adamw, small), run(averaged, small), repeats);
    compare("MLP: loop", loop(large), run(plain, large), repeats);
    compare("MLP: FLOP count", run(plain, large), run(counted, large), repeats);
  } catch (const tenfold::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
