// SPDX-License-Identifier: Apache-2.0
// Training compute of one system from what its makers say: by counting operations, by chip-time, or by both (Sevilla et
// al. 2022, appendix on methodology; specification sections 2.5 to 2.7).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/chips.h"
#include "tenfold/systems/compute_trends/date.h"
#include "tenfold/systems/compute_trends/layers.h"
#include "tenfold/systems/compute_trends/monte_carlo.h"

namespace tenfold::compute_trends {

// Method 1. One of parameters, forward_flop and layers says what an example costs.
struct OperationCount {
  std::optional<Uncertain> parameters;    // N used for one token, embeddings left out; moe: active ones
  std::optional<Uncertain> forward_flop;  // of one example
  std::optional<LayerReport> layers;      // of one example, with its own backward rules
  Uncertain examples;                     // in the data set; tokens when `parameters` is given
  Uncertain epochs;                       // times each is seen
  double backward_factor = 2.0;           // backward / forward
  bool activation_checkpointing = false;  // one more forward pass
  bool forward_only = false;              // self-play, teachers: no backward pass

  // The attention term of a transformer: 12 L d T FLOP a token forward and backward, half of it when causal.
  double attention_layers = 0;  // L; 0: left out
  double attention_width = 0;   // d
  double context = 0;           // T
  bool causal = true;
};

// Method 2: chips x hours x 3600 x peak x utilisation.
struct ChipTime {
  std::string chip;               // empty with no `peak`: the usual one of the year before publication
  std::string format;             // empty: see find_chip()
  std::optional<Uncertain> peak;  // FLOP/s of one chip; instead of `chip`
  Uncertain chips;
  Uncertain hours;
  std::optional<Uncertain> utilisation;  // empty: 0.15 to 0.6
};

// Pre-training and fine-tuning are two stages of one system.
struct Stage {
  std::string name = "training";
  std::optional<OperationCount> operations;
  std::optional<ChipTime> chip_time;
};

struct EstimateOptions {
  std::vector<Stage> stages;
  std::optional<Date> publication;  // for a chip that is not named
  std::vector<Chip> chips;          // empty: embedded_chips()
  MonteCarloOptions monte_carlo;
};

struct MethodEstimate {
  Distribution flop;
  std::string formula;  // "6 x parameters x tokens x epochs"
  std::vector<Input> inputs;
  std::vector<std::string> assumptions;  // values that were not given
};

struct StageReport {
  std::string name;
  std::optional<MethodEstimate> operations;
  std::optional<MethodEstimate> chip_time;
  std::optional<double> ratio;  // median by operations / median by chip-time
  bool disagree = false;        // ratio beyond 3 either way: a data error until explained
  Distribution flop;            // by operations where both exist
  std::string method;           // "operations" or "chip_time"
};

inline constexpr double kDisagreement = 3.0;

struct EstimateReport {
  std::vector<StageReport> stages;
  std::optional<Distribution> total;  // of all stages; the inputs of different stages are independent
  std::vector<std::string> warnings;
};

// Throws Error(kUsage): "estimate.no_input", "estimate.one_of" (parameters, forward FLOP and layers exclude each other),
// "estimate.utilisation" (median above 1), "estimate.no_publication",
// "estimate.attention_term" (only some of its three sizes); Error(kData, "estimate.not_finite") for an estimate beyond
// the range of a double; and what chips.h and monte_carlo.h throw.
EstimateReport estimate(const EstimateOptions& options);

// D = C / (6 N): the inverse check of a listed compute.
double tokens_from_compute(double flop, double parameters);

// Section 2.7 of the specification, computed by estimate().
struct WorkedExample {
  std::string system;
  std::string inputs;
  std::string quantity;  // "training FLOP" or "tokens"
  double computed = 0.0;
  double expected_low = 0.0;  // within 5 % of the expected value, or the stated range
  double expected_high = 0.0;
  double table_value = 0.0;  // of the paper's table, for comparison; 0: none

  bool holds() const { return expected_low <= computed && computed <= expected_high; }
};
std::vector<WorkedExample> worked_examples();

}  // namespace tenfold::compute_trends
