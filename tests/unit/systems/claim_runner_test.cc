// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/claim_runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "tenfold/base/error.h"

namespace tenfold::systems {
namespace {

// A claim that counts its runs and measures its seed.
Claim counting_claim(std::atomic<int>& runs, const std::string& setup = "here") {
  Claim claim;
  claim.id = "counts";
  claim.metric = "value";
  claim.setup = setup;
  claim.seeds = {4, 1, 10};
  claim.measure = [&runs](const ClaimRun& run) {
    ++runs;
    return Measurement{{"value", static_cast<double>(run.seed)}, {"other", 1.0}};
  };
  claim.judge = [](const std::vector<Measurement>& all) {
    return all.size() == 3 ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

Path fresh_folder() {
  std::string name = testing::TempDir() + "tenfold-claims-XXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  return name;
}

TEST(ClaimRunner, ReportsMedianAndSpreadOverSeeds) {
  std::atomic<int> runs = 0;
  const std::vector<ClaimResult> results = run_claims({counting_claim(runs)}, {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].measured, 4.0);
  EXPECT_EQ(results[0].spread, 9.0);
  EXPECT_EQ(results[0].verdict, Verdict::kReproduced);
  EXPECT_EQ(runs, 3);
}

TEST(ClaimRunner, ReusesFinishedRunsOfTheSameSetupAndBuild) {
  std::atomic<int> runs = 0;
  ClaimRunnerOptions options;
  options.files = &real_file_system();
  options.cache_folder = fresh_folder();
  options.build = "a";
  const double first = run_claims({counting_claim(runs)}, options)[0].measured;
  EXPECT_EQ(run_claims({counting_claim(runs)}, options)[0].measured, first);
  EXPECT_EQ(runs, 3);
  run_claims({counting_claim(runs, "elsewhere")}, options);
  EXPECT_EQ(runs, 6);
  options.build = "b";
  run_claims({counting_claim(runs)}, options);
  EXPECT_EQ(runs, 9);
}

TEST(ClaimRunner, ContinuesWhereItWasStopped) {
  std::atomic<int> runs = 0;
  StopToken stop;
  ClaimRunnerOptions options;
  options.files = &real_file_system();
  options.cache_folder = fresh_folder();
  options.stop = &stop;
  Claim claim = counting_claim(runs);
  const auto measure = claim.measure;
  claim.measure = [&](const ClaimRun& run) {
    if (runs == 1) stop.request();  // during the second seed
    return measure(run);
  };
  EXPECT_THROW(run_claims({claim}, options), Error);
  EXPECT_EQ(runs, 2);
  options.stop = nullptr;
  EXPECT_EQ(run_claims({claim}, options)[0].measured, 4.0);
  EXPECT_EQ(runs, 3);
}

TEST(ClaimRunner, RepeatsARunWhoseCacheEntryIsDamaged) {
  std::atomic<int> runs = 0;
  ClaimRunnerOptions options;
  options.files = &real_file_system();
  options.cache_folder = fresh_folder();
  run_claims({counting_claim(runs)}, options);
  for (const auto& entry : std::filesystem::directory_iterator(options.cache_folder))
    std::ofstream(entry.path()) << "{\"measu";
  run_claims({counting_claim(runs)}, options);
  EXPECT_EQ(runs, 6);
}

TEST(ClaimRunner, AClaimWithoutItsMetricIsABug) {
  std::atomic<int> runs = 0;
  Claim claim = counting_claim(runs);
  claim.metric = "missing";
  EXPECT_THROW(run_claims({claim}, {}), Error);
}

TEST(ClaimRunner, LeavesOutClaimsWhoseDataAreMissing) {
  std::atomic<int> runs = 0;
  Claim claim = counting_claim(runs);
  claim.needs = {"letters"};
  Path seen;
  claim.measure = [&](const ClaimRun& run) {
    ++runs;
    seen = run.data;
    return Measurement{{"value", 1.0}};
  };
  ClaimRunnerOptions options;
  EXPECT_NE(missing_data(claim, options).find("letters"), std::string::npos);
  EXPECT_TRUE(run_claims({claim}, options).empty());
  options.data_folder = fresh_folder();
  EXPECT_NE(missing_data(claim, options), "");
  EXPECT_TRUE(run_claims({claim}, options).empty());
  EXPECT_EQ(runs, 0);
  std::filesystem::create_directory(options.data_folder / "letters");
  EXPECT_EQ(missing_data(claim, options), "");
  EXPECT_EQ(run_claims({claim}, options).size(), 1u);
  EXPECT_EQ(seen, options.data_folder);
}

}  // namespace
}  // namespace tenfold::systems
