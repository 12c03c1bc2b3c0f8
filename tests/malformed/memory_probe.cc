// SPDX-License-Identifier: Apache-2.0
#include "tests/malformed/memory_probe.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::io {
namespace {

std::uint64_t memory_before = 0;
std::uint64_t memory_growth = 0;

std::uint64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(field)) continue;
    std::istringstream words(line.substr(field.size()));
    std::uint64_t kilobytes = 0;
    words >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

void note_memory() {
  memory_growth = status_bytes("VmHWM:") - memory_before;
}

Measured measure_here(Opening opening, const Path& path) {
  std::string code = "accepted";
  memory_before = status_bytes("VmRSS:");
  try {
    opening(path);
  } catch (const Error& error) {
    code = error.code();
    note_memory();
  }
  Measured measured{.growth = memory_growth};
  code.copy(measured.code, sizeof measured.code - 1);
  return measured;
}

Measured measure_in_child(Opening opening, const Path& path, const Path& warm_up) {
  std::array<int, 2> pipe_ends{};
  EXPECT_EQ(::pipe(pipe_ends.data()), 0);
  ::malloc_trim(0);  // memory that the parent freed must not serve the child unseen
  const pid_t child = ::fork();
  if (child == 0) {
    measure_here(opening, warm_up);
    const Measured measured = measure_here(opening, path);
    const bool written = ::write(pipe_ends[1], &measured, sizeof measured) == sizeof measured;
    ::_exit(written ? 0 : 1);
  }
  ::close(pipe_ends[1]);
  Measured measured;
  EXPECT_EQ(::read(pipe_ends[0], &measured, sizeof measured), static_cast<ssize_t>(sizeof measured));
  ::close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return measured;
}

}  // namespace tenfold::io
