// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/process.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>

#include "tenfold/base/error.h"

namespace tenfold {

std::vector<char*> exec_pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

std::optional<double> process_memory(std::string_view figure) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    double kilobytes = 0.0;
    if (word.size() == figure.size() + 1 && word.starts_with(figure) && file >> kilobytes)
      return kilobytes * 1024.0;
  }
  return std::nullopt;
}

void throw_no_child(std::string_view what, int error) {
  throw Error(ErrorClass::kResource,
              "process.no_child",
              {.what = fmt::format("a child process cannot be started: {}", what),
               .seen = std::strerror(error),
               .wanted = "room for one more process and its pipes",
               .remedy = "close other programs or raise the limits (ulimit -n, ulimit -u)"});
}

}  // namespace tenfold
