// SPDX-License-Identifier: Apache-2.0
// The pieces of starting child processes that several layers share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenfold {

// What execve() and its like want: pointers into `texts`, which must outlive them, and a null pointer.
std::vector<char*> exec_pointers(std::vector<std::string>& texts);

// From the status of waitpid(): the exit code, or 128 + signal.
int exit_code_of(int wait_status);

// Throws Error(kResource, "process.no_child") for a child that cannot be started; `error` is an errno.
[[noreturn]] void throw_no_child(std::string_view what, int error);

}  // namespace tenfold
