// SPDX-License-Identifier: Apache-2.0
// The run meter, its file, and the study that uses it.
#include "tenfold/train/run_meter.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/train/flop_study.h"

namespace tenfold::train {
namespace {

RunMeterOptions options_with_peak() {
  RunMeterOptions options;
  options.system = "test";
  options.name = "a run";
  options.seed = 7;
  options.parameters = 36;
  options.peak_gflops = 100.0;
  return options;
}

void train(RunMeter& meter, int steps) {
  torch::nn::Linear layer(8, 4);
  torch::optim::SGD sgd(layer->parameters(), 0.01);
  for (int i = 0; i < steps; ++i) {
    sgd.zero_grad();
    layer->forward(at::randn({3, 8})).sum().backward();
    sgd.step();
    meter.step(3);
  }
}

RunReport finished_run(RunMeterOptions options) {
  RunMeter meter(std::move(options));
  meter.start();
  train(meter, 5);
  return meter.finish();
}

TEST(RunMeter, CountsStepsExamplesAndFlop) {
  const RunReport report = finished_run(options_with_peak());
  EXPECT_EQ(report.steps, 5u);
  EXPECT_EQ(report.examples, 15u);
  EXPECT_EQ(report.flops.forward, 5u * 2 * 3 * 8 * 4);
  EXPECT_EQ(report.flops.backward, 5u * 2 * 3 * 8 * 4);
  EXPECT_GT(report.wall_seconds, 0.0);
  EXPECT_DOUBLE_EQ(report.utilisation, 1920.0 / report.wall_seconds / 1e11);
  EXPECT_DOUBLE_EQ(report.flop_chip_time, report.wall_seconds * 1e11 * 0.3);
  EXPECT_DOUBLE_EQ(report.kilowatt_hours, report.cpu_seconds / 3.6e6 * 10.0);
  EXPECT_FALSE(report.flop_6nd.has_value());
}

TEST(RunMeter, PausedWorkIsNotCounted) {
  RunMeter meter(options_with_peak());
  meter.start();
  train(meter, 1);
  meter.pause();
  at::mm(at::rand({3, 4}), at::rand({4, 5}));
  meter.resume();
  train(meter, 1);
  EXPECT_EQ(meter.finish().flops.total(), 2u * 2 * 2 * 3 * 8 * 4);
}

TEST(RunMeter, FinishesFromAPause) {
  RunMeter meter(options_with_peak());
  meter.start();
  train(meter, 2);
  meter.pause();
  const RunReport report = meter.finish();
  EXPECT_EQ(report.steps, 2u);
}

TEST(RunMeter, CallsOutOfOrderAreBugs) {
  RunMeter meter(options_with_peak());
  EXPECT_THROW(meter.step(1), Error);
  EXPECT_THROW(meter.finish(), Error);
  meter.start();
  EXPECT_THROW(meter.start(), Error);
  EXPECT_THROW(meter.resume(), Error);
  meter.finish();
  EXPECT_THROW(meter.step(1), Error);
}

TEST(RunMeter, ComparesWithSixND) {
  RunMeterOptions options = options_with_peak();
  options.active_parameters = 1000;  // far too many for this layer
  RunMeter meter(options);
  meter.start();
  at::mm(at::rand({3, 4}), at::rand({4, 5}));
  meter.step(3, 3);
  const RunReport report = meter.finish();
  EXPECT_DOUBLE_EQ(report.flop_6nd.value(), 6.0 * 1000 * 3);
  EXPECT_DOUBLE_EQ(report.ratio_6nd.value(), 18000.0 / 120.0);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes[0].find("more than 3 times"), std::string::npos);
}

TEST(RunMeter, JsonHasTheDocumentedFields) {
  const RunReport report = finished_run(options_with_peak());
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["schema"], "tenfold.run/1");
  EXPECT_EQ(json["system"], "test");
  EXPECT_EQ(json["name"], "a run");
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["parameters"], 36);
  EXPECT_EQ(json["flop"]["total"], 1920);
  EXPECT_TRUE(json["flop_6nd"].is_null());
  EXPECT_DOUBLE_EQ(json["wall_hours"].get<double>(), report.wall_seconds / 3600.0);
  EXPECT_EQ(json["peak_gflops"], 100.0);
  EXPECT_EQ(json["energy"]["watts_per_busy_core"], 10.0);
  for (const char* key : {"date",
                          "config_hash",
                          "version",
                          "revision",
                          "active_parameters",
                          "steps",
                          "examples",
                          "tokens",
                          "ratio_6nd",
                          "chip_time",
                          "cpu_hours",
                          "threads",
                          "utilisation",
                          "utilisation_cpu",
                          "cpu",
                          "libraries",
                          "uncounted",
                          "notes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["date"].get<std::string>().size(), std::string("2026-03-01T12:34:56Z").size());
}

TEST(RunMeter, JsonSurvivesBytesThatAreNotUtf8) {
  RunMeterOptions options = options_with_peak();
  options.name = "bad \xff name";
  EXPECT_TRUE(nlohmann::json::accept(to_json(finished_run(options))));
}

TEST(RunMeter, WritesTheFile) {
  const Path path = Path(testing::TempDir()) / ("run_meter_" + std::to_string(getpid()) + ".json");
  const RunReport report = finished_run(options_with_peak());
  write_run_json(real_file_system(), path, report);
  EXPECT_EQ(read_text_file(path), to_json(report));
  std::filesystem::remove(path);
}

TEST(FlopStudy, CountsExactlyAndSixNDFitsOnlyWhereItShould) {
  const FlopStudyReport report = run_flop_study({.seconds_per_model = 0.05, .threads = 1, .seed = 3});
  ASSERT_EQ(report.rows.size(), 5u);
  EXPECT_GT(report.peak_gflops, 0.0);
  for (const FlopStudyRow& row : report.rows) {
    SCOPED_TRACE(row.model);
    EXPECT_EQ(row.counted, row.hand_counted);
    EXPECT_EQ(row.counted, row.counted_forward + row.counted_backward);
    EXPECT_DOUBLE_EQ(row.six_nd, 6.0 * static_cast<double>(row.active_parameters * row.items));
    EXPECT_GE(row.overhead_pairs, 7);
    EXPECT_LT(row.last_loss, row.first_loss);
  }
  EXPECT_NEAR(report.rows[0].ratio, 1.0, 0.1) << "d much larger than T";
  EXPECT_LT(report.rows[1].ratio, 0.6) << "long sequences: attention dominates";
  EXPECT_LT(report.rows[4].ratio, 0.1) << "weights shared over the image";
}

TEST(FlopStudy, StopsOnRequest) {
  StopToken stop;
  stop.request();
  const FlopStudyReport report = run_flop_study({.seconds_per_model = 0.1, .threads = 1, .stop = &stop});
  EXPECT_TRUE(report.stopped);
  EXPECT_TRUE(report.rows.empty());
}

}  // namespace
}  // namespace tenfold::train
