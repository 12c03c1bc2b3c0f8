// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/progress.h"

#include <unistd.h>

#include <cstdio>

namespace tenfold::cli {

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}
Progress::~Progress() {
  finish();
}

void Progress::show(std::string_view line) {
  if (quiet_) return;
  const int length = static_cast<int>(line.size());
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%.*s", length, line.data());
    line_open_ = true;
  } else {
    std::fprintf(stderr, "%.*s\n", length, line.data());
  }
  std::fflush(stderr);
}

void Progress::finish() {
  if (line_open_) std::fputs("\n", stderr);
  line_open_ = false;
}

}  // namespace tenfold::cli
