// SPDX-License-Identifier: Apache-2.0
// The study behind `tenfold trends flops`: trains small models for a few seconds each and compares three
// estimates of their training compute: counted operators, the 6ND rule, and time x measured peak x
// utilisation. No torch header here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/stop.h"

namespace tenfold::train {

struct FlopStudyOptions {
  double seconds_per_model = 3.0;  // training time; at least 2 x 7 steps are always taken
  int threads = 0;                 // 0: tenfold::available_cores()
  std::uint64_t seed = 1;
  const StopToken* stop = nullptr;                      // polled between steps; may be null
  std::function<void(std::string_view line)> progress;  // may be null
};

struct FlopStudyRow {
  std::string model;                    // "transformer, d >> T", ...
  std::string setup;                    // sizes in words
  std::string unit;                     // what is counted as D: "tokens" or "images"
  std::uint64_t parameters = 0;         // all
  std::uint64_t active_parameters = 0;  // N of 6ND: without embeddings and positions
  std::uint64_t steps = 0;
  std::uint64_t items = 0;            // D: tokens or images trained on
  std::uint64_t counted_forward = 0;  // FLOP of all steps
  std::uint64_t counted_backward = 0;
  std::uint64_t counted = 0;
  std::uint64_t hand_counted = 0;  // closed form of reference_models.h for the same steps; must equal counted
  double six_nd = 0.0;
  double ratio = 0.0;    // 6ND / counted
  double seconds = 0.0;  // wall time of the steps
  double cpu_seconds = 0.0;
  double utilisation = 0.0;      // counted / seconds / peak
  double utilisation_cpu = 0.0;  // counted / CPU seconds / (peak / threads): other work does not lower it
  // Chip-time estimate of a reader who knows only hours and peak and assumes `assumed_utilisation`.
  double chip_time = 0.0;        // seconds x peak x assumed_utilisation
  double chip_time_ratio = 0.0;  // chip_time / counted
  // Steps with and without the meter in turn: median over pairs of (with / without - 1) x 100, and its standard error.
  double meter_overhead_percent = 0.0;  // of wall time
  double meter_overhead_error_percent = 0.0;
  double meter_overhead_cpu_percent = 0.0;  // of CPU time: steadier when other work uses the cores
  double meter_overhead_cpu_error_percent = 0.0;
  int overhead_pairs = 0;
  double first_loss = 0.0;
  double last_loss = 0.0;
};

struct FlopStudyReport {
  double peak_gflops = 0.0;  // GemmReport::peak_gflops with these threads
  int threads = 0;
  double assumed_utilisation = 0.3;  // the paper's usual figure for chip-time estimates
  std::vector<FlopStudyRow>
      rows;              // transformer d >> T, transformer with long sequences, MLP, LSTM, small CNN
  bool stopped = false;  // the stop token ended the study early
};

// Seeds LibTorch's default generator with options.seed and sets its threads for the duration.
FlopStudyReport run_flop_study(const FlopStudyOptions& options = {});

}  // namespace tenfold::train
