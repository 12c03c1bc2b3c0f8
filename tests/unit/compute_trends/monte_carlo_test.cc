// SPDX-License-Identifier: Apache-2.0
// Uncertain inputs: the forms of a range, quantiles against closed forms, variance shares.
#include "tenfold/systems/compute_trends/monte_carlo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"

namespace tenfold::compute_trends {
namespace {

std::string code_of(std::string_view text) {
  try {
    parse_uncertain(text, "--tokens");
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    EXPECT_NE(error.text().what.find("--tokens"), std::string::npos);
    return error.code();
  }
  return "accepted";
}

TEST(Uncertain, ReadsNumbersAndRanges) {
  EXPECT_DOUBLE_EQ(parse_uncertain("3e11", "x").median, 3e11);
  EXPECT_EQ(parse_uncertain("3e11", "x").sigma, 0.0);
  EXPECT_DOUBLE_EQ(parse_uncertain("175B", "x").median, 175e9);
  EXPECT_DOUBLE_EQ(parse_uncertain("1.5M", "x").median, 1.5e6);
  EXPECT_DOUBLE_EQ(parse_uncertain("1.4T", "x").median, 1.4e12);
  const Uncertain range = parse_uncertain("1e9..4e9", "x");
  EXPECT_NEAR(range.median, 2e9, 1e-3);
  EXPECT_NEAR(range.low(), 1e9, 1e-2);
  EXPECT_NEAR(range.high(), 4e9, 1e-2);
  const Uncertain factor = parse_uncertain("0.3~2x", "x");
  EXPECT_DOUBLE_EQ(factor.median, 0.3);
  EXPECT_NEAR(factor.low(), 0.15, 1e-12);
  EXPECT_NEAR(factor.high(), 0.6, 1e-12);
  EXPECT_NEAR(parse_uncertain("100~10%", "x").high(), 110.0, 1e-9);
  EXPECT_EQ(parse_uncertain("5..5", "x").sigma, 0.0);
}

TEST(Uncertain, RefusesEverythingElse) {
  for (const char* text :
       {"", "abc", "1e9...", "1e9..", "..3", "3~2", "3~", "3~x", "1 e9", "1,000", "3~0.5x", "B"}) {
    EXPECT_EQ(code_of(text), "range.bad_form") << text;
  }
  for (const char* text : {"0", "-1", "inf", "nan", "0..3", "1e309", "3~-2x", "1e308T"}) {
    EXPECT_NE(code_of(text), "accepted") << text;
  }
  EXPECT_EQ(code_of("3e9..1e9"), "range.reversed");
}

// A product of log-normals is log-normal: sigma^2 adds up, quantiles follow in closed form.
TEST(MonteCarlo, MatchesTheClosedFormOfAProduct) {
  const Model model = {{{"N", {1e9, 0.2}}, {"D", {1e11, 0.1}}, {"epochs", {2.0, 0.0}}}, {{6.0, {0, 1, 2}}}};
  const Distribution result = propagate(model, {.samples = 200'000, .seed = 7});
  const double sigma = std::sqrt(0.2 * 0.2 + 0.1 * 0.1);
  EXPECT_NEAR(result.median / 1.2e21, 1.0, 0.005);
  EXPECT_NEAR(result.low / (1.2e21 * std::pow(10.0, -kNormal95 * sigma)), 1.0, 0.01);
  EXPECT_NEAR(result.high / (1.2e21 * std::pow(10.0, kNormal95 * sigma)), 1.0, 0.01);
  EXPECT_NEAR(result.sigma, sigma, 0.002);
  EXPECT_TRUE(result.shares_exact);
  ASSERT_EQ(result.shares.size(), 2u);
  EXPECT_EQ(result.dominant, "N");
  EXPECT_DOUBLE_EQ(result.shares[0].share, 0.8);
  EXPECT_DOUBLE_EQ(result.shares[1].share, 0.2);
}

TEST(MonteCarlo, AnInputThatStandsTwiceCountsAsASquare) {
  const Model model = {{{"T", {10.0, 0.1}}, {"L", {3.0, 0.1}}}, {{1.0, {0, 0, 1}}}};
  const Distribution result = propagate(model, {.samples = 100'000, .seed = 1});
  EXPECT_DOUBLE_EQ(result.shares[0].share, 0.8);  // 4 : 1
  EXPECT_NEAR(result.sigma, std::sqrt(0.05), 0.002);
}

TEST(MonteCarlo, CertainInputsGiveTheirValue) {
  const Distribution result = propagate({{{"N", {175e9}}, {"D", {300e9}}}, {{6.0, {0, 1}}}}, {});
  EXPECT_NEAR(result.median / 3.15e23, 1.0, 1e-12);
  EXPECT_EQ(result.low, result.high);
  EXPECT_TRUE(result.shares.empty());
  EXPECT_EQ(result.dominant, "");
}

// Sobol of log10(a + b): for equal inputs the first-order shares are equal, and nearly sum to 1 for small spreads, where
// the logarithm of the sum is linear in the logarithms.
TEST(MonteCarlo, SharesOfASumComeFromPickFreeze) {
  const Model equal = {{{"a", {1.0, 0.05}}, {"b", {1.0, 0.05}}}, {{1.0, {0}}, {1.0, {1}}}};
  const Distribution result = propagate(equal, {.samples = 200'000, .seed = 3});
  EXPECT_FALSE(result.shares_exact);
  EXPECT_NEAR(result.shares[0].share, 0.5, 0.02);
  EXPECT_NEAR(result.shares[1].share, 0.5, 0.02);
  // Linearised: d log(a + b) = (3/4) d log a + (1/4) d log b, shares 9 : 1.
  const Model unequal = {{{"a", {3.0, 0.05}}, {"b", {1.0, 0.05}}}, {{1.0, {0}}, {1.0, {1}}}};
  const Distribution weighted = propagate(unequal, {.samples = 200'000, .seed = 3});
  EXPECT_EQ(weighted.dominant, "a");
  EXPECT_NEAR(weighted.shares[0].share, 0.9, 0.02);
}

TEST(MonteCarlo, DependsOnTheSeedAloneNotOnThreads) {
  const Model model = {{{"N", {1e9, 0.2}}, {"b", {1e8, 0.3}}}, {{6.0, {0}}, {1.0, {1}}}};
  const int threads = thread_count();
  set_thread_count(1);
  const Distribution one = propagate(model, {.samples = 20'000, .seed = 5});
  set_thread_count(2);
  const Distribution two = propagate(model, {.samples = 20'000, .seed = 5});
  set_thread_count(threads);
  EXPECT_EQ(one.low, two.low);
  EXPECT_EQ(one.high, two.high);
  EXPECT_EQ(one.shares[0].share, two.shares[0].share);
  EXPECT_NE(one.low, propagate(model, {.samples = 20'000, .seed = 6}).low);
}

TEST(MonteCarlo, HugeNumbersDoNotOverflow) {
  const Model model = {{{"a", {1e200, 0.1}}, {"b", {1e100, 0.1}}}, {{1.0, {0, 1}}, {1.0, {1}}}};
  const Distribution result = propagate(model, {.samples = 1000, .seed = 1});
  EXPECT_TRUE(std::isfinite(result.high));
  EXPECT_GT(result.low, 1e299);
}

TEST(MonteCarlo, RefusesSenselessSampleCounts) {
  const Model model = {{{"a", {1.0, 0.1}}}, {{1.0, {0}}}};
  EXPECT_THROW(propagate(model, {.samples = 10}), Error);
  EXPECT_THROW(propagate(model, {.samples = std::size_t{1} << 40}), Error);
}

}  // namespace
}  // namespace tenfold::compute_trends
