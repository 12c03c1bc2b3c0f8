// SPDX-License-Identifier: Apache-2.0
// `tenfold trends estimate`: training compute from a description of the run, by both methods of the paper.
#include "tenfold/systems/compute_trends/estimate.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct EstimateVerbOptions {
  std::string parameters;
  std::string tokens;
  std::string epochs = "1";
  std::string forward_flop;
  std::string layers;
  std::string layer_table;
  std::string examples;
  bool checkpointing = false;
  bool elementwise = false;
  bool forward_only = false;
  double attention_layers = 0;
  double attention_width = 0;
  double context = 0;
  std::string chip;
  std::string format;
  std::string peak;
  std::string chips;
  std::string hours;
  std::string utilisation;
  std::string published;
  std::string finetune_tokens;
  std::int64_t samples = 100000;
  bool worked = false;
  bool list_chips = false;

  void visit_fields(auto&& field) {
    field("parameters", parameters, {.help = "N: parameters used for one token, without embeddings"});
    field("tokens", tokens, {.help = "D: tokens in the data set, for --parameters"});
    field("epochs", epochs, {.help = "times each token or example is seen"});
    field("forward_flop", forward_flop, {.help = "cost of one forward pass of one example", .unit = "FLOP"});
    field(
        "layers", layers, {.help = "layers of the network: \"conv2d 3x224x224 64 k7 s2; linear 4096 1000\""});
    field("layer_table",
          layer_table,
          {.help = "CSV file with a column layer, and repeat and frozen if wanted",
           .file = config::FileUse::kRead});
    field("examples", examples, {.help = "examples in the data set, for --forward-flop and --layers"});
    field("checkpointing", checkpointing, {.help = "activations are computed again in the backward pass"});
    field("elementwise", elementwise, {.help = "count elementwise layers too"});
    field("forward_only", forward_only, {.help = "no backward pass: self-play, teachers"});
    field("attention_layers",
          attention_layers,
          {.help = "L of the attention term 12 L d T a token", .min = 0, .max = 1e6});
    field("attention_width", attention_width, {.help = "d of the attention term", .min = 0, .max = 1e9});
    field("context", context, {.help = "T of the attention term", .unit = "tokens", .min = 0, .max = 1e12});
    field("chip", chip, {.help = "processor, see --list-chips"});
    field("format", format, {.help = "its number format: fp32, fp16, bf16"});
    field("peak", peak, {.help = "peak rate of one processor, instead of --chip", .unit = "FLOP/s"});
    field("chips", chips, {.help = "number of processors"});
    field("hours", hours, {.help = "training time", .unit = "h"});
    field("utilisation", utilisation, {.help = "share of the peak that is used; 0.15..0.6 when left out"});
    field("published", published, {.help = "publication date, for a processor that is not known"});
    field("finetune_tokens", finetune_tokens, {.help = "tokens of a fine-tuning stage, reported separately"});
    field("samples", samples, {.help = "Monte-Carlo samples", .min = 100, .max = 1e7, .served_max = 1e6});
    field("worked", worked, {.help = "print the worked examples instead"});
    field("list_chips", list_chips, {.help = "print the known processors instead"});
  }
};

std::optional<Uncertain> uncertain(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::nullopt;
  return parse_uncertain(text, flag);
}

Uncertain uncertain_or_one(const std::string& text, std::string_view flag) {
  return uncertain(text, flag).value_or(Uncertain{});
}

[[noreturn]] void throw_missing(const std::string& flag, const std::string& reason) {
  throw Error(ErrorClass::kUsage,
              "estimate.missing_flag",
              {.what = flag + " is needed " + reason,
               .seen = "nothing",
               .wanted = flag,
               .remedy = "see tenfold trends estimate --help"});
}

// A figure that enters no formula must not look as if it did.
[[noreturn]] void throw_unused(const std::string& flag, const std::string& value, const std::string& beside) {
  throw Error(ErrorClass::kUsage,
              "estimate.unused_flag",
              {.what = flag + " is used beside " + beside + " only",
               .seen = flag + " " + printable(value),
               .wanted = beside + ", or no " + flag,
               .remedy = "see tenfold trends estimate --help"});
}

std::optional<OperationCount> operations(const EstimateVerbOptions& options) {
  const bool by_layers = !options.layers.empty() || !options.layer_table.empty();
  const bool by_tokens = !options.parameters.empty();
  if (!by_tokens && !options.tokens.empty()) throw_unused("--tokens", options.tokens, "--parameters");
  const bool by_examples = by_layers || !options.forward_flop.empty();
  if (!by_examples && !options.examples.empty())
    throw_unused("--examples", options.examples, "--layers, --layer-table and --forward-flop");
  if (!by_tokens && !by_examples) return std::nullopt;
  OperationCount count;
  count.parameters = uncertain(options.parameters, "--parameters");
  count.forward_flop = uncertain(options.forward_flop, "--forward-flop");
  if (by_layers) {
    const LayerOptions rules{options.checkpointing, options.elementwise, options.forward_only};
    const std::vector<Layer> layers =
        options.layer_table.empty() ? parse_layers(options.layers) : load_layers(options.layer_table);
    count.layers = count_layers(layers, rules);
  }
  if (by_tokens && options.tokens.empty()) throw_missing("--tokens", "beside --parameters");
  if (!by_tokens && options.examples.empty())
    throw_missing("--examples", "beside --layers and --forward-flop");
  count.examples = by_tokens ? parse_uncertain(options.tokens, "--tokens")
                             : parse_uncertain(options.examples, "--examples");
  count.epochs = uncertain_or_one(options.epochs, "--epochs");
  count.activation_checkpointing = options.checkpointing;
  count.forward_only = options.forward_only;
  count.attention_layers = options.attention_layers;
  count.attention_width = options.attention_width;
  count.context = options.context;
  return count;
}

std::optional<ChipTime> chip_time(const EstimateVerbOptions& options) {
  const bool described = !options.chip.empty() || !options.format.empty() || !options.peak.empty() ||
                         !options.chips.empty() || !options.utilisation.empty();
  if (options.hours.empty() && !described) return std::nullopt;
  if (options.hours.empty())
    throw_missing("--hours", "beside --chip, --format, --peak, --chips and --utilisation");
  ChipTime time;
  time.chip = options.chip;
  time.format = options.format;
  time.peak = uncertain(options.peak, "--peak");
  time.chips = uncertain_or_one(options.chips, "--chips");
  time.hours = parse_uncertain(options.hours, "--hours");
  time.utilisation = uncertain(options.utilisation, "--utilisation");
  return time;
}

std::vector<Stage> stages(const EstimateVerbOptions& options) {
  Stage training;
  training.name = options.finetune_tokens.empty() ? "training" : "pre-training";
  training.operations = operations(options);
  training.chip_time = chip_time(options);
  if (!training.operations && !training.chip_time) {
    throw_missing("--parameters with --tokens, --layers with --examples, or --chip with --hours",
                  "to estimate anything");
  }
  std::vector<Stage> list = {training};
  if (!options.finetune_tokens.empty()) {
    if (!training.operations || !training.operations->parameters)
      throw_missing("--parameters", "beside --finetune-tokens");
    Stage tuning;
    tuning.name = "fine-tuning";
    tuning.operations = *training.operations;
    tuning.operations->examples = parse_uncertain(options.finetune_tokens, "--finetune-tokens");
    tuning.operations->epochs = Uncertain{};
    list.push_back(std::move(tuning));
  }
  return list;
}

nlohmann::json distribution_json(const Distribution& distribution) {
  nlohmann::json shares = nlohmann::json::array();
  for (const VarianceShare& share : distribution.shares)
    shares.push_back({{"input", share.input}, {"share", share.share}});
  return {{"median", distribution.median},
          {"interval_90", {distribution.low, distribution.high}},
          {"dominant_input",
           distribution.dominant.empty() ? nlohmann::json(nullptr) : nlohmann::json(distribution.dominant)},
          {"variance_shares", shares}};
}

nlohmann::json method_json(const std::optional<MethodEstimate>& method) {
  if (!method) return nullptr;
  nlohmann::json object = distribution_json(method->flop);
  object["formula"] = method->formula;
  object["assumptions"] = method->assumptions;
  return object;
}

void add_method(report::Table& table,
                const std::string& stage,
                const std::string& name,
                const std::optional<MethodEstimate>& method) {
  if (!method) return;
  const Distribution& flop = method->flop;
  table.rows.push_back({stage,
                        name,
                        fmt::format("{:.2e}", flop.median),
                        flop.low < flop.high ? fmt::format("{:.1e} to {:.1e}", flop.low, flop.high) : "-",
                        flop.dominant.empty() ? "-" : flop.dominant,
                        method->formula});
  for (const std::string& assumption : method->assumptions) table.notes.push_back("assumed: " + assumption);
}

systems::Outcome worked_table() {
  report::Table table{"Worked examples",
                      {"system", "inputs", "what", "computed", "expected", "paper's table", "holds"},
                      {},
                      {}};
  nlohmann::json list = nlohmann::json::array();
  for (const WorkedExample& example : worked_examples()) {
    table.rows.push_back({example.system,
                          example.inputs,
                          example.quantity,
                          fmt::format("{:.3g}", example.computed),
                          fmt::format("{:.3g} to {:.3g}", example.expected_low, example.expected_high),
                          example.table_value > 0 ? fmt::format("{:.2g}", example.table_value) : "-",
                          example.holds() ? "yes" : "no"});
    list.push_back({{"system", example.system},
                    {"inputs", example.inputs},
                    {"quantity", example.quantity},
                    {"computed", example.computed},
                    {"expected", {example.expected_low, example.expected_high}},
                    {"holds", example.holds()}});
  }
  return systems::make_outcome({{"worked_examples", list}}, report::to_terminal(table));
}

systems::Outcome chips_table() {
  report::Table table{
      "Peak rates, dense arithmetic", {"processor", "year", "format", "FLOP/s", "range", "note"}, {}, {}};
  nlohmann::json list = nlohmann::json::array();
  for (const Chip& chip : embedded_chips()) {
    table.rows.push_back({chip.name,
                          std::to_string(chip.year),
                          chip.format,
                          fmt::format("{:.3g}", chip.flop_per_second),
                          chip.low < chip.high ? fmt::format("{:.2g} to {:.2g}", chip.low, chip.high) : "-",
                          chip.note});
    list.push_back({{"name", chip.name},
                    {"year", chip.year},
                    {"format", chip.format},
                    {"flop_per_second", chip.flop_per_second},
                    {"confidence", chip.confidence}});
  }
  table.notes.emplace_back("All rates are approximate: check them with the vendor before you rely on them.");
  return systems::make_outcome({{"chips", list}}, report::to_terminal(table));
}

systems::Outcome estimate_run(const EstimateVerbOptions& options, systems::Context& context) {
  if (options.worked) return worked_table();
  if (options.list_chips) return chips_table();
  EstimateOptions estimating;
  estimating.stages = stages(options);
  if (!options.published.empty()) estimating.publication = parse_date(options.published, "--published");
  estimating.monte_carlo.samples = static_cast<std::size_t>(options.samples);
  estimating.monte_carlo.seed = context.seed;
  const EstimateReport report = estimate(estimating);
  report::Table table{"Training compute [FLOP]",
                      {"stage", "method", "median", "90 % interval", "dominant input", "formula"},
                      {},
                      {}};
  nlohmann::json list = nlohmann::json::array();
  for (const StageReport& stage : report.stages) {
    add_method(table, stage.name, "operations", stage.operations);
    add_method(table, stage.name, "chip-time", stage.chip_time);
    if (stage.ratio) {
      table.notes.push_back(fmt::format(
          "{}: operations / chip-time = {:.3g}{}",
          stage.name,
          *stage.ratio,
          stage.disagree ? ": the methods disagree by more than 3 times, an error until explained" : ""));
    }
    nlohmann::json object = {{"name", stage.name},
                             {"operations", method_json(stage.operations)},
                             {"chip_time", method_json(stage.chip_time)},
                             {"method", stage.method},
                             {"flop", distribution_json(stage.flop)},
                             {"disagree", stage.disagree}};
    object["ratio"] = stage.ratio ? nlohmann::json(*stage.ratio) : nlohmann::json(nullptr);
    list.push_back(std::move(object));
  }
  nlohmann::json object = {
      {"stages", list}, {"warnings", report.warnings}, {"samples", options.samples}, {"seed", context.seed}};
  if (report.total) {
    object["total"] = distribution_json(*report.total);
    table.notes.push_back(fmt::format("total: {:.2e}, 90 % interval {:.1e} to {:.1e}",
                                      report.total->median,
                                      report.total->low,
                                      report.total->high));
  }
  for (const std::string& warning : report.warnings) table.notes.push_back("warning: " + warning);
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_estimate_verb() {
  return systems::make_verb<EstimateVerbOptions>(
      "estimate",
      "estimate the training compute of a run by counting operations and by chip-time",
      "Every quantity may be uncertain: 3e11 is exact, 1e9..3e9 means 90 % between the two, 0.3~2x means 90 "
      "% within a "
      "factor of 2, 58~10% within 10 %; k, M, B and T stand for 1e3, 1e6, 1e9 and 1e12. The result is a 90 % "
      "interval and "
      "the input that dominates it. With both methods the ratio is printed; beyond 3 it is an error until "
      "explained. "
      "Counts are of the final run: searches, failed runs and teachers are not in them.",
      {"tenfold trends estimate --parameters 175B --tokens 300B",
       "tenfold trends estimate --chip V100 --chips 64 --hours 100..140 --utilisation 0.3~1.5x",
       "tenfold trends estimate --layers \"conv2d 3x224x224 64 k7 s2\" --examples 1.2M --epochs 90",
       "tenfold trends estimate --worked",
       "tenfold trends estimate --list-chips"},
      estimate_run);
}

}  // namespace tenfold::compute_trends
