// SPDX-License-Identifier: Apache-2.0
// Estimates of training compute: the worked examples, both methods side by side, stages, wrong inputs.
#include "tenfold/systems/compute_trends/estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

OperationCount six_nd(double parameters, double tokens) {
  OperationCount count;
  count.parameters = Uncertain{parameters};
  count.examples = Uncertain{tokens};
  return count;
}

ChipTime chip_time(std::string chip, double chips, double hours, double utilisation) {
  ChipTime time;
  time.chip = std::move(chip);
  time.chips = {chips};
  time.hours = {hours};
  time.utilisation = Uncertain{utilisation};
  return time;
}

StageReport run(const Stage& stage) {
  return estimate({.stages = {stage}}).stages.at(0);
}

std::string code_of(const EstimateOptions& options) {
  try {
    estimate(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    return error.code();
  }
  return "accepted";
}

TEST(Estimate, WorkedExamplesHold) {
  const auto examples = worked_examples();
  ASSERT_EQ(examples.size(), 5u);
  for (const WorkedExample& example : examples) {
    EXPECT_TRUE(example.holds()) << example.system << " " << example.computed;
  }
  EXPECT_NEAR(examples[0].computed, 3.15e23, 1e15);     // 6 x 175e9 x 300e9
  EXPECT_NEAR(examples[1].computed, 5.88e23, 1e15);     // 6 x 70e9 x 1.4e12
  EXPECT_NEAR(examples[2].computed, 1.6667e11, 1e7);    // 1.5e21 / 9e9
  EXPECT_NEAR(examples[4].computed, 3.54767e23, 1e18);  // 1024 x 57.7 x 86400 x 1.23e14 x 0.565
}

TEST(Estimate, AddsAttentionHalvedWhenCausal) {
  OperationCount count = six_nd(1e9, 1e10);
  count.attention_layers = 24;
  count.attention_width = 2048;
  count.context = 4096;
  count.causal = false;
  const double full = 12.0 * 24 * 2048 * 4096 * 1e10;
  EXPECT_NEAR(run({.operations = count}).flop.median, 6e19 + full, 1e8);
  count.causal = true;
  EXPECT_NEAR(run({.operations = count}).flop.median, 6e19 + full / 2, 1e8);
}

TEST(Estimate, CountsPasses) {
  OperationCount count = six_nd(1e6, 1e6);
  count.epochs = {10.0};
  EXPECT_NEAR(run({.operations = count}).flop.median, 6e13, 1e2);
  count.activation_checkpointing = true;
  EXPECT_NEAR(run({.operations = count}).flop.median, 8e13, 1e2);
  count.activation_checkpointing = false;
  count.forward_only = true;
  EXPECT_NEAR(run({.operations = count}).flop.median, 2e13, 1e2);
  OperationCount forward;
  forward.forward_flop = Uncertain{1e9};
  forward.examples = {1e6};
  EXPECT_NEAR(run({.operations = forward}).flop.median, 3e15, 1e3);
}

TEST(Estimate, TakesALayerTable) {
  OperationCount count;
  count.layers = count_layers(parse_layers("linear 784 100; linear 100 10"));
  count.examples = {60000.0};
  count.epochs = {10.0};
  // forward 2 (78400 + 1000); backward: weights the same, data of the second layer only
  EXPECT_NEAR(run({.operations = count}).flop.median, (4 * 79400.0 + 2 * 1000.0) * 600000.0, 1.0);
}

TEST(Estimate, BothMethodsGiveTheirRatio) {
  // LaMDA: 137e9 parameters, 2.81e12 tokens a 6 would be 2.3e24; here the count is made to agree.
  const StageReport same =
      run({.operations = six_nd(137e9, 4.32e11), .chip_time = chip_time("TPU v3", 1024, 57.7 * 24, 0.565)});
  ASSERT_TRUE(same.ratio.has_value());
  EXPECT_NEAR(*same.ratio, 6 * 137e9 * 4.32e11 / (1024 * 57.7 * 86400 * 1.23e14 * 0.565), 1e-9);
  EXPECT_FALSE(same.disagree);
  EXPECT_EQ(same.method, "operations");
}

TEST(Estimate, FlagsDisagreementBeyondThree) {
  for (double factor : {3.1, 1 / 3.1, 2.9, 1 / 2.9}) {
    const double chip_flop = 8 * 100.0 * 3600 * 3.12e14 * 0.4;
    const EstimateReport report = estimate({.stages = {{.operations = six_nd(1e9, factor * chip_flop / 6e9),
                                                        .chip_time = chip_time("A100", 8, 100, 0.4)}}});
    const bool beyond = factor > 3 || factor < 1 / 3.0;
    EXPECT_EQ(report.stages[0].disagree, beyond) << factor;
    EXPECT_EQ(report.warnings.size(), beyond ? 1u : 0u);
  }
}

TEST(Estimate, RangesGiveAnIntervalAndTheDominantInput) {
  OperationCount count = six_nd(1e9, 1e11);
  count.parameters = parse_uncertain("0.9B..1.1B", "parameters");
  count.examples = parse_uncertain("1e11~3x", "tokens");
  const StageReport report = run({.operations = count});
  EXPECT_EQ(report.flop.dominant, "tokens");
  EXPECT_LT(report.flop.low, 2.2e20);
  EXPECT_GT(report.flop.high, 1.7e21);
}

TEST(Estimate, AMissingChipIsTheUsualOneOfTheYearBefore) {
  ChipTime time = chip_time("", 64, 24, 0.3);
  EXPECT_EQ(code_of({.stages = {{.chip_time = time}}}), "estimate.no_publication");
  const EstimateReport report = estimate({.stages = {{.chip_time = time}}, .publication = Date{2018, 5, 1}});
  EXPECT_NEAR(report.stages[0].flop.median / (64 * 24 * 3600 * 1.25e14 * 0.3), 1.0, 1e-9);
  EXPECT_NE(report.stages[0].chip_time->assumptions.at(0).find("Tesla V100"), std::string::npos);
}

TEST(Estimate, RangesOfChipsAndMissingUtilisationBecomeUncertainty) {
  ChipTime time = chip_time("K40", 1, 100, 1);
  time.utilisation.reset();
  const StageReport report = run({.chip_time = time});
  ASSERT_EQ(report.flop.shares.size(), 2u);
  EXPECT_EQ(report.flop.dominant, "utilisation");
  const auto& assumptions = report.chip_time->assumptions;
  EXPECT_TRUE(std::any_of(assumptions.begin(), assumptions.end(), [](const std::string& text) {
    return text.find("verify with the vendor") != std::string::npos;
  }));
  EXPECT_TRUE(std::any_of(assumptions.begin(), assumptions.end(), [](const std::string& text) {
    return text.find("utilisation not given") != std::string::npos;
  }));
}

TEST(Estimate, AGivenPeakNeedsNoChip) {
  ChipTime time = chip_time("", 2, 10, 0.5);
  time.peak = Uncertain{1e12};
  EXPECT_NEAR(run({.chip_time = time}).flop.median, 2 * 10 * 3600 * 1e12 * 0.5, 1e4);
}

TEST(Estimate, StagesAreReportedApartAndTogether) {
  const EstimateReport report =
      estimate({.stages = {{.name = "pre-training", .operations = six_nd(1e9, 1e11)},
                           {.name = "fine-tuning", .operations = six_nd(1e9, 1e8)}}});
  ASSERT_EQ(report.stages.size(), 2u);
  EXPECT_NEAR(report.stages[0].flop.median, 6e20, 1e9);
  EXPECT_NEAR(report.stages[1].flop.median, 6e17, 1e6);
  ASSERT_TRUE(report.total.has_value());
  EXPECT_NEAR(report.total->median, 6.006e20, 1e9);
  EXPECT_FALSE(estimate({.stages = {{.operations = six_nd(1, 1)}}}).total.has_value());
}

TEST(Estimate, RefusesIncompleteOrImpossibleInputs) {
  EXPECT_EQ(code_of({}), "estimate.no_input");
  EXPECT_EQ(code_of({.stages = {{}}}), "estimate.no_input");
  EXPECT_EQ(code_of({.stages = {{.operations = OperationCount{}}}}), "estimate.one_of");
  OperationCount both = six_nd(1, 1);
  both.forward_flop = Uncertain{1.0};
  EXPECT_EQ(code_of({.stages = {{.operations = both}}}), "estimate.one_of");
  OperationCount empty;
  empty.layers = count_layers(parse_layers("embedding 10 10"));
  EXPECT_EQ(code_of({.stages = {{.operations = empty}}}), "estimate.no_input");
  OperationCount factor = six_nd(1, 1);
  factor.backward_factor = -1;
  EXPECT_EQ(code_of({.stages = {{.operations = factor}}}), "estimate.bad_factor");
  EXPECT_EQ(code_of({.stages = {{.chip_time = chip_time("A100", 8, 10, 30)}}}), "estimate.utilisation");
  EXPECT_EQ(code_of({.stages = {{.chip_time = chip_time("A1000", 8, 10, 0.3)}}}), "chips.unknown");
  ChipTime sparse = chip_time("A100", 8, 10, 0.3);
  sparse.format = "fp4";
  EXPECT_EQ(code_of({.stages = {{.chip_time = sparse}}}), "chips.no_format");
}

TEST(Estimate, RefusesAProductBeyondTheRangeOfADouble) {
  for (double factor : {1e308, 1e-308}) {
    OperationCount count;
    count.parameters = Uncertain{factor};
    count.examples = Uncertain{factor};
    EstimateOptions options;
    options.stages.push_back({.operations = count});
    try {
      estimate(options);
      ADD_FAILURE() << "no error for " << factor;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "estimate.not_finite");
      EXPECT_EQ(error.error_class(), ErrorClass::kData);
    }
  }
}

TEST(Estimate, NamesTheMissingSizesOfTheAttentionTerm) {
  OperationCount count;
  count.parameters = Uncertain{1e9};
  count.examples = Uncertain{1e10};
  count.attention_layers = 24;
  EstimateOptions options;
  options.stages.push_back({.operations = count});
  try {
    estimate(options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "estimate.attention_term");
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    EXPECT_NE(error.text().what.find("attention width and context"), std::string::npos) << error.text().what;
  }
}

}  // namespace
}  // namespace tenfold::compute_trends
