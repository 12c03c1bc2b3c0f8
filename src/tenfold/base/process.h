// SPDX-License-Identifier: Apache-2.0
// The pieces of starting child processes that several layers share, and what the system says of this one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold {

// What execve() and its like want: pointers into `texts`, which must outlive them, and a null pointer.
std::vector<char*> exec_pointers(std::vector<std::string>& texts);

// From the status of waitpid(): the exit code, or 128 + signal.
int exit_code_of(int wait_status);

// Bytes by a figure of /proc/self/status: "VmRSS", "VmHWM", "RssAnon", "RssFile". Nothing where the system does not say.
std::optional<double> process_memory(std::string_view figure);

// Throws Error(kResource, "process.no_child") for a child that cannot be started; `error` is an errno.
[[noreturn]] void throw_no_child(std::string_view what, int error);

}  // namespace tenfold
