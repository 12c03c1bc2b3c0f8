// SPDX-License-Identifier: Apache-2.0
// A child process that works for long: its lines as they come, a polite end and a hard one. No shell.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/stop.h"

namespace tenfold::serve {

struct JobProcessOptions {
  std::vector<std::string> arguments;       // arguments[0] is a path
  std::chrono::milliseconds grace{30'000};  // between SIGTERM and SIGKILL
  std::chrono::milliseconds tick{250};
  std::size_t output_limit = std::size_t{16} << 20;  // of standard output; what is beyond is dropped
};

struct JobProcessEnd {
  int exit_code = 0;  // 128 + signal when a signal ended it
  std::string output;
  bool output_cut = false;
};

// Runs the program in a process group of its own, with standard input empty and without the variables TENFOLD_SET_*, which
// configure this server. `line` gets each line of standard error, cut at 1,000 bytes; `tick` is called about every tick.
// When `stop` is requested the group gets SIGTERM, and SIGKILL after the grace. Blocks until the child has ended. Throws
// Error(kResource, "serve.no_child").
JobProcessEnd run_job_process(const JobProcessOptions& options,
                              const StopToken& stop,
                              const std::function<void(std::string_view)>& line,
                              const std::function<void()>& tick);

}  // namespace tenfold::serve
