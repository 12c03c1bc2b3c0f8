// SPDX-License-Identifier: Apache-2.0
// Timing, counting and the run.json of a training run.
#include "tenfold/train/run_meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/cpu.h"
#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/version.h"
#include "tenfold/train/machine.h"

namespace tenfold::train {
namespace {

using Json = nlohmann::ordered_json;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

void compare_methods(RunReport& report) {
  const auto counted = static_cast<double>(report.flops.total());
  const RunMeterOptions& options = report.options;
  const double peak = 1e9 * report.peak_gflops;
  const double all_peak = peak * options.processes;
  report.flop_chip_time = report.wall_seconds * all_peak * options.assumed_utilisation;
  if (peak > 0.0 && report.wall_seconds > 0.0) report.utilisation = counted / report.wall_seconds / all_peak;
  if (peak > 0.0 && report.cpu_seconds > 0.0) {
    report.utilisation_cpu = counted / report.cpu_seconds / (peak / std::max(1, report.threads));
  }
  if (counted > 0.0) report.ratio_chip_time = report.flop_chip_time / counted;
  if (options.active_parameters == 0 || report.tokens == 0) return;
  report.flop_6nd = 6.0 * static_cast<double>(options.active_parameters) * static_cast<double>(report.tokens);
  if (counted > 0.0) report.ratio_6nd = *report.flop_6nd / counted;
}

bool far_apart(double ratio) {
  return ratio > 3.0 || ratio < 1.0 / 3.0;
}

void add_notes(RunReport& report) {
  if (report.ratio_6nd && far_apart(*report.ratio_6nd)) {
    report.notes.push_back(
        fmt::format("6ND and counting differ by more than 3 times (6ND / counted = {:.3g}): weights are "
                    "shared over positions, "
                    "attention dominates, or N or D is wrong",
                    *report.ratio_6nd));
  }
  if (report.utilisation > 1.1) {
    report.notes.push_back(
        fmt::format("utilisation {:.2f} is impossible: the peak was measured while other work used the cores",
                    report.utilisation));
  }
  if (!report.flops.uncounted.empty()) {
    report.notes.push_back(fmt::format("{} operators have no FLOP rule; the counted total is a lower bound",
                                       report.flops.uncounted.size()));
  }
}

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json energy_json(const RunReport& report) {
  const double watts = report.options.watts_per_busy_core;
  return {
      {"kilowatt_hours", report.kilowatt_hours},
      {"watts_per_busy_core", watts},
      {"assumption", fmt::format("CPU hours x {:g} W a busy core, memory and power supply included", watts)}};
}

Json machine_json() {
  const CpuInfo& cpu = cpu_info();
  return {{"model", cpu.model_name}, {"features", cpu.features()}, {"cores", available_cores()}};
}

Json describe(const LibraryInfo& info) {
  return {{"torch", info.torch_version},
          {"blas",
           fmt::format("{}{}{}", info.blas.name, info.blas.version.empty() ? "" : " ", info.blas.version)},
          {"blas_kernel", info.blas.kernel},
          {"onednn", info.onednn}};
}

// The peak does not change while the process lives; a measurement takes half a second.
double process_peak(int threads) {
  static std::mutex mutex;
  static std::map<int, double> peaks;
  const std::lock_guard lock(mutex);
  const auto found = peaks.find(threads);
  if (found != peaks.end()) return found->second;
  return peaks.emplace(threads, measure_gemm({.threads = threads}).peak_gflops).first->second;
}

// The libraries of a process stay as they are; to find them out takes ten milliseconds.
const Json& libraries_json() {
  static const Json libraries = describe(library_info());
  return libraries;
}

}  // namespace

struct RunMeter::State {
  enum class Stage { kNew, kRunning, kPaused, kFinished };

  void expect(Stage wanted, std::string_view call) const {
    check_internal(stage == wanted, fmt::format("RunMeter::{} was called out of order", call));
  }
  bool runs() const { return stage == Stage::kRunning; }
  ~State() {
    if (stage == Stage::kPaused && meter) meter->resume();  // a meter ends as it began
  }

  Stage stage = Stage::kNew;
  RunMeterOptions options;
  RunTotals earlier, others;
  RunTotals own;  // of this part; without what meter and watch hold
  double peak_gflops = 0.0;
  int threads = 0;
  Stopwatch watch;
  std::unique_ptr<FlopMeter> meter;
};

RunMeter::RunMeter(RunMeterOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}
RunMeter::~RunMeter() = default;
RunMeter::RunMeter(RunMeter&&) noexcept = default;
RunMeter& RunMeter::operator=(RunMeter&&) noexcept = default;

void RunMeter::continue_from(const RunTotals& earlier) {
  state_->expect(State::Stage::kNew, "continue_from");
  state_->earlier = earlier;
}

void RunMeter::start() {
  state_->expect(State::Stage::kNew, "start");
  state_->threads = library_info().intra_op_threads;
  state_->peak_gflops = state_->options.peak_gflops;
  if (state_->peak_gflops <= 0.0) state_->peak_gflops = process_peak(state_->threads);
  if (state_->options.count_flops) state_->meter = std::make_unique<FlopMeter>(state_->options.flops);
  state_->stage = State::Stage::kRunning;
  state_->own.parts = 1;
  state_->watch.restart();
}

void RunMeter::step(std::uint64_t examples, std::uint64_t tokens) {
  state_->expect(State::Stage::kRunning, "step");
  ++state_->own.steps;
  state_->own.examples += examples;
  state_->own.tokens += tokens;
}

void RunMeter::pause() {
  state_->expect(State::Stage::kRunning, "pause");
  state_->own.wall_seconds += state_->watch.wall_seconds();
  state_->own.cpu_seconds += state_->watch.cpu_seconds();
  if (state_->meter) state_->meter->pause();
  state_->stage = State::Stage::kPaused;
}

void RunMeter::resume() {
  state_->expect(State::Stage::kPaused, "resume");
  if (state_->meter) state_->meter->resume();
  state_->watch.restart();
  state_->stage = State::Stage::kRunning;
}

void RunMeter::set_others(const RunTotals& others) {
  state_->others = others;
}

RunTotals RunMeter::part() const {
  RunTotals part = state_->own;
  if (state_->runs()) {
    part.wall_seconds += state_->watch.wall_seconds();
    part.cpu_seconds += state_->watch.cpu_seconds();
  }
  if (state_->meter) {
    const FlopReport flops = state_->meter->report();
    part.forward = flops.forward;
    part.backward = flops.backward;
    part.other = flops.other;
  }
  return part;
}

RunTotals RunMeter::totals() const {
  RunTotals totals = part();
  const RunTotals& earlier = state_->earlier;
  totals.parts += earlier.parts;
  totals.steps += earlier.steps;
  totals.examples += earlier.examples;
  totals.tokens += earlier.tokens;
  totals.wall_seconds += earlier.wall_seconds;
  totals.forward += earlier.forward + state_->others.forward;
  totals.backward += earlier.backward + state_->others.backward;
  totals.other += earlier.other + state_->others.other;
  totals.cpu_seconds += earlier.cpu_seconds + state_->others.cpu_seconds;
  return totals;
}

std::uint64_t RunMeter::flops() const {
  return (state_->meter ? state_->meter->total() : 0) + state_->earlier.flops() + state_->others.flops();
}

RunReport RunMeter::report() const {
  check_internal(state_->stage == State::Stage::kRunning || state_->stage == State::Stage::kPaused,
                 "RunMeter::report was called out of order");
  const RunTotals totals = this->totals();
  RunReport report;
  report.options = state_->options;
  report.steps = totals.steps;
  report.examples = totals.examples;
  report.tokens = totals.tokens;
  report.parts = totals.parts;
  if (state_->meter) report.flops = state_->meter->report();
  report.flops.forward = totals.forward;
  report.flops.backward = totals.backward;
  report.flops.other = totals.other;
  report.wall_seconds = totals.wall_seconds;
  report.cpu_seconds = totals.cpu_seconds;
  report.threads = state_->threads;
  report.peak_gflops = state_->peak_gflops;
  report.date = utc_now();
  report.kilowatt_hours = report.cpu_seconds / 3600.0 * report.options.watts_per_busy_core / 1000.0;
  compare_methods(report);
  add_notes(report);
  return report;
}

RunReport RunMeter::finish() {
  if (state_->stage == State::Stage::kRunning) pause();
  RunReport report = this->report();
  if (state_->meter) state_->meter->resume();
  state_->meter.reset();
  state_->stage = State::Stage::kFinished;
  return report;
}

std::string to_json(const RunReport& report) {
  const RunMeterOptions& options = report.options;
  const FlopReport& flops = report.flops;
  Json uncounted = Json::array();
  for (const UncountedOperator& entry : flops.uncounted) {
    uncounted.push_back({{"name", entry.name}, {"calls", entry.calls}});
  }
  Json json;
  json["schema"] = "tenfold.run/1";
  json["system"] = options.system;
  json["name"] = options.name;
  json["date"] = report.date;
  json["seed"] = options.seed;
  json["config_hash"] = options.config_hash;
  json["version"] = version();
  json["revision"] = revision();
  json["parameters"] = options.parameters;
  json["active_parameters"] = options.active_parameters;
  json["steps"] = report.steps;
  json["examples"] = report.examples;
  json["tokens"] = report.tokens;
  json["parts"] = report.parts;
  json["processes"] = options.processes;
  json["flop"] = {{"forward", flops.forward},
                  {"backward", flops.backward},
                  {"other", flops.other},
                  {"total", flops.total()}};
  json["flop_6nd"] = number_or_null(report.flop_6nd);
  json["ratio_6nd"] = number_or_null(report.ratio_6nd);
  json["chip_time"] = {{"assumed_utilisation", options.assumed_utilisation},
                       {"flop", report.flop_chip_time},
                       {"ratio", report.ratio_chip_time}};
  json["wall_hours"] = report.wall_seconds / 3600.0;
  json["cpu_hours"] = report.cpu_seconds / 3600.0;
  json["threads"] = report.threads;
  json["peak_gflops"] = report.peak_gflops;
  json["utilisation"] = report.utilisation;
  json["utilisation_cpu"] = report.utilisation_cpu;
  json["energy"] = energy_json(report);
  json["cpu"] = machine_json();
  json["libraries"] = libraries_json();
  json["uncounted"] = std::move(uncounted);
  json["notes"] = report.notes;
  // Names come from the user: bytes that are not UTF-8 are replaced instead of failing at the end of a long run.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_run_json(FileSystem& files, const Path& path, const RunReport& report) {
  write_file_atomically(files, path, to_json(report));
}

}  // namespace tenfold::train
