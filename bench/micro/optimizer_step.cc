// SPDX-License-Identifier: Apache-2.0
// Time of one optimiser step over ten million float parameters: LibTorch's class, ours, and the floor, which is a loop that
// reads and writes the same arrays and adds one number, scaled to the bytes a parameter that a method must move. Interleaved, medians, CPU time beside wall time; ratios are of CPU time.
//
//   build/release/bin/bench_optimizer_step [threads] [repeats] [optimiser]
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/libtorch_optimizer.h"
#include "tenfold/train/machine.h"
#include "tenfold/train/optimizer.h"
#include "tenfold/train/work_list.h"

#if defined(__x86_64__)
#define TENFOLD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TENFOLD_CLONES
#endif

namespace {

using tenfold::train::NamedParameter;
using tenfold::train::Optimizer;
using tenfold::train::OptimizerOptions;

// Three transformer layers of width 512 and a table of 1,000 words.
std::vector<NamedParameter> make_parameters() {
  std::vector<NamedParameter> parameters;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    parameters.push_back({name, at::randn(shape).mul_(0.02).requires_grad_(true)});
    parameters.back().value.mutable_grad() = at::randn(shape);
  };
  add("words", {1000, 512});
  for (int layer = 0; layer < 3; ++layer) {
    const std::string prefix = fmt::format("layer{}.", layer);
    for (const char* name :
         {"norm1.gain", "norm1.bias", "norm2.gain", "norm2.bias", "out.bias", "down.bias"}) {
      add(prefix + name, {512});
    }
    add(prefix + "qkv.weight", {1536, 512});
    add(prefix + "qkv.bias", {1536});
    add(prefix + "out.weight", {512, 512});
    add(prefix + "up.weight", {2048, 512});
    add(prefix + "up.bias", {2048});
    add(prefix + "down.weight", {512, 2048});
  }
  return parameters;
}

TENFOLD_CLONES void touch(float* p, const float* g, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) p[i] += g[i];
}
TENFOLD_CLONES void touch(float* p, float* m, const float* g, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    p[i] += g[i];
    m[i] += g[i];
  }
}
TENFOLD_CLONES void touch(float* p, float* m, float* v, const float* g, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    p[i] += g[i];
    m[i] += g[i];
    v[i] += g[i];
  }
}

// Reads and writes the parameters and `moments` arrays beside each, and reads the gradients.
class Floor {
 public:
  explicit Floor(int moments) : moments_(moments), parameters_(make_parameters()) {
    std::vector<std::size_t> sizes;
    for (const auto& parameter : parameters_) {
      sizes.push_back(static_cast<std::size_t>(parameter.value.numel()));
      for (auto& set : state_) set.push_back(at::zeros_like(parameter.value.detach()));
    }
    work_ = tenfold::train::WorkList(sizes);
  }
  void step() const {
    work_.run([&](std::size_t, const tenfold::train::WorkList::Piece& piece) {
      const auto at = [&](const at::Tensor& tensor) { return tensor.data_ptr<float>() + piece.begin; };
      float* p = at(parameters_[piece.array].value);
      const float* g = at(parameters_[piece.array].value.grad());
      float* m = at(state_[0][piece.array]);
      float* v = at(state_[1][piece.array]);
      if (moments_ == 0) touch(p, g, piece.size);
      if (moments_ == 1) touch(p, m, g, piece.size);
      if (moments_ == 2) touch(p, m, v, g, piece.size);
    });
  }
  double count() const {
    double total = 0.0;
    for (const auto& parameter : parameters_) total += static_cast<double>(parameter.value.numel());
    return total;
  }
  double bytes() const { return 4.0 * (3 + 2 * moments_); }  // a parameter

 private:
  int moments_;
  std::vector<NamedParameter> parameters_;
  std::vector<at::Tensor> state_[2];
  tenfold::train::WorkList work_;
};

struct Times {
  std::vector<double> wall, cpu;
  void measure(const std::function<void()>& body) {
    const tenfold::Stopwatch watch;
    body();
    wall.push_back(1e3 * watch.wall_seconds());
    cpu.push_back(1e3 * watch.cpu_seconds());
  }
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
};

struct Setup {
  const char* title;
  OptimizerOptions options;
  int moments;   // arrays that the floor touches beside the parameters
  double bytes;  // a parameter, of an implementation that cannot keep the arrays in the cache
  bool in_libtorch;
};

std::vector<Setup> setups() {
  std::vector<Setup> all;
  const auto add = [&](const char* title, const char* name, int moments, double bytes, bool in_libtorch) {
    all.push_back({title, {}, moments, bytes, in_libtorch});
    all.back().options.name = name;
    all.back().options.weight_decay = 0.01;
  };
  add("sgd", "sgd", 0, 12, true);
  add("sgd, momentum", "sgd", 1, 20, true);
  all.back().options.momentum = 0.9;
  add("adam", "adam", 2, 28, true);
  add("adamw", "adamw", 2, 28, true);
  add("lazy_adam, dense", "lazy_adam", 2, 28, false);
  add("lamb", "lamb", 2, 40, false);            // the norms are known only after all moments are
  add("adafactor", "adafactor", 2, 24, false);  // three times the gradient, twice the value
  all.back().options.beta1 = 0.0;
  add("adafactor, m1", "adafactor", 2, 32, false);
  return all;
}

void run(const Setup& setup, int repeats) {
  const auto ours_parameters = make_parameters(), theirs_parameters = make_parameters();
  const auto ours = tenfold::train::make_optimizer(setup.options, ours_parameters);
  std::unique_ptr<Optimizer> theirs;
  if (setup.in_libtorch) theirs = tenfold::train::make_libtorch_optimizer(setup.options, theirs_parameters);
  const Floor floor(setup.moments);
  Times our_times, their_times, floor_times;
  for (int i = -2; i < repeats; ++i) {
    if (i == 0) our_times = their_times = floor_times = {};  // what came before was warming up
    if (theirs) their_times.measure([&] { theirs->step(1e-4); });
    our_times.measure([&] { ours->step(1e-4); });
    floor_times.measure([&] { floor.step(); });
  }
  for (auto* times : {&floor_times.wall, &floor_times.cpu}) {
    for (double& milliseconds : *times) milliseconds *= setup.bytes / floor.bytes();
  }
  const auto wall = [](const Times& times) { return Times::median(times.wall); };
  const auto cpu = [](const Times& times) { return Times::median(times.cpu); };
  const auto ratio = [&](const Times& times) { return cpu(times) / cpu(floor_times); };
  const auto text = [&](double value) { return theirs ? fmt::format("{:.2f}", value) : std::string("-"); };
  fmt::print("{:<17}{:>6}{:>9}{:>8}{:>9.2f}{:>8.2f}{:>9.2f}{:>8.2f}{:>11}{:>9.2f}{:>11.1f}\n",
             setup.title,
             setup.bytes,
             text(theirs ? wall(their_times) : 0.0),
             text(theirs ? cpu(their_times) : 0.0),
             wall(our_times),
             cpu(our_times),
             wall(floor_times),
             cpu(floor_times),
             text(theirs ? ratio(their_times) : 0.0),
             ratio(our_times),
             setup.bytes * floor.count() / cpu(floor_times) * 1e-6);
}

}  // namespace

int main(int argc, char** argv) {
  tenfold::train::set_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 21;
  fmt::print("ten million float parameters, ms a step (wall, CPU); {} thread(s), medians of {}\n",
             tenfold::thread_count(),
             repeats);
  fmt::print("{:<17}{:>6}{:>9}{:>8}{:>9}{:>8}{:>9}{:>8}{:>11}{:>9}{:>11}\n",
             "optimiser",
             "B/par.",
             "LibTorch",
             "CPU",
             "ours",
             "CPU",
             "floor",
             "CPU",
             "LT/floor",
             "ours/fl.",
             "GB/CPU s");
  for (const Setup& setup : setups()) {
    if (argc <= 3 || setup.options.name == argv[3]) run(setup, repeats);
  }
  return 0;
}
