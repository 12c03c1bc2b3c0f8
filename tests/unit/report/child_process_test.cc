// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/child_process.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tenfold::report {
namespace {

TEST(ChildProcess, CopiesMoreThanAnyPipeBufferBothWays) {
  std::string input;
  for (int i = 0; input.size() < (std::size_t{8} << 20); ++i) input += std::to_string(i) + "\n";
  const ChildResult result = run_child({.arguments = {"cat"}, .input = input});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.output == input);
}

TEST(ChildProcess, KeepsErrorsApartAndReturnsTheExitCode) {
  const ChildResult result = run_child({.arguments = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.errors, "err\n");
}

TEST(ChildProcess, SurvivesAChildThatReadsNothing) {
  const ChildResult result =
      run_child({.arguments = {"sh", "-c", "exec <&-; echo done"}, .input = std::string(4 << 20, 'x')});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "done\n");
}

TEST(ChildProcess, ReportsASignal) {
  EXPECT_EQ(run_child({.arguments = {"sh", "-c", "kill -TERM $$"}}).exit_code, 128 + 15);
}

TEST(ChildProcess, MissingProgramIsNotAnException) {
  EXPECT_FALSE(run_child({.arguments = {"no-such-program-of-tenfold"}}).found);
}

TEST(ChildProcess, KillsAtTheTimeLimit) {
  for (const char* script : {"sleep 600", "exec >&- 2>&-; sleep 600"}) {
    const ChildResult result =
        run_child({.arguments = {"sh", "-c", std::string("exec ") + "sh -c '" + script + "'"},
                   .time_limit = std::chrono::milliseconds(150)});
    EXPECT_TRUE(result.timed_out);
    EXPECT_NE(result.exit_code, 0);
  }
}

TEST(ChildProcess, KillsAChildThatWritesWithoutEnd) {
  const ChildResult result = run_child({.arguments = {"yes"}, .output_limit = 1 << 20});
  EXPECT_TRUE(result.too_long);
  EXPECT_FALSE(result.timed_out);
}

TEST(ChildProcess, ArgumentsAreNotReadByAShell) {
  const ChildResult result = run_child({.arguments = {"printf", "%s", "$(echo x) `y` ; z"}});
  EXPECT_EQ(result.output, "$(echo x) `y` ; z");
}

}  // namespace
}  // namespace tenfold::report
