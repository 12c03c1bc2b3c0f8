// SPDX-License-Identifier: Apache-2.0
// The processes of `tenfold launch`: starts them, marks their output, passes signals on, and ends the rest when one fails.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/base/stop.h"

namespace tenfold::cli {

struct RankGroupPlan {
  std::vector<std::string> command;  // the same for every rank; command[0] is looked up in PATH
  int ranks = 1;
  // Variables of one rank, beside those of this process.
  std::function<std::vector<std::pair<std::string, std::string>>(int rank)> variables;
  std::chrono::milliseconds grace = std::chrono::seconds(10);  // between SIGTERM and SIGKILL
  bool results_of_rank_0 =
      false;  // rank 0's standard output goes on as it is; the other ranks' to standard error
  bool all_to_stderr = false;  // standard output stays empty
  const StopToken* stop = nullptr;
  std::function<int()> stop_signal;  // which signal set `stop`; null: SIGTERM
  std::function<void(bool standard_error, std::string_view text)> write;  // gets whole lines; never null
};

struct RankExit {
  int exit_code = 0;     // 128 + signal when a signal ended it
  double seconds = 0.0;  // from the start
};

struct RankGroupReport {
  std::vector<RankExit> ranks;
  int first_failure = -1;    // the rank that ended first with another code than 0; -1: none
  int stop_signal = 0;       // passed on to the ranks
  bool had_results = false;  // rank 0 wrote something to its standard output
};

// Each line of a rank's output gets "[rank] " before it. Ranks read nothing from standard input; each is a process group of its
// own, so that a signal from the terminal reaches it once, from here, and each dies with this process.
// When one fails, the others get SIGTERM and after `grace` SIGKILL. After a stop they are left to end by themselves: they may be
// saving. Throws Error(kResource, "launch.no_program" | "process.no_child"); then no rank is left running.
RankGroupReport run_rank_group(const RankGroupPlan& plan);

}  // namespace tenfold::cli
