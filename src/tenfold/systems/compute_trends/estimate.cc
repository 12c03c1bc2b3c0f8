// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::compute_trends {
namespace {

constexpr double kSecondsPerHour = 3600.0;
// Known set-ups of the paper's era reach about 0.3 of the peak; a factor of 2 either way covers careful guesses.
constexpr double kUtilisationLow = 0.15;
constexpr double kUtilisationHigh = 0.6;

// A method's model and what was assumed for it.
struct Built {
  Model model;
  std::string formula;
  std::vector<std::string> assumptions;
};

std::size_t add_input(Model& model, std::string name, const Uncertain& value) {
  model.inputs.push_back({std::move(name), value});
  return model.inputs.size() - 1;
}

// Forward passes' worth of work for one example.
double passes(const OperationCount& count) {
  if (count.forward_only) return 1.0;
  return 1.0 + count.backward_factor + (count.activation_checkpointing ? 1.0 : 0.0);
}

void check_operations(const OperationCount& count, const std::string& stage) {
  const int given = (count.parameters ? 1 : 0) + (count.forward_flop ? 1 : 0) + (count.layers ? 1 : 0);
  if (given != 1) {
    throw Error(ErrorClass::kUsage,
                "estimate.one_of",
                {.what = stage + ": counting operations needs to know what one example costs",
                 .seen = given == 0 ? "none of them" : fmt::format("{} of them", given),
                 .wanted = "one of parameters, forward FLOP or layers",
                 .remedy = "give parameters and tokens for 6 N D, or a layer table"});
  }
  if (count.attention_layers > 0 && !count.parameters) {
    throw Error(ErrorClass::kUsage,
                "estimate.one_of",
                {.what = stage + ": the attention term goes with parameters and tokens",
                 .seen = "attention layers without parameters",
                 .wanted = "parameters, or a layer table that lists the attention layers",
                 .remedy = "leave out the attention term"});
  }
  const bool bad_factor = !(count.backward_factor >= 0 && count.backward_factor <= 10);
  const bool bad_attention = count.attention_layers < 0 || count.attention_width < 0 || count.context < 0;
  if (bad_factor || bad_attention) {
    throw Error(ErrorClass::kUsage,
                "estimate.bad_factor",
                {.what = stage + ": a factor of the operation count is out of range",
                 .seen = fmt::format("backward factor {}, layers {}, width {}, context {}",
                                     count.backward_factor,
                                     count.attention_layers,
                                     count.attention_width,
                                     count.context),
                 .wanted = "a backward factor from 0 to 10 and sizes from 0",
                 .remedy = "2 is right for a network that is trained whole"});
  }
}

// The attention term needs all of its three sizes.
void check_attention(const OperationCount& count, const std::string& stage) {
  std::vector<std::string> given, missing;
  const auto note = [&](double value, std::string name) {
    (value > 0 ? given : missing).push_back(std::move(name));
  };
  note(count.attention_layers, "attention layers");
  note(count.attention_width, "attention width");
  note(count.context, "context");
  if (given.empty() || missing.empty()) return;
  throw Error(ErrorClass::kUsage,
              "estimate.attention_term",
              {.what = fmt::format("{}: the attention term lacks its {}", stage, join(missing, " and ")),
               .seen = join(given, " and ") + " alone",
               .wanted = "attention layers, attention width and context together",
               .remedy = fmt::format("give the {}, or leave the term out", join(missing, " and the "))});
}

Built build_operations(const OperationCount& count, const std::string& stage) {
  check_operations(count, stage);
  check_attention(count, stage);
  Built built;
  const bool by_tokens = count.parameters.has_value();
  const std::size_t examples = add_input(built.model, by_tokens ? "tokens" : "examples", count.examples);
  const std::size_t epochs = add_input(built.model, "epochs", count.epochs);
  const std::string seen = by_tokens ? "tokens x epochs" : "examples x epochs";
  if (by_tokens) {
    const std::size_t parameters = add_input(built.model, "parameters", *count.parameters);
    built.model.terms.push_back({2.0 * passes(count), {parameters, examples, epochs}});
    built.formula = fmt::format("{:g} x parameters x {}", 2.0 * passes(count), seen);
  } else if (count.forward_flop) {
    const std::size_t forward = add_input(built.model, "forward FLOP", *count.forward_flop);
    built.model.terms.push_back({passes(count), {forward, examples, epochs}});
    built.formula = fmt::format("{:g} x forward FLOP x {}", passes(count), seen);
  } else {
    if (!(count.layers->total() > 0)) {
      throw Error(ErrorClass::kUsage,
                  "estimate.no_input",
                  {.what = stage + ": the layer table counts no operations",
                   .seen = fmt::format("{} layers with 0 FLOP", count.layers->layers.size()),
                   .wanted = "at least one layer that multiplies",
                   .remedy = "embeddings count 0; elementwise layers count only on request"});
    }
    built.model.terms.push_back({count.layers->total(), {examples, epochs}});
    built.formula = fmt::format("{:.4g} FLOP an example (layer table) x {}", count.layers->total(), seen);
  }
  if (count.attention_layers > 0) {
    const double per_token = 4.0 * count.attention_layers * count.attention_width * count.context *
                             (count.causal ? 0.5 : 1.0) * passes(count);
    if (per_token > 0) built.model.terms.push_back({per_token, {examples, epochs}});
    built.formula += fmt::format(" + {:.4g} FLOP of attention a token x {}", per_token, seen);
  }
  return built;
}

Uncertain peak_of(const ChipTime& time, const EstimateOptions& options, Built& built) {
  if (time.peak) return *time.peak;
  const std::vector<Chip> own = options.chips.empty() ? embedded_chips() : std::vector<Chip>();
  const std::span<const Chip> chips = options.chips.empty() ? std::span<const Chip>(own) : options.chips;
  if (time.chip.empty() && !options.publication) {
    throw Error(ErrorClass::kUsage,
                "estimate.no_publication",
                {.what = "chip-time without a chip needs the date of publication",
                 .seen = "neither a chip nor a date",
                 .wanted = "the chip, its peak rate, or the date of publication",
                 .remedy = "the usual data-centre chip of the year before publication stands in"});
  }
  const Chip& chip = time.chip.empty() ? usual_chip_before(chips, *options.publication)
                                       : find_chip(chips, time.chip, time.format);
  if (time.chip.empty()) {
    built.assumptions.push_back(fmt::format(
        "chip not named: {} ({}), the usual one of the year before publication", chip.name, chip.format));
  } else if (time.format.empty()) {
    built.assumptions.push_back(fmt::format("number format not named: {} of {}", chip.format, chip.name));
  }
  built.assumptions.push_back(
      fmt::format("peak of {} at {}: {:.3g} FLOP/s{}{}",
                  chip.name,
                  chip.format,
                  chip.flop_per_second,
                  chip.low < chip.high ? fmt::format(" ({:.3g} to {:.3g})", chip.low, chip.high) : "",
                  chip.confidence.empty() ? "" : ", " + chip.confidence + ": verify with the vendor"));
  return from_range(chip.low, chip.high);
}

Built build_chip_time(const ChipTime& time, const EstimateOptions& options, const std::string& stage) {
  Built built;
  const Uncertain peak = peak_of(time, options, built);
  const Uncertain utilisation = time.utilisation.value_or(from_range(kUtilisationLow, kUtilisationHigh));
  if (!time.utilisation) {
    built.assumptions.push_back(
        fmt::format("utilisation not given: {:g} to {:g}", kUtilisationLow, kUtilisationHigh));
  }
  if (utilisation.median > 1.0 || utilisation.high() > 1.0 + 1e-9) {
    throw Error(ErrorClass::kUsage,
                "estimate.utilisation",
                {.what = stage + ": the utilisation is above the chip's peak",
                 .seen = fmt::format("{:.3g} (to {:.3g})", utilisation.median, utilisation.high()),
                 .wanted = "a share of the peak rate: above 0, at most 1",
                 .remedy = "write 30 % as 0.3; a sparse peak counts double, use the dense one"});
  }
  Model& model = built.model;
  const std::size_t chips = add_input(model, "chips", time.chips);
  const std::size_t hours = add_input(model, "hours", time.hours);
  const std::size_t rate = add_input(model, "peak FLOP/s", peak);
  const std::size_t share = add_input(model, "utilisation", utilisation);
  model.terms.push_back({kSecondsPerHour, {chips, hours, rate, share}});
  built.formula = "chips x hours x 3600 x peak FLOP/s x utilisation";
  return built;
}

// A second copy of `from` inside `into`, its inputs named after the stage.
void append_model(Model& into, const Model& from, const std::string& stage) {
  const std::size_t offset = into.inputs.size();
  for (const Input& input : from.inputs) into.inputs.push_back({stage + ": " + input.name, input.value});
  for (Term term : from.terms) {
    for (std::size_t& index : term.inputs) index += offset;
    into.terms.push_back(std::move(term));
  }
}

// Quantiles that a double can hold: products of large inputs end in infinity, of small ones in 0.
Distribution propagate_finite(const Model& model, const MonteCarloOptions& options, const std::string& what) {
  Distribution flop = propagate(model, options);
  const auto holds = [](double value) { return std::isfinite(value) && value > 0; };
  if (holds(flop.median) && holds(flop.low) && holds(flop.high)) return flop;
  throw Error(ErrorClass::kData,
              "estimate.not_finite",
              {.what = fmt::format("{}: the estimate is beyond the numbers a computer holds", what),
               .seen = fmt::format("{:.3g} FLOP (90 %: {:.3g} to {:.3g})", flop.median, flop.low, flop.high),
               .wanted = "a product of the inputs between 1e-307 and 1e308 FLOP",
               .remedy = "check the exponents of the inputs; the largest training runs are near 1e27 FLOP"});
}

MethodEstimate run_method(const Built& built, const EstimateOptions& options, const std::string& stage) {
  return {propagate_finite(built.model, options.monte_carlo, stage),
          built.formula,
          built.model.inputs,
          built.assumptions};
}

// Adds the stage to the report and the model of its headline method to `total`.
void run_stage(const Stage& stage, const EstimateOptions& options, EstimateReport& report, Model& total) {
  if (!stage.operations && !stage.chip_time) {
    throw Error(ErrorClass::kUsage,
                "estimate.no_input",
                {.what = stage.name + ": nothing to estimate from",
                 .seen = "no operation count and no chip-time",
                 .wanted = "parameters and tokens, a layer table, or chips and hours",
                 .remedy = "for example parameters 175B and tokens 300B"});
  }
  StageReport result;
  result.name = stage.name;
  std::optional<Built> headline;
  if (stage.chip_time) {
    headline = build_chip_time(*stage.chip_time, options, stage.name);
    result.chip_time = run_method(*headline, options, stage.name);
    result.flop = result.chip_time->flop;
    result.method = "chip_time";
  }
  if (stage.operations) {
    headline = build_operations(*stage.operations, stage.name);
    result.operations = run_method(*headline, options, stage.name);
    result.flop = result.operations->flop;
    result.method = "operations";
  }
  if (result.operations && result.chip_time) {
    const double ratio = result.operations->flop.median / result.chip_time->flop.median;
    result.ratio = ratio;
    result.disagree = ratio > kDisagreement || ratio < 1.0 / kDisagreement;
    if (result.disagree) {
      report.warnings.push_back(fmt::format(
          "{}: counting operations gives {:.3g} times the chip-time; a difference above {:g} is an error in "
          "the inputs until it is explained",
          stage.name,
          ratio,
          kDisagreement));
    }
  }
  append_model(total, headline->model, stage.name);
  report.stages.push_back(std::move(result));
}

constexpr double five_percent_low(double value) {
  return value * 0.95;
}
constexpr double five_percent_high(double value) {
  return value * 1.05;
}

double median_of(Stage stage) {
  EstimateOptions options;
  options.stages.push_back(std::move(stage));
  return estimate(options).stages.front().flop.median;
}

Stage six_nd_stage(double parameters, double tokens) {
  OperationCount count;
  count.parameters = Uncertain{parameters};
  count.examples = Uncertain{tokens};
  return {.operations = count};
}

Stage chip_stage(std::string chip,
                 std::string format,
                 const Uncertain& chips,
                 const Uncertain& hours,
                 const Uncertain& share) {
  ChipTime time;
  time.chip = std::move(chip);
  time.format = std::move(format);
  time.chips = chips;
  time.hours = hours;
  time.utilisation = share;
  return {.chip_time = time};
}

}  // namespace

EstimateReport estimate(const EstimateOptions& options) {
  if (options.stages.empty()) {
    throw Error(ErrorClass::kUsage,
                "estimate.no_input",
                {.what = "nothing to estimate from",
                 .seen = "no stage of training",
                 .wanted = "at least one",
                 .remedy = "give parameters and tokens, or chips and hours"});
  }
  EstimateReport report;
  Model total;
  for (const Stage& stage : options.stages) run_stage(stage, options, report, total);
  if (options.stages.size() > 1) report.total = propagate_finite(total, options.monte_carlo, "all stages");
  return report;
}

double tokens_from_compute(double flop, double parameters) {
  return flop / (6.0 * parameters);
}

std::vector<WorkedExample> worked_examples() {
  std::vector<WorkedExample> examples;
  const auto add = [&](std::string system,
                       std::string inputs,
                       double computed,
                       double low,
                       double high,
                       double table) {
    examples.push_back({std::move(system), std::move(inputs), "training FLOP", computed, low, high, table});
  };
  add("GPT-3 175B",
      "6 N D; N 175e9, D 300e9 tokens",
      median_of(six_nd_stage(175e9, 300e9)),
      five_percent_low(3.15e23),
      five_percent_high(3.15e23),
      3.1e23);
  add("Chinchilla",
      "6 N D; N 70e9, D 1.4e12 tokens",
      median_of(six_nd_stage(70e9, 1.4e12)),
      five_percent_low(5.9e23),
      five_percent_high(5.9e23),
      5.8e23);
  examples.push_back({"GPT-2 1.5B",
                      "inverse of 6 N D; N 1.5e9, compute 1.5e21 FLOP",
                      "tokens",
                      tokens_from_compute(1.5e21, 1.5e9),
                      five_percent_low(1.6e11),
                      five_percent_high(1.6e11),
                      0.0});
  const Stage alexnet = chip_stage("GTX 580", "fp32", {2.0}, from_range(120.0, 144.0), from_range(0.3, 0.35));
  add("AlexNet",
      "2 x GTX 580, 5 to 6 days, utilisation 0.3 to 0.35",
      median_of(alexnet),
      4e17,
      5.5e17,
      4.7e17);
  const Stage lamda = chip_stage("TPU v3", "bf16", {1024.0}, {57.7 * 24.0}, {0.565});
  add("LaMDA",
      "1024 x TPU v3, 57.7 days, utilisation 0.565",
      median_of(lamda),
      five_percent_low(3.55e23),
      five_percent_high(3.55e23),
      3.6e23);
  return examples;
}

}  // namespace tenfold::compute_trends
