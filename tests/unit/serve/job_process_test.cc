// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/job_process.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tenfold/base/error.h"

namespace tenfold::serve {
namespace {

using testing::ElementsAre;

struct Ended {
  JobProcessEnd end;
  std::vector<std::string> lines;
  int ticks = 0;
};

Ended run_script(const std::string& script, JobProcessOptions options = {}, bool stop_at_first_line = false) {
  options.arguments = {"/bin/sh", "-c", script};
  options.tick = std::chrono::milliseconds(10);
  Ended result;
  StopToken stop;
  result.end = run_job_process(
      options,
      stop,
      [&](std::string_view line) {
        result.lines.emplace_back(line);
        if (stop_at_first_line) stop.request();
      },
      [&] { ++result.ticks; });
  return result;
}

TEST(JobProcess, GivesOutputAndLines) {
  const Ended ended = run_script("echo out; echo one >&2; printf 'two\\rthree' >&2; exit 3");
  EXPECT_EQ(ended.end.exit_code, 3);
  EXPECT_EQ(ended.end.output, "out\n");
  EXPECT_FALSE(ended.end.output_cut);
  EXPECT_THAT(ended.lines, ElementsAre("one", "two", "three"));
  EXPECT_GE(ended.ticks, 1);
}

TEST(JobProcess, BoundsWhatItKeeps) {
  JobProcessOptions options;
  options.output_limit = 10;
  const Ended ended = run_script("yes | head -c 100000; yes long | head -c 5000 | tr -d '\\n' >&2", options);
  EXPECT_EQ(ended.end.output.size(), 10u);
  EXPECT_TRUE(ended.end.output_cut);
  EXPECT_EQ(ended.lines.at(0).size(), 1000u);
}

TEST(JobProcess, EndsPolitelyFirst) {
  const Ended ended =
      run_script("trap 'echo saved; exit 7' TERM; echo ready >&2; while :; do sleep 0.01; done", {}, true);
  EXPECT_EQ(ended.end.exit_code, 7);
  EXPECT_EQ(ended.end.output, "saved\n");
}

TEST(JobProcess, EndsByForceAfterTheGrace) {
  JobProcessOptions options;
  options.grace = std::chrono::milliseconds(50);
  const Ended ended = run_script("trap '' TERM; echo ready >&2; while :; do sleep 0.01; done", options, true);
  EXPECT_EQ(ended.end.exit_code, 128 + 9);
}

TEST(JobProcess, DoesNotWaitForGrandchildren) {
  EXPECT_EQ(run_script("sleep 30 & exit 0").end.exit_code, 0);
}

TEST(JobProcess, KeepsTheServersSettingsToItself) {
  ::setenv("TENFOLD_SET_TOKEN", "secret", 1);
  const Ended ended = run_script("printf '%s' \"$TENFOLD_SET_TOKEN\"; cat");
  ::unsetenv("TENFOLD_SET_TOKEN");
  EXPECT_EQ(ended.end.output, "") << "no token, and nothing on standard input";
}

TEST(JobProcess, SaysWhenTheProgramIsNotThere) {
  JobProcessOptions options;
  options.arguments = {"/no/such/program"};
  try {
    run_job_process(
        options, StopToken(), [](std::string_view) {}, [] {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "serve.no_child");
    EXPECT_EQ(error.error_class(), ErrorClass::kResource);
  }
}

}  // namespace
}  // namespace tenfold::serve
