// SPDX-License-Identifier: Apache-2.0
// Progress on stderr: one line that is overwritten on a terminal, plain lines otherwise.
#pragma once

#include <string_view>

namespace tenfold::cli {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::string_view line);
  void finish();

 private:
  bool quiet_;
  bool terminal_;
  bool line_open_ = false;
};

}  // namespace tenfold::cli
