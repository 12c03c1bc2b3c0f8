// SPDX-License-Identifier: Apache-2.0
// Wraps a training loop: counts its FLOP and time, compares counting with the 6ND rule, and writes run.json,
// the file from which the compute-trend chart draws the run. No torch header here.
//
// run.json is one object (schema "tenfold.run/1"); numbers are JSON numbers, absent estimates are null:
// clang-format off
//   schema             text     "tenfold.run/1"
//   system, name       text     what was trained
//   date               text     end of the run, UTC, "2026-03-01T12:34:56Z"
//   seed               integer
//   config_hash        text     hash of the configuration; may be empty
//   version, revision  text     of this toolkit
//   parameters         integer  trainable parameters
//   active_parameters  integer  N of 6ND: used per token, embeddings excluded; 0 when unknown
//   steps, examples, tokens     integers
//   parts              integer  1, and 1 more for each time the run was stopped or killed and continued. All figures are
//                               those of the whole run; work that a killed part lost is not in them
//   processes          integer  of a distributed run; FLOP and CPU hours are sums over them
//   flop               {forward, backward, other, total}   integers, counted
//   flop_6nd           number or null   6 x active_parameters x tokens
//   ratio_6nd          number or null   flop_6nd / flop.total
//   chip_time          {assumed_utilisation, flop, ratio}  wall seconds x peak x assumed; ratio to flop.total
//   wall_hours, cpu_hours       numbers
//   threads            integer
//   peak_gflops        number   GemmReport::peak_gflops (machine.h) with these threads
//   utilisation        number   flop.total / wall seconds / (peak x processes)
//   utilisation_cpu    number   flop.total / CPU seconds / (peak / threads): other work does not lower it
//   energy             {kilowatt_hours, watts_per_busy_core, assumption}
//   cpu                {model, features: [text], cores}
//   libraries          {torch, blas, blas_kernel, onednn: true or false}
//   uncounted          [{name, calls}]  operators without a FLOP rule
//   notes              [text]
// clang-format on
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/train/flop_meter.h"

namespace tenfold::train {

struct RunMeterOptions {
  std::string system;  // "sashimi"
  std::string name;    // free text for the chart
  std::uint64_t seed = 0;
  std::string config_hash;
  std::uint64_t parameters = 0;
  std::uint64_t active_parameters = 0;  // 0: no 6ND estimate
  double peak_gflops = 0.0;  // 0: measured by the first start() of the process, about half a second
  int processes = 1;
  bool count_flops = true;
  // Assumed draw of one busy core, its share of memory and power supply included. Energy = CPU hours x this.
  double watts_per_busy_core = 10.0;
  double assumed_utilisation = 0.3;  // of the chip-time estimate: the paper's usual figure
  FlopMeterOptions flops;
};

// What adds up over the parts of a run that is stopped and continued, and over its processes.
struct RunTotals {
  std::uint64_t parts = 0;
  std::uint64_t steps = 0, examples = 0, tokens = 0;
  std::uint64_t forward = 0, backward = 0, other = 0;  // FLOP
  double wall_seconds = 0.0, cpu_seconds = 0.0;
  std::uint64_t flops() const { return forward + backward + other; }
};

struct RunReport {
  RunMeterOptions options;
  std::string date;  // UTC, ISO 8601
  std::uint64_t steps = 0;
  std::uint64_t examples = 0;
  std::uint64_t tokens = 0;
  std::uint64_t parts = 1;
  FlopReport flops;  // the three totals of the whole run; operators, scopes and uncounted ones of this part
  double wall_seconds = 0.0;  // started to finished, pauses excluded
  double cpu_seconds = 0.0;
  int threads = 0;
  double peak_gflops = 0.0;
  double utilisation = 0.0;
  double utilisation_cpu = 0.0;
  std::optional<double> flop_6nd;
  std::optional<double> ratio_6nd;  // 6ND / counted
  double flop_chip_time = 0.0;      // wall seconds x peak x assumed_utilisation
  double ratio_chip_time = 0.0;     // chip time / counted; 0 when nothing was counted
  double kilowatt_hours = 0.0;
  std::vector<std::string> notes;  // "6ND and counting differ by more than 3 times", ...
};

// Not thread-safe. Use in the thread that trains.
class RunMeter {
 public:
  explicit RunMeter(RunMeterOptions options);
  ~RunMeter();
  RunMeter(RunMeter&&) noexcept;
  RunMeter& operator=(RunMeter&&) noexcept;

  void continue_from(const RunTotals& earlier);                 // before start(): the parts before this one
  void start();                                                 // counting begins
  void step(std::uint64_t examples, std::uint64_t tokens = 0);  // after each optimiser step
  void pause();  // evaluation, checkpoints: neither counted nor timed
  void resume();
  // Work of the other processes in this part, as part() gives it there; only FLOP and CPU time are used. Replaces what
  // was given before.
  void set_others(const RunTotals& others);

  RunTotals totals() const;     // of the whole run up to now
  RunTotals part() const;       // of this part and process alone
  std::uint64_t flops() const;  // totals().flops(), fast enough for every step
  RunReport report() const;     // as finish() would give it now
  RunReport finish();           // counting ends. Calls out of order throw Error(kInternal).

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string to_json(const RunReport& report);  // the text of run.json
// Atomically. Throws Error(kFile) or Error(kResource).
void write_run_json(FileSystem& files, const Path& path, const RunReport& report);

}  // namespace tenfold::train
