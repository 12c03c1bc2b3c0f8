// SPDX-License-Identifier: Apache-2.0
// Drift is found where documents change, and not where they do not.
#include "tenfold/search/drift.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 24, kBlocks = 6;

class Drift : public testing::Test {
 protected:
  const std::vector<float> training_ = skewed_vectors(6000, kDimension, 1);
  const Vectors rows_ = as_vectors(training_, kDimension);
  const ProductQuantizer quantizer_ =
      train_product_quantizer(rows_, {.method = "pq", .bytes = kBlocks, .bits = 8, .kmeans_iterations = 5});
  const CodeCounts counts_ = count_codes(quantizer_, rows_);
};

TEST_F(Drift, CountsAreThoseOfTheCodes) {
  std::vector<std::uint8_t> codes(6000 * kBlocks);
  quantizer_.encode(rows_, codes);
  std::vector<std::uint64_t> counts(kBlocks * 256, 0);
  for (std::size_t i = 0; i < codes.size(); ++i) ++counts[i % kBlocks * 256 + codes[i]];
  EXPECT_EQ(counts_.counts, counts);
  EXPECT_EQ(counts_.rows, 6000u);
  EXPECT_NEAR(counts_.squared_error / 6000 / reconstruction_error(quantizer_, rows_), 1.0, 1e-4);
}

// Uniform over 16 of 256 codewords: 4 bits, and 15 / (2 n ln 2) for the bias of a sample.
TEST_F(Drift, EntropyIsByDefinitionAndCorrected) {
  CodeCounts counts{.counts = std::vector<std::uint64_t>(256, 0), .rows = 1600};
  for (std::size_t k = 0; k < 16; ++k) counts.counts[16 * k] = 100;
  EXPECT_NEAR(counts.entropy(1)[0], 4.0 + 15 / (2 * 1600 * std::log(2.0)), 1e-12);
  std::fill(counts.counts.begin(), counts.counts.end(), 1u);
  counts.rows = 256;
  EXPECT_DOUBLE_EQ(counts.entropy(1)[0], 8.0);  // never above
}

TEST_F(Drift, DocumentsLikeThoseOfTrainingDoNotDrift) {
  DriftMonitor monitor(quantizer_, counts_);
  EXPECT_FALSE(monitor.report().enough);
  const auto fresh = skewed_vectors(3000, kDimension, 7);
  monitor.observe(as_vectors(fresh, kDimension).slice(0, 900));
  EXPECT_FALSE(monitor.report().enough);
  monitor.observe(as_vectors(fresh, kDimension).slice(900, 2100));
  const DriftReport report = monitor.report();
  EXPECT_TRUE(report.enough);
  EXPECT_FALSE(report.drifted) << report.reason;
  EXPECT_EQ(report.rows, 3000u);
  EXPECT_LT(std::abs(report.entropy_loss), 0.2);
  EXPECT_NEAR(report.error_ratio, 1.0, 0.25);
}

TEST_F(Drift, DocumentsFromElsewhereLoseMoreOfTheirLength) {
  DriftMonitor monitor(quantizer_, counts_);
  random::Generator generator(1, 1);
  std::vector<float> other(2000 * kDimension);
  for (float& x : other) x = static_cast<float>(3 * generator.normal());
  monitor.observe(as_vectors(other, kDimension));
  const DriftReport report = monitor.report();
  EXPECT_TRUE(report.drifted);
  EXPECT_GT(report.error_ratio, 1.25);
  EXPECT_NE(report.reason.find("train the codewords again"), std::string::npos);
  monitor.forget();
  EXPECT_EQ(monitor.report().rows, 0u);
}

// Near copies of few documents: their codes are exact enough, but all the same.
TEST_F(Drift, DocumentsThatAreAllAlikeSayLess) {
  DriftMonitor monitor(quantizer_, counts_);
  std::vector<float> alike;
  for (std::size_t i = 0; i < 2000; ++i)
    alike.insert(alike.end(), rows_.row(i % 8).begin(), rows_.row(i % 8).end());
  monitor.observe(as_vectors(alike, kDimension));
  const DriftReport report = monitor.report();
  EXPECT_TRUE(report.drifted);
  EXPECT_GT(report.entropy_loss, 3.0);  // at most 3 bits are left of more than 6
  for (const double bits : report.entropy) EXPECT_LE(bits, 3.01);
}

TEST_F(Drift, RefusesCountsOfAnotherQuantiser) {
  CodeCounts wrong = counts_;
  wrong.counts.pop_back();
  EXPECT_EQ(code_of([&] { DriftMonitor(quantizer_, wrong); }), "drift.shape");
  EXPECT_EQ(code_of([&] { DriftMonitor(quantizer_, CodeCounts{}); }), "drift.shape");
  EXPECT_EQ(code_of([&] { DriftMonitor(quantizer_, counts_, {.max_error_ratio = 0}); }),
            "config.out_of_range");
  DriftMonitor monitor(quantizer_, counts_);
  std::vector<float> bad(kDimension, std::nanf(""));
  EXPECT_EQ(code_of([&] { monitor.observe(as_vectors(bad, kDimension)); }), "vectors.not_finite");
  EXPECT_EQ(monitor.report().rows, 0u);
}

}  // namespace
}  // namespace tenfold::search
