// SPDX-License-Identifier: Apache-2.0
// metrics.jsonl, the event file beside it, and the progress line.
#include "tenfold/train/run_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "tenfold/base/error.h"
#include "tenfold/train/progress_line.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using testing::TemporaryFolder;

LogRow row_of(std::uint64_t step, double loss) {
  return {.step = step, .figures = {{"train/loss", loss}}, .time = {{"seconds", 0.5}, {"unix", 1.6e9}}};
}

std::vector<io::TfEvent> events_in(const Path& folder) {
  std::vector<Path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) found.push_back(entry.path());
  }
  EXPECT_EQ(found.size(), 1u);
  return io::read_tfevents(found.at(0));
}

TEST(RunLog, ALineHasItsTimesLast) {
  LogRow row{
      .step = 20, .figures = {{"train/loss", 0.1}, {"epoch", 2}}, .time = {{"seconds", 1.5}, {"a", 1e-9}}};
  EXPECT_EQ(to_json_line(row),
            R"({"step": 20, "epoch": 2, "train/loss": 0.1, "time": {"a": 1e-09, "seconds": 1.5}})");
}

TEST(RunLog, NumbersReadBackAndNonFiniteOnesAreNull) {
  EXPECT_EQ(to_json_line({.step = 0, .figures = {{"x", 0.1 + 0.2}}}),
            R"({"step": 0, "x": 0.30000000000000004, "time": {}})");
  EXPECT_EQ(to_json_line({.step = 0, .figures = {{"x", std::nan("")}, {"y", -INFINITY}}}),
            R"({"step": 0, "x": null, "y": null, "time": {}})");
}

TEST(RunLog, NamesAreEscapedAndMustBeUtf8) {
  EXPECT_EQ(to_json_line({.step = 0, .figures = {{"a\"b\n", 1}}}), R"({"step": 0, "a\"b\n": 1, "time": {}})");
  EXPECT_THROW(to_json_line({.step = 0, .figures = {{"\xFF", 1}}}), Error);
}

TEST(RunLog, BothFilesHoldTheRows) {
  const TemporaryFolder folder;
  RunLog log(real_file_system(), folder.path(), 0);
  log.add(row_of(1, 2.0));
  log.add(row_of(2, std::numeric_limits<double>::quiet_NaN()));
  log.sync();
  EXPECT_EQ(read_text_file(folder / "metrics.jsonl"),
            "{\"step\": 1, \"train/loss\": 2, \"time\": {\"seconds\": 0.5, \"unix\": 1600000000}}\n"
            "{\"step\": 2, \"train/loss\": null, \"time\": {\"seconds\": 0.5, \"unix\": 1600000000}}\n");
  const auto events = events_in(folder.path());
  ASSERT_EQ(events.size(), 3u);  // the first holds the version
  EXPECT_EQ(events[1].step, 1);
  EXPECT_EQ(events[1].wall_time, 1.6e9);
  ASSERT_EQ(events[1].scalars.size(), 2u);
  EXPECT_EQ(events[1].scalars[0].tag, "train/loss");
  EXPECT_EQ(events[1].scalars[0].value, 2.0f);
  EXPECT_EQ(events[1].scalars[1].tag, "time/seconds");
}

TEST(RunLog, ContinuesAfterAStepAndDropsWhatCameLaterInBothFiles) {
  const TemporaryFolder folder;
  {
    RunLog log(real_file_system(), folder.path(), 0);
    for (const std::uint64_t step : {1, 2, 3, 4}) log.add(row_of(step, static_cast<double>(step)));
  }
  // A torn line, as a killed process leaves it.
  const std::string text = read_text_file(folder / "metrics.jsonl") + "{\"step\": 5, \"tr";
  write_file_atomically(real_file_system(), folder / "metrics.jsonl", text);
  {
    RunLog log(real_file_system(), folder.path(), 2);
    log.add(row_of(3, 30.0));
  }
  EXPECT_THAT(testing::deterministic_lines(folder / "metrics.jsonl"),
              ::testing::ElementsAre("{\"step\": 1, \"train/loss\": 1",
                                     "{\"step\": 2, \"train/loss\": 2",
                                     "{\"step\": 3, \"train/loss\": 30"));
  const auto events = events_in(folder.path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[2].step, 2);
  EXPECT_EQ(events[2].scalars[0].value, 2.0f);
  EXPECT_EQ(events[3].scalars[0].value, 30.0f);
}

TEST(RunLog, AForeignLineIsRefusedAndLeftAlone) {
  const TemporaryFolder folder;
  const std::string text = "{\"step\": 1}\n{\"no\": \"step\"}\n{\"step\": 2}\n";
  write_file_atomically(real_file_system(), folder / "metrics.jsonl", text);
  try {
    RunLog(real_file_system(), folder.path(), 5);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "run_log.bad_line");
    EXPECT_EQ(error.error_class(), ErrorClass::kFile);
  }
  EXPECT_EQ(read_text_file(folder / "metrics.jsonl"), text);
}

TEST(RunLog, AFullDiskIsReportedAndTheLinesBeforeStay) {
  for (std::uint64_t n = 1; n < 20; ++n) {
    const TemporaryFolder folder;
    {
      RunLog log(real_file_system(), folder.path(), 0);
      log.add(row_of(1, 1.0));
    }
    faults::FaultyFileSystem faulty({.fault = faults::Fault::kShortWrite, .at = n});
    try {
      RunLog log(faulty, folder.path(), 1);
      log.add(row_of(2, 2.0));
      log.sync();
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == "file.no_space" || error.code() == "file.io") << error.code();
    }
    EXPECT_EQ(testing::deterministic_lines(folder / "metrics.jsonl").at(0),
              "{\"step\": 1, \"train/loss\": 1");
    RunLog again(real_file_system(), folder.path(), 1);
    EXPECT_EQ(testing::deterministic_lines(folder / "metrics.jsonl").size(), 1u);
  }
}

TEST(ProgressLine, SaysStepLossRateAndTimeLeft) {
  EXPECT_EQ(format_progress({.step = 120,
                             .total_steps = 4000,
                             .loss = 0.43217,
                             .learning_rate = 1e-3,
                             .examples_per_second = 1520.4,
                             .seconds_per_step = 0.5}),
            "step 120/4000  loss 0.4322  rate 0.001  1520 examples/s  left 0:32:20");
  EXPECT_EQ(format_progress({.step = 0, .total_steps = 10, .loss = 2}), "step 0/10  loss 2  rate 0");
}

TEST(ProgressLine, IsSilentBetweenTwoSeconds) {
  int shown = 0;
  ProgressLine line([&](std::string_view) { ++shown; }, 0, 100);
  for (std::uint64_t step = 1; step <= 100; ++step) line.update(step, 8, 1.0, 0.1);
  EXPECT_LE(shown, 1);
  line.finish(100, 1.0, 0.1);
  EXPECT_GE(shown, 1);
}

}  // namespace
}  // namespace tenfold::train
