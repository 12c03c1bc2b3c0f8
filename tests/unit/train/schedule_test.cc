// SPDX-License-Identifier: Apache-2.0
// Every schedule against its closed form, typed in here by hand.
#include "tenfold/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::train {
namespace {

ScheduleOptions named(const std::string& name) {
  ScheduleOptions options;
  options.name = name;
  return options;
}

template <typename Function>
Error error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorClass::kInternal, "none", {});
}

TEST(Schedule, WarmsUpFromZeroBeforeEverySchedule) {
  for (const char* name : {"constant", "linear", "cosine", "inverse_sqrt", "exponential", "plateau"}) {
    ScheduleOptions options = named(name);
    options.warmup = 8;
    const Schedule schedule(options, 100);
    for (int step = 0; step <= 8; ++step) EXPECT_DOUBLE_EQ(schedule.factor(step), step / 8.0) << name;
  }
}

TEST(Schedule, ConstantStaysAtOne) {
  const Schedule schedule(named("constant"), 10);
  for (std::int64_t step : {0, 1, 9, 10, 1000000}) EXPECT_EQ(schedule.factor(step), 1.0);
}

TEST(Schedule, LinearFallsToTheFinalFactorAndStaysThere) {
  ScheduleOptions options = named("linear");
  options.warmup = 10;
  options.final_factor = 0.2;
  const Schedule schedule(options, 110);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(35), 0.8);
  EXPECT_DOUBLE_EQ(schedule.factor(60), 0.6);
  EXPECT_DOUBLE_EQ(schedule.factor(110), 0.2);
  EXPECT_DOUBLE_EQ(schedule.factor(5000), 0.2);
}

TEST(Schedule, CosineFollowsHalfAWave) {
  ScheduleOptions options = named("cosine");
  options.final_factor = 0.1;
  const Schedule schedule(options, 120);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 1.0);
  EXPECT_NEAR(schedule.factor(40), 0.1 + 0.9 * 0.75, 1e-15);  // cos(60 degrees) = 1/2
  EXPECT_NEAR(schedule.factor(60), 0.55, 1e-15);
  EXPECT_NEAR(schedule.factor(80), 0.1 + 0.9 * 0.25, 1e-15);
  EXPECT_NEAR(schedule.factor(120), 0.1, 1e-15);
  EXPECT_NEAR(schedule.factor(1000), 0.1, 1e-15);
}

TEST(Schedule, StepsEndsLinearAndCosineBeforeTheRun) {
  for (const char* name : {"linear", "cosine"}) {
    ScheduleOptions options = named(name);
    options.steps = 50;
    const Schedule schedule(options, 1000);
    EXPECT_NEAR(schedule.factor(25), 0.5, 1e-15);
    EXPECT_NEAR(schedule.factor(50), 0.0, 1e-15);
  }
}

TEST(Schedule, InverseSquareRootIsOneAtTheEndOfTheWarmup) {
  ScheduleOptions options = named("inverse_sqrt");
  options.warmup = 100;
  const Schedule schedule(options, 100000);
  EXPECT_DOUBLE_EQ(schedule.factor(50), 0.5);
  EXPECT_DOUBLE_EQ(schedule.factor(100), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(400), 0.5);
  EXPECT_DOUBLE_EQ(schedule.factor(10000), 0.1);
  const Schedule cold(named("inverse_sqrt"), 100);
  EXPECT_DOUBLE_EQ(cold.factor(0), 1.0);
  EXPECT_DOUBLE_EQ(cold.factor(25), 0.2);
}

TEST(Schedule, ExponentialCountsFromTheEndOfTheWarmup) {
  ScheduleOptions options = named("exponential");
  options.warmup = 5;
  options.decay = std::log(2.0) / 100.0;
  const Schedule schedule(options, 10000);
  EXPECT_DOUBLE_EQ(schedule.factor(5), 1.0);
  EXPECT_NEAR(schedule.factor(105), 0.5, 1e-15);
  EXPECT_NEAR(schedule.factor(1005), 1.0 / 1024.0, 1e-15);
}

TEST(Schedule, PlateauReducesAfterPatienceAndNotBelowItsFloor) {
  ScheduleOptions options = named("plateau");
  options.plateau_patience = 2;
  options.plateau_factor = 0.5;
  options.plateau_threshold = 0.1;
  options.plateau_min_factor = 0.3;
  Schedule schedule(options, 100);
  const auto after = [&](double metric) {
    schedule.evaluated(metric, true);
    return schedule.factor(7);
  };
  EXPECT_EQ(after(10.0), 1.0);
  EXPECT_EQ(after(8.0), 1.0);   // progress: more than a tenth
  EXPECT_EQ(after(7.5), 1.0);   // too little, first
  EXPECT_EQ(after(7.3), 1.0);   // second: patience is used up
  EXPECT_EQ(after(7.25), 0.5);  // third: reduced
  EXPECT_EQ(after(7.0), 0.5);   // an eighth better than 8: progress
  EXPECT_EQ(after(7.0), 0.5);
  EXPECT_EQ(after(std::numeric_limits<double>::quiet_NaN()), 0.5);
  EXPECT_EQ(after(7.0), 0.3);  // not 0.25
}

TEST(Schedule, PlateauLooksUpwardsForAccuracyAndHandlesNegativeMetrics) {
  ScheduleOptions options = named("plateau");
  options.plateau_patience = 0;
  options.plateau_threshold = 0.0;
  Schedule rising(options, 10);
  for (double accuracy : {0.5, 0.6, 0.7}) rising.evaluated(accuracy, false);
  EXPECT_EQ(rising.factor(0), 1.0);
  rising.evaluated(0.65, false);
  EXPECT_EQ(rising.factor(0), 0.5);
  options.plateau_threshold = 0.1;
  Schedule negative(options, 10);
  negative.evaluated(-1.0, true);
  negative.evaluated(-1.2, true);  // a fifth lower: progress
  EXPECT_EQ(negative.factor(0), 1.0);
  negative.evaluated(-1.25, true);
  EXPECT_EQ(negative.factor(0), 0.5);
}

TEST(Schedule, OtherSchedulesIgnoreTheMetric) {
  Schedule schedule(named("constant"), 10);
  for (int i = 0; i < 20; ++i) schedule.evaluated(1.0, true);
  EXPECT_EQ(schedule.factor(3), 1.0);
}

TEST(Schedule, RestoredStateContinuesThePlateau) {
  ScheduleOptions options = named("plateau");
  options.plateau_patience = 1;
  Schedule whole(options, 10), first(options, 10), second(options, 10);
  const double metrics[] = {3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0};
  for (double metric : metrics) whole.evaluated(metric, true);
  for (int i = 0; i < 5; ++i) first.evaluated(metrics[i], true);
  second.restore(first.state());
  for (int i = 5; i < 8; ++i) second.evaluated(metrics[i], true);
  EXPECT_EQ(second.factor(0), whole.factor(0));
  EXPECT_EQ(second.state().bad_evaluations, whole.state().bad_evaluations);
}

TEST(Schedule, UnknownNameIsAnErrorWithTheNearest) {
  const Error error = error_of([] { Schedule(named("cosin"), 10); });
  EXPECT_EQ(error.code(), "schedule.unknown");
  EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
  EXPECT_NE(error.text().remedy.find("'cosine'"), std::string::npos);
}

TEST(Schedule, BadOptionsAreErrors) {
  ScheduleOptions long_warmup = named("cosine");
  long_warmup.warmup = 11;
  EXPECT_EQ(error_of([&] { Schedule(long_warmup, 10); }).code(), "schedule.bad_option");
  long_warmup.steps = 10;
  EXPECT_EQ(error_of([&] { Schedule(long_warmup, 1000); }).code(), "schedule.bad_option");
  long_warmup.name = "constant";
  EXPECT_NO_THROW(Schedule(long_warmup, 1000));  // `steps` does not end it
  EXPECT_EQ(error_of([] { Schedule(named("linear"), 0); }).code(), "schedule.bad_option");
  ScheduleOptions negative = named("constant");
  negative.warmup = -1;
  EXPECT_EQ(error_of([&] { Schedule(negative, 10); }).code(), "schedule.bad_option");
  ScheduleOptions nan = named("exponential");
  nan.decay = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_of([&] { Schedule(nan, 10); }).code(), "schedule.bad_option");
  ScheduleOptions growing = named("linear");
  growing.final_factor = 1.5;
  EXPECT_EQ(error_of([&] { Schedule(growing, 10); }).code(), "schedule.bad_option");
}

TEST(Schedule, AWarmupAsLongAsTheRunEndsAtTheFinalFactor) {
  ScheduleOptions options = named("cosine");
  options.warmup = 10;
  const Schedule schedule(options, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(9), 0.9);
  EXPECT_NEAR(schedule.factor(10), 0.0, 1e-15);
}

}  // namespace
}  // namespace tenfold::train
