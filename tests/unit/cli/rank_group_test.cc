// SPDX-License-Identifier: Apache-2.0
// Ranks as shell commands: marks, endings, signals.
#include "tenfold/cli/rank_group.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tenfold/base/error.h"

namespace tenfold::cli {
namespace {

using std::chrono::milliseconds;

struct Ended {
  RankGroupReport report;
  std::string out, err;
};

Ended run(int ranks, const std::string& script, RankGroupPlan plan = {}) {
  Ended result;
  plan.command = {"sh", "-c", script};
  plan.ranks = ranks;
  plan.variables = [](int rank) {
    return std::vector<std::pair<std::string, std::string>>{{"RANK", std::to_string(rank)}};
  };
  plan.write = [&](bool standard_error, std::string_view text) {
    (standard_error ? result.err : result.out) += text;
  };
  result.report = run_rank_group(plan);
  return result;
}

TEST(RankGroup, MarksEveryLineOfBothStreams) {
  const Ended result = run(1, "echo a; echo; printf 'b\\nc'; printf d >&2");
  EXPECT_EQ(result.out, "[0] a\n[0] \n[0] b\n[0] c\n");
  EXPECT_EQ(result.err, "[0] d\n");
  EXPECT_EQ(result.report.first_failure, -1);
}

TEST(RankGroup, KeepsLinesOfRanksWhole) {
  const Ended result = run(3, "for i in 1 2 3 4 5 6 7 8 9; do printf x; printf \"$RANK\"; echo y; done");
  std::size_t lines = 0;
  for (std::size_t at = 0, end = 0; (end = result.out.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = result.out.substr(at, end - at);
    EXPECT_EQ(line, "[" + line.substr(1, 1) + "] x" + line.substr(1, 1) + "y");
    ++lines;
  }
  EXPECT_EQ(lines, 27u);
}

TEST(RankGroup, ALineWithoutEndIsGivenOutInParts) {
  const Ended result = run(1, "head -c 200000 /dev/zero | tr '\\0' x");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), 'x'), 200000);
}

TEST(RankGroup, ResultsOfRank0PassUnmarked) {
  RankGroupPlan plan;
  plan.results_of_rank_0 = true;
  const Ended result = run(2, "printf '{\"rank\": %s}' $RANK; echo log >&2", plan);
  EXPECT_EQ(result.out, "{\"rank\": 0}");
  EXPECT_TRUE(result.report.had_results);
  EXPECT_NE(result.err.find("[1] {\"rank\": 1}\n"), std::string::npos);
  EXPECT_NE(result.err.find("[0] log\n"), std::string::npos);
  EXPECT_FALSE(run(2, "test $RANK = 0 || echo x", plan).report.had_results);
}

TEST(RankGroup, StandardOutputCanBeKeptEmpty) {
  RankGroupPlan plan;
  plan.all_to_stderr = true;
  plan.results_of_rank_0 = true;
  const Ended result = run(2, "echo $RANK", plan);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("[0] 0\n"), std::string::npos);
}

TEST(RankGroup, TheFirstFailureEndsTheOthersAndIsNamed) {
  const Ended result = run(3, "test $RANK = 1 && exit 5; exec sleep 60");
  EXPECT_EQ(result.report.first_failure, 1);
  EXPECT_EQ(result.report.ranks[1].exit_code, 5);
  EXPECT_EQ(result.report.ranks[0].exit_code, 128 + SIGTERM);
  EXPECT_EQ(result.report.ranks[2].exit_code, 128 + SIGTERM);
}

// A folder in which scripts tell each other that they have come to a point: `$D`.
class Meeting {
 public:
  Meeting() {
    std::string name = (std::filesystem::path(testing::TempDir()) / "tenfold-ranks-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
    folder_ = name;
  }
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;
  ~Meeting() { std::filesystem::remove_all(folder_); }

  std::string script(const std::string& text) const { return "D=" + folder_.string() + "; " + text; }
  void wait_for(const std::string& name) const {
    for (int i = 0; i < 2000 && !std::filesystem::exists(folder_ / name); ++i) {
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

 private:
  std::filesystem::path folder_;
};

constexpr char kFailWhenReady[] =
    "if test $RANK = 1; then while ! test -e $D/ready; do sleep 0.01; done; exit 5; fi; ";

TEST(RankGroup, OthersMaySaveBeforeTheyEnd) {
  const Meeting meeting;
  const Ended result =
      run(2,
          meeting.script(
              std::string(kFailWhenReady) +
              "trap 'sleep 0.1; echo saved; exit 0' TERM; touch $D/ready; while true; do sleep 0.01; done"));
  EXPECT_EQ(result.out, "[0] saved\n");
  EXPECT_EQ(result.report.ranks[0].exit_code, 0);
  EXPECT_EQ(result.report.first_failure, 1);
}

TEST(RankGroup, RankThatIgnoresSigtermIsKilledAfterTheGraceTime) {
  const Meeting meeting;
  RankGroupPlan plan;
  plan.grace = milliseconds(100);
  const Ended result = run(2,
                           meeting.script(std::string(kFailWhenReady) +
                                          "trap '' TERM; touch $D/ready; while true; do sleep 0.01; done"),
                           plan);
  EXPECT_EQ(result.report.ranks[0].exit_code, 128 + SIGKILL);
  EXPECT_EQ(result.report.first_failure, 1);
}

TEST(RankGroup, SuccessOfOneDoesNotEndTheOthers) {
  const Ended result = run(2, "test $RANK = 1 || sleep 0.3; echo done");
  EXPECT_EQ(result.out, "[1] done\n[0] done\n");
}

TEST(RankGroup, AStopIsPassedOnOnceAndRanksMayTakeTheirTime) {
  const Meeting meeting;
  StopToken stop;
  RankGroupPlan plan;
  plan.stop = &stop;
  plan.stop_signal = [] { return SIGINT; };
  plan.grace = milliseconds(0);
  std::thread later([&] {
    meeting.wait_for("0");
    meeting.wait_for("1");
    stop.request();
  });
  // Rank 1 ends at once with a failure; rank 0 counts the signals while it saves.
  const Ended result =
      run(2,
          meeting.script("trap 'n=x$n' INT TERM; test $RANK = 1 && trap 'exit 130' INT; touch $D/$RANK; "
                         "while test -z \"$n\"; do sleep 0.01; done; sleep 0.2; sleep 0.2; echo got $n"),
          plan);
  later.join();
  EXPECT_EQ(result.out, "[0] got x\n");
  EXPECT_EQ(result.report.stop_signal, SIGINT);
  EXPECT_EQ(result.report.ranks[0].exit_code, 0);
  EXPECT_EQ(result.report.ranks[1].exit_code, 130);
}

TEST(RankGroup, MissingProgramIsAnErrorAndNothingIsLeft) {
  RankGroupPlan plan;
  plan.command = {"no-such-program-of-tenfold"};
  plan.ranks = 2;
  plan.variables = [](int) { return std::vector<std::pair<std::string, std::string>>(); };
  plan.write = [](bool, std::string_view) {};
  try {
    run_rank_group(plan);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "launch.no_program");
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(RankGroup, VariablesReplaceInheritedOnes) {
  ::setenv("RANK", "77", 1);
  const Ended result = run(2, "echo $(env | grep -c ^RANK=)/$RANK");
  ::unsetenv("RANK");
  EXPECT_NE(result.out.find("[0] 1/0\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("[1] 1/1\n"), std::string::npos) << result.out;
}

// Output of a process that outlives its rank must not hold the launch up for long, nor be waited for without end.
TEST(RankGroup, BackgroundChildDoesNotHoldTheLaunch) {
  const Ended result = run(1, "sleep 30 & echo $! ; exit 0");
  EXPECT_EQ(result.report.ranks[0].exit_code, 0);
  ::kill(std::stoi(result.out.substr(4)), SIGKILL);
}

TEST(RankGroup, RanksDieWithTheLauncher) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    RankGroupPlan plan;
    plan.command = {"sh", "-c", "echo $$; exec sleep 60"};
    plan.variables = [](int) { return std::vector<std::pair<std::string, std::string>>(); };
    plan.write = [&](bool, std::string_view text) {
      [[maybe_unused]] const ssize_t count = ::write(ends[1], text.data(), text.size());
    };
    run_rank_group(plan);
    ::_exit(0);
  }
  char text[64] = {};
  ASSERT_GT(::read(ends[0], text, sizeof text - 1), 4);
  const pid_t rank = std::stoi(std::string(text).substr(4));
  EXPECT_EQ(::kill(rank, 0), 0);
  ::kill(launcher, SIGKILL);
  ::waitpid(launcher, nullptr, 0);
  const auto alive = [rank] {  // an orphan may stay a zombie until its new parent looks
    std::ifstream status("/proc/" + std::to_string(rank) + "/stat");
    std::string pid, name, state;
    return static_cast<bool>(status >> pid >> name >> state) && state != "Z" && state != "X";
  };
  for (int i = 0; i < 500 && alive(); ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_FALSE(alive());
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace tenfold::cli
