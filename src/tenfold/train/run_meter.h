// SPDX-License-Identifier: Apache-2.0
// Wraps a training loop: counts its FLOP and time, compares counting with the 6ND rule, and writes run.json,
// the file from which the compute-trend chart draws the run. No torch header here.
//
// run.json is one object (schema "tenfold.run/1"); numbers are JSON numbers, absent estimates are null:
//   schema            text    "tenfold.run/1"
//   system, name      text    what was trained
//   date              text    end of the run, UTC, "2026-03-01T12:34:56Z"
//   seed              integer
//   config_hash       text    hash of the configuration; may be empty
//   version, revision text    of this toolkit
//   parameters        integer trainable parameters
//   active_parameters integer N of 6ND: used per token, embeddings excluded
//   steps, examples, tokens   integers
//   flop              {forward, backward, other, total}  counted
//   flop_6nd          number or null    6 x active_parameters x tokens
//   ratio_6nd         number or null    flop_6nd / flop.total
//   flop_chip_time    number  wall seconds x peak x utilisation: equals flop.total by construction, kept as a
//   check wall_hours, cpu_hours     numbers threads           integer peak_gflops       number  measured
//   float32 GEMM rate with these threads utilisation       number  flop.total / wall seconds / peak
//   utilisation_cpu   number  flop.total / CPU seconds / (peak / threads): not lowered by other work on the
//   machine energy            {kilowatt_hours, watts_per_busy_core, assumption} cpu               {model,
//   features: [text], cores} libraries         {torch, blas, blas_kernel, onednn: true|false} uncounted
//   [{name, calls}]   operators without a FLOP rule notes             [text]
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
  double peak_gflops = 0.0;             // 0: measured by start(), about half a second
  // Assumed draw of one busy core, its share of memory and power supply included. Energy = CPU hours x this.
  double watts_per_busy_core = 10.0;
  FlopMeterOptions flops;
};

struct RunReport {
  RunMeterOptions options;
  std::string date;  // UTC, ISO 8601
  std::uint64_t steps = 0;
  std::uint64_t examples = 0;
  std::uint64_t tokens = 0;
  FlopReport flops;
  double wall_seconds = 0.0;  // started to finished, pauses excluded
  double cpu_seconds = 0.0;
  int threads = 0;
  double peak_gflops = 0.0;
  double utilisation = 0.0;
  double utilisation_cpu = 0.0;
  std::optional<double> flop_6nd;
  std::optional<double> ratio_6nd;  // 6ND / counted
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

  void start();                                                 // counting begins
  void step(std::uint64_t examples, std::uint64_t tokens = 0);  // after each optimiser step
  void pause();  // evaluation, checkpoints: neither counted nor timed
  void resume();
  RunReport finish();  // counting ends. Calls out of order throw Error(kInternal).

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string to_json(const RunReport& report);  // the text of run.json
// Atomically. Throws Error(kFile) or Error(kResource).
void write_run_json(FileSystem& files, const Path& path, const RunReport& report);

}  // namespace tenfold::train
