// SPDX-License-Identifier: Apache-2.0
// Runs the ranks of a distributed test as real processes on the loopback network.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tenfold/train/communicator.h"

namespace tenfold::train_test {

struct RankResult {
  bool finished = false;  // false: a signal ended it, or the harness did
  std::string code;       // of a tenfold::Error; empty when the body returned
  std::string text;       // what the body returned, or the error's what, seen and wanted
  double seconds = 0.0;   // until it ended
};

using RankBody = std::function<std::string(const train::CommunicatorOptions& options)>;

// Forks `ranks` processes, each with one LibTorch thread, that share a free port. When all but those in `never_ending` have
// ended, or after a minute, the rest is killed.
std::vector<RankResult> run_ranks(int ranks,
                                  const RankBody& body,
                                  std::chrono::milliseconds timeout = std::chrono::seconds(20),
                                  const std::vector<int>& never_ending = {});

// Why loopback cannot be used here; empty when it can.
std::string loopback_problem();

// A port of 127.0.0.1 that nobody uses at this moment.
int free_port();

// Bytes that the kernel sent over all TCP connections this process has open; -1 when the kernel does not say.
long long tcp_bytes_sent();

}  // namespace tenfold::train_test
