// SPDX-License-Identifier: Apache-2.0
// Trains five small models on synthetic data and sets three estimates of their compute side by side.
#include "tenfold/train/flop_study.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/flop_meter.h"
#include "tenfold/train/machine.h"
#include "tenfold/train/reference_models.h"
#include "tenfold/train/run_meter.h"

namespace tenfold::train {
namespace {

constexpr int kFewestPairs = 7;

// A model, its data and its optimiser, behind one call.
struct Subject {
  FlopStudyRow row;  // names, sizes and parameters filled in
  std::uint64_t items_per_step = 0;
  ModelFlops step_flops;                // closed form
  std::function<torch::Tensor()> loss;  // forward on the next batch
  std::shared_ptr<torch::optim::Optimizer> optimizer;
};

double train_step(Subject& subject) {
  const torch::Tensor loss = subject.loss();
  loss.backward();
  const OptimizerScope scope(OptimizerScope::Work::kElementwise);
  subject.optimizer->step();
  subject.optimizer->zero_grad();
  return loss.item<double>();
}

template <typename Model>
void set_parameters(Subject& subject, const Model& model) {
  subject.row.parameters = parameter_count(*model);
  subject.row.active_parameters = subject.row.parameters;
  subject.optimizer =
      std::make_shared<torch::optim::Adam>(model->parameters(), torch::optim::AdamOptions(1e-3));
}

torch::Tensor cross_entropy(const torch::Tensor& scores, const torch::Tensor& classes) {
  return at::cross_entropy_loss(scores, classes);
}

// Sequences in which each token determines the next: something a transformer learns in a few steps.
Subject make_gpt(std::string name, const GptOptions& options, std::int64_t batch) {
  const std::int64_t time = options.context;
  Subject subject;
  subject.row.model = std::move(name);
  subject.row.unit = "tokens";
  subject.row.setup = fmt::format("{} layers, d {}, {} heads, T {}, vocabulary {}, batch {}",
                                  options.layers,
                                  options.width,
                                  options.heads,
                                  time,
                                  options.vocabulary,
                                  batch);
  Gpt model(options);
  set_parameters(subject, model);
  subject.row.active_parameters = gpt_active_parameters(options);
  subject.items_per_step = static_cast<std::uint64_t>(batch * time);
  subject.step_flops = gpt_flops(options, batch, time);
  subject.loss = [model, options, batch, time]() mutable {
    const torch::Tensor start = at::randint(options.vocabulary, {batch, 1}, at::kLong);
    const torch::Tensor text = (start + 7 * at::arange(time + 1, at::kLong)).remainder(options.vocabulary);
    const torch::Tensor scores = model->forward(text.slice(1, 0, time));
    return cross_entropy(scores.reshape({batch * time, options.vocabulary}),
                         text.slice(1, 1).reshape({batch * time}));
  };
  return subject;
}

// Class k is noise around the k-th of ten fixed patterns.
std::pair<torch::Tensor, torch::Tensor> noisy_patterns(const torch::Tensor& patterns, std::int64_t batch) {
  const torch::Tensor classes = at::randint(patterns.size(0), {batch}, at::kLong);
  const torch::Tensor examples = patterns.index_select(0, classes);
  return {examples + at::randn_like(examples), classes};
}

Subject make_mlp() {
  constexpr std::int64_t kBatch = 256;
  const MlpOptions options{.inputs = 256, .hidden = {1024, 1024}, .outputs = 10};
  Subject subject;
  subject.row.model = "MLP";
  subject.row.unit = "examples";
  subject.row.setup = fmt::format("256-1024-1024-10, batch {}", kBatch);
  Mlp model(options);
  set_parameters(subject, model);
  subject.items_per_step = kBatch;
  subject.step_flops = mlp_flops(options, kBatch);
  subject.loss = [model, patterns = at::randn({10, options.inputs})]() mutable {
    const auto [x, classes] = noisy_patterns(patterns, kBatch);
    return cross_entropy(model->forward(x), classes);
  };
  return subject;
}

Subject make_lstm() {
  constexpr std::int64_t kBatch = 64, kTime = 16;
  const LstmOptions options{.inputs = 64, .hidden = 512, .layers = 1, .outputs = 10};
  Subject subject;
  subject.row.model = "LSTM";
  subject.row.unit = "tokens";
  subject.row.setup = fmt::format("1 layer, 64 inputs, 512 hidden, T {}, batch {}", kTime, kBatch);
  LstmModel model(options);
  set_parameters(subject, model);
  subject.items_per_step = kBatch * kTime;
  subject.step_flops = lstm_flops(options, kBatch, kTime);
  subject.loss = [model, patterns = at::randn({10, kTime, options.inputs})]() mutable {
    const auto [x, classes] = noisy_patterns(patterns, kBatch);
    return cross_entropy(model->forward(x), classes);
  };
  return subject;
}

Subject make_cnn() {
  constexpr std::int64_t kBatch = 32;
  const SmallCnnOptions options;
  Subject subject;
  subject.row.model = "CNN";
  subject.row.unit = "images";
  subject.row.setup = fmt::format("3 convolutions 3x3, {} to {} channels, {}x{} pixels, batch {}",
                                  options.width,
                                  4 * options.width,
                                  options.image,
                                  options.image,
                                  kBatch);
  SmallCnn model(options);
  set_parameters(subject, model);
  subject.items_per_step = kBatch;
  subject.step_flops = small_cnn_flops(options, kBatch);
  subject.loss = [model,
                  patterns = at::randn({10, options.channels, options.image, options.image})]() mutable {
    const auto [x, classes] = noisy_patterns(patterns, kBatch);
    return cross_entropy(model->forward(x), classes);
  };
  return subject;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

bool stop_requested(const FlopStudyOptions& options) {
  return options.stop != nullptr && options.stop->requested();
}

struct PairedRatio {
  double percent = 0.0, error_percent = 0.0;
};

// Median of with/without over pairs, and its standard error from the median absolute deviation.
PairedRatio paired_ratio(const std::vector<double>& with, const std::vector<double>& without) {
  std::vector<double> ratios, deviations;
  for (std::size_t i = 0; i < with.size(); ++i) ratios.push_back(with[i] / without[i]);
  const double middle = median(ratios);
  for (double ratio : ratios) deviations.push_back(std::abs(ratio - middle));
  // 1.4826 MAD is the standard deviation of a normal sample, sqrt(pi / 2) / sqrt(n) of it the error of its median.
  const double error = 1.4826 * median(deviations) * 1.2533 / std::sqrt(static_cast<double>(ratios.size()));
  return {.percent = 100.0 * (middle - 1.0), .error_percent = 100.0 * error};
}

struct StepTimes {
  std::vector<double> wall, cpu;
};

void timed_step(Subject& subject, StepTimes& times) {
  const Stopwatch watch;
  train_step(subject);
  times.wall.push_back(watch.wall_seconds());
  times.cpu.push_back(watch.cpu_seconds());
}

// Steps with and without a meter in turn, each pair in the other order.
void measure_overhead(Subject& subject, const FlopStudyOptions& options) {
  StepTimes with, without;
  const Stopwatch total;
  FlopMeter meter;
  for (int pair = 0; pair < kFewestPairs || total.wall_seconds() < 0.5 * options.seconds_per_model; ++pair) {
    if (stop_requested(options)) return;
    for (int half = 0; half < 2; ++half) {
      if ((pair + half) % 2 == 0) {
        timed_step(subject, with);
      } else {
        meter.pause();
        timed_step(subject, without);
        meter.resume();
      }
    }
  }
  FlopStudyRow& row = subject.row;
  const PairedRatio wall = paired_ratio(with.wall, without.wall);
  const PairedRatio cpu = paired_ratio(with.cpu, without.cpu);
  row.overhead_pairs = static_cast<int>(with.wall.size());
  row.meter_overhead_percent = wall.percent;
  row.meter_overhead_error_percent = wall.error_percent;
  row.meter_overhead_cpu_percent = cpu.percent;
  row.meter_overhead_cpu_error_percent = cpu.error_percent;
}

// A counted run of half the time; fills the estimates.
void measure_run(Subject& subject, const FlopStudyOptions& options, const FlopStudyReport& report) {
  RunMeterOptions meter_options;
  meter_options.active_parameters = subject.row.active_parameters;
  meter_options.peak_gflops = report.peak_gflops;
  meter_options.assumed_utilisation = report.assumed_utilisation;
  RunMeter meter(std::move(meter_options));
  const Stopwatch total;
  meter.start();
  for (int step = 0; step < kFewestPairs || total.wall_seconds() < 0.5 * options.seconds_per_model; ++step) {
    subject.row.last_loss = train_step(subject);
    meter.step(subject.items_per_step, subject.items_per_step);
    if (stop_requested(options)) break;
  }
  const RunReport run = meter.finish();
  FlopStudyRow& row = subject.row;
  row.steps = run.steps;
  row.items = run.examples;
  row.counted_forward = run.flops.forward;
  row.counted_backward = run.flops.backward;
  row.counted = run.flops.total();
  row.hand_counted = run.steps * subject.step_flops.total();
  row.six_nd = run.flop_6nd.value_or(0.0);
  row.ratio = run.ratio_6nd.value_or(0.0);
  row.seconds = run.wall_seconds;
  row.cpu_seconds = run.cpu_seconds;
  row.utilisation = run.utilisation;
  row.utilisation_cpu = run.utilisation_cpu;
  row.chip_time = run.flop_chip_time;
  row.chip_time_ratio = run.ratio_chip_time;
}

std::vector<std::function<Subject()>> subjects() {
  const GptOptions wide{.vocabulary = 256, .context = 64, .width = 256, .layers = 2, .heads = 4};
  const GptOptions longer{.vocabulary = 64, .context = 512, .width = 64, .layers = 2, .heads = 2};
  return {[wide] { return make_gpt("transformer, d >> T", wide, 8); },
          [longer] { return make_gpt("transformer, long sequences", longer, 2); },
          make_mlp,
          make_lstm,
          make_cnn};
}

// The thread count of the study, put back at the end.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int count) : ours_(thread_count()), torch_(at::get_num_threads()) {
    set_threads(count);
  }
  ~ThreadsGuard() {
    set_threads(torch_);
    set_thread_count(ours_);
  }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int ours_;
  int torch_;
};

}  // namespace

FlopStudyReport run_flop_study(const FlopStudyOptions& options) {
  FlopStudyReport report;
  report.threads = options.threads > 0 ? options.threads : available_cores();
  const ThreadsGuard threads(report.threads);
  report.peak_gflops = measure_gemm({.threads = report.threads}).peak_gflops;
  torch::manual_seed(options.seed);
  for (const auto& make : subjects()) {
    if (stop_requested(options)) break;
    Subject subject = make();
    if (options.progress)
      options.progress(fmt::format("training {} ({})", subject.row.model, subject.row.setup));
    subject.row.first_loss = train_step(subject);
    measure_overhead(subject, options);
    measure_run(subject, options, report);
    report.rows.push_back(std::move(subject.row));
  }
  report.stopped = stop_requested(options);
  return report;
}

}  // namespace tenfold::train
