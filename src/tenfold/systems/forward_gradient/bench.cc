// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/bench.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/report/peer_process.h"
#include "tenfold/systems/forward_gradient/bench_methods.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/systems/forward_gradient/models.h"
#include "tenfold/train/machine.h"

namespace tenfold::forward_gradient {
namespace {

constexpr int kPeerLimitSeconds = 180;
constexpr double kMilli = 1e3;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

struct Times {
  std::vector<double> wall, cpu;  // of a step, one entry a repeat
};

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { train::set_threads(count); }
  ~Threads() { train::set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// PyTorch in a process of its own; it is dropped with the reason when it fails.
class Peer {
 public:
  explicit Peer(const BenchOptions& options) {
    if (!options.peer || options.peer_script.empty()) {
      note_ = "peer not asked for";
      return;
    }
    guard("no peer: ", [&] {
      process_ =
          std::make_unique<report::PeerProcess>(std::vector<std::string>{options.python,
                                                                         options.peer_script.string(),
                                                                         std::to_string(options.batch),
                                                                         std::to_string(options.threads)});
      const auto hello = nlohmann::json::parse(process_->read_line(kPeerLimitSeconds));
      note_ = fmt::format("PyTorch {}, BLAS kernel {}, threads {}",
                          hello.at("torch").get<std::string>(),
                          hello.at("blas_kernel").get<std::string>(),
                          hello.at("threads").get<int>());
    });
  }

  const std::string& note() const { return note_; }
  bool alive() const { return process_ != nullptr; }

  // Finds the faster memory format and how many steps fill a repeat.
  void prepare(const std::string& model, const std::string& method, double seconds) {
    guard("peer lost: ", [&] {
      Setup best;
      double least = 0.0;
      for (const char* layout : {"contiguous", "channels_last"}) {
        const Setup setup{layout, 1};
        ask(model, method, setup);
        const double taken = std::min(ask(model, method, setup).second, ask(model, method, setup).second);
        if (best.layout.empty() || taken < least) {
          best = setup;
          least = taken;
        }
      }
      best.steps = std::clamp(static_cast<int>(seconds / std::max(least, 1e-7)), 1, 100000);
      setups_[method] = best;
    });
  }

  void time(const std::string& model, const std::string& method, Times& times) {
    guard("peer lost: ", [&] {
      const auto [wall, cpu] = ask(model, method, setups_.at(method));
      times.wall.push_back(wall);
      times.cpu.push_back(cpu);
    });
  }

 private:
  struct Setup {
    std::string layout;
    int steps = 1;
  };

  std::pair<double, double> ask(const std::string& model, const std::string& method, const Setup& setup) {
    process_->write_line(
        nlohmann::json{{"model", model}, {"method", method}, {"steps", setup.steps}, {"layout", setup.layout}}
            .dump());
    const auto answer = nlohmann::json::parse(process_->read_line(kPeerLimitSeconds));
    return {answer.at("wall").get<double>(), answer.at("cpu").get<double>()};
  }

  template <typename Body>
  void guard(const char* what, const Body& body) {
    if (!process_ && note_ != "") return;
    try {
      body();
    } catch (const Error& error) {
      process_.reset();
      note_ = what + error.text().seen + " (install python3-torch, or leave the peer out)";
    } catch (const nlohmann::json::exception&) {
      process_.reset();
      note_ = std::string(what) + "its answer is not JSON";
    }
  }

  std::unique_ptr<report::PeerProcess> process_;
  std::string note_;
  std::map<std::string, Setup> setups_;
};

const char* kind_name(MethodKind kind) {
  return kind == MethodKind::kLoss ? "loss" : kind == MethodKind::kBackprop ? "backprop" : "forward";
}

void poll(const StopToken* stop) {
  if (stop == nullptr || !stop->requested()) return;
  throw Error(ErrorClass::kResource,
              "forward_gradient.stopped",
              {.what = "the benchmark was stopped before its end",
               .seen = "a stop request",
               .wanted = "all repeats",
               .remedy = "run it again"});
}

// One model: all methods and the peer's, in turn.
class ModelBench {
 public:
  ModelBench(const BenchOptions& options, const std::string& model, Peer& peer)
      : options_(options),
        model_(model),
        peer_(peer),
        methods_(make_methods(model, options.batch, options.seed)) {
    for (const char* method : {"loss", "backprop", "dual_gaussian", "dual_rademacher"}) {
      peer_.prepare(model_, method, options_.seconds_per_repeat);
      peer_times_[method];
    }
    steps_.resize(methods_.size());
    times_.resize(methods_.size());
    for (std::size_t i = 0; i < methods_.size(); ++i) calibrate(i);
  }

  void repeat() {
    for (std::size_t i = 0; i < methods_.size(); ++i) {
      poll(options_.stop);
      const Stopwatch watch;
      for (std::uint64_t step = 0; step < steps_[i]; ++step) methods_[i].run(next_step_++);
      times_[i].wall.push_back(watch.wall_seconds() / static_cast<double>(steps_[i]));
      times_[i].cpu.push_back(watch.cpu_seconds() / static_cast<double>(steps_[i]));
    }
    for (auto& [method, times] : peer_times_) peer_.time(model_, method, times);
  }

  std::vector<BenchRow> rows(const MachineRates& rates) const {
    const std::vector<LayerWork> work = model_work(model_);
    std::vector<BenchRow> rows;
    std::size_t best = 0;
    for (std::size_t i = 0; i < methods_.size(); ++i) {
      rows.push_back(row(i, work, rates));
      const bool forward = methods_[i].cost.kind == MethodKind::kForward;
      if (forward && (best == 0 || rows[i].ours < rows[best].ours)) best = i;
    }
    rows.push_back(rows[best]);
    rows.back().name = model_ + "/best";
    rows.back().method = methods_[best].name;
    rows.back().floor_note = methods_[best].name + ": " + rows[best].floor_note;
    return rows;
  }

 private:
  std::size_t index_of(const std::string& name) const {
    const auto found = std::find_if(
        methods_.begin(), methods_.end(), [&](const Method& method) { return method.name == name; });
    check_internal(found != methods_.end(), "no method " + name);
    return static_cast<std::size_t>(found - methods_.begin());
  }

  // The faster way of backpropagation.
  std::size_t reference() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < methods_.size(); ++i) {
      if (methods_[i].cost.kind != MethodKind::kBackprop) continue;
      if (median(times_[i].wall) < median(times_[best].wall)) best = i;
    }
    return best;
  }

  void calibrate(std::size_t i) {
    methods_[i].run(next_step_++);
    const Stopwatch watch;
    methods_[i].run(next_step_++);
    double seconds = options_.seconds_per_repeat;
    if (methods_[i].cost.block) seconds *= 2.0;  // its steps differ: more of them for a steady mean
    const double steps = seconds / std::max(watch.wall_seconds(), 1e-7);
    steps_[i] = static_cast<std::uint64_t>(std::clamp(steps, 1.0, 1e5));
    if (methods_[i].cost.block) steps_[i] = std::max<std::uint64_t>(steps_[i], 6);
  }

  std::vector<double> ratios(const std::vector<double>& own, const std::vector<double>& base) const {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < own.size(); ++i) ratios.push_back(own[i] / base[i]);
    return ratios;
  }

  void add_peer(BenchRow& row, const Method& method) const {
    row.peer_note = peer_.note();
    const Times& backprop = peer_times_.at("backprop");
    if (!peer_.alive() || backprop.wall.empty()) return;
    const Times* times = &backprop;
    if (method.cost.kind == MethodKind::kLoss) times = &peer_times_.at("loss");
    if (method.cost.kind == MethodKind::kForward) {
      const Times &gaussian = peer_times_.at("dual_gaussian"), &signs = peer_times_.at("dual_rademacher");
      times = median(gaussian.wall) < median(signs.wall) ? &gaussian : &signs;
      if (method.name == "dual_gaussian") times = &gaussian;
      if (method.name == "dual_rademacher") times = &signs;
      row.peer_vs_backprop = median(ratios(times->wall, backprop.wall));
    }
    row.peer = median(times->wall) * kMilli;
    row.peer_cpu = median(times->cpu) * kMilli;
    row.ratio = *row.peer / row.ours;
  }

  BenchRow row(std::size_t i, const std::vector<LayerWork>& work, const MachineRates& rates) const {
    const Method& method = methods_[i];
    BenchRow row;
    row.name = model_ + "/" + method.name;
    row.ours = median(times_[i].wall) * kMilli;
    row.ours_cpu = median(times_[i].cpu) * kMilli;
    row.threads = options_.threads;
    row.repeats = static_cast<int>(times_[i].wall.size());
    row.kind = kind_name(method.cost.kind);
    row.method = method.variant;
    row.reference = i == reference();
    if (method.cost.kind == MethodKind::kForward) row.unbiased = true;
    const Times& backprop = times_[reference()];
    row.vs_backprop = median(ratios(times_[i].wall, backprop.wall));
    row.vs_backprop_cpu = median(ratios(times_[i].cpu, backprop.cpu));
    row.vs_autograd = median(ratios(times_[i].wall, times_[index_of("backprop_autograd")].wall));
    const Floor floor = floor_of(method.cost, work, options_.batch, rates);
    row.floor = floor.seconds * kMilli;
    row.share_of_floor = *row.floor / row.ours;
    row.floor_note = floor.note;
    if (method.cost.kind == MethodKind::kForward) {
      row.sampling_share = sampling_seconds(method, work) * kMilli / row.ours_cpu;
    }
    add_peer(row, method);
    return row;
  }

  const BenchOptions& options_;
  std::string model_;
  Peer& peer_;
  std::vector<Method> methods_;
  std::vector<std::uint64_t> steps_;
  std::vector<Times> times_;
  std::map<std::string, Times> peer_times_;
  std::uint64_t next_step_ = 0;
};

BenchRow memory_row(const BenchOptions& options) {
  constexpr std::int64_t kLayers = 64, kWidth = 256, kBatch = 2048;
  const MemoryFigures memory = measure_step_memory(kLayers, kWidth, kBatch);
  BenchRow row;
  row.name = "deep_mlp/memory";
  row.kind = "memory";
  row.method = "rank1";
  row.unit = "MB";
  row.ours = memory.forward / 1e6;
  row.threads = options.threads;
  row.repeats = 1;
  row.vs_backprop = memory.forward / std::min(memory.backprop, memory.autograd);
  row.peer_note = fmt::format("no peer; backpropagation takes {:.1f} MB fused, {:.1f} MB by LibTorch",
                              memory.backprop / 1e6,
                              memory.autograd / 1e6);
  row.floor_note =
      fmt::format("{} layers of width {}, batch {}: peak resident memory of a step above model and batch",
                  kLayers,
                  kWidth,
                  kBatch);
  return row;
}

}  // namespace

std::vector<BenchRow> bench_forward_gradient(const BenchOptions& options) {
  if (options.repeats < 1 || options.batch < 1 || options.threads < 1 ||
      !(options.seconds_per_repeat >= 0.0)) {
    throw Error(ErrorClass::kUsage,
                "bench.bad_size",
                {.what = "the benchmark cannot be run",
                 .seen = fmt::format(
                     "{} repeats, batch {}, {} threads", options.repeats, options.batch, options.threads),
                 .wanted = "at least 1 of each",
                 .remedy = "correct the options"});
  }
  const Threads threads(options.threads);
  Peer peer(options);
  const MachineRates rates = measure_rates(options.threads);
  std::vector<BenchRow> rows;
  const double share = options.seconds / static_cast<double>(std::max<std::size_t>(options.models.size(), 1));
  const Stopwatch watch;
  double until = 0.0;
  for (const std::string& model : options.models) {
    ModelBench bench(options, model, peer);
    until += share;
    if (options.progress) options.progress("timing " + model);
    for (int repeat = 0; repeat < options.repeats && (repeat < 3 || watch.wall_seconds() < until); ++repeat)
      bench.repeat();
    const std::vector<BenchRow> own = bench.rows(rates);
    rows.insert(rows.end(), own.begin(), own.end());
  }
  if (options.memory && options.progress) options.progress("measuring memory");
  if (options.memory) rows.push_back(memory_row(options));
  return rows;
}

}  // namespace tenfold::forward_gradient
