// SPDX-License-Identifier: Apache-2.0
// Runs a program as a child: no shell, all three streams by pipes at once, a time limit.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace tenfold::report {

struct ChildCommand {
  std::vector<std::string> arguments;  // arguments[0] is looked up in PATH
  std::string input;                   // the child's standard input
  std::chrono::milliseconds time_limit = std::chrono::seconds(60);
  std::size_t output_limit = std::size_t{256} << 20;  // bytes on each stream
};

struct ChildResult {
  bool found = true;       // false: no such program
  int exit_code = 0;       // 128 + signal when a signal ended it
  bool timed_out = false;  // killed at the time limit
  bool too_long = false;   // killed at the output limit
  std::string output;
  std::string errors;
};

// Never blocks beyond the time limit, whatever the child reads or writes, and raises no SIGPIPE. The locale
// of the child is C.UTF-8. Throws Error(kResource, "process.no_child") when the system has no room for a pipe
// or a process.
ChildResult run_child(const ChildCommand& command);

}  // namespace tenfold::report
