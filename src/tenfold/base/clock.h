// SPDX-License-Identifier: Apache-2.0
// Wall and CPU time side by side: other work may share the cores, so every reported time has both.
#pragma once

namespace tenfold {

class Stopwatch {
 public:
  Stopwatch();
  double wall_seconds() const;
  double cpu_seconds() const;  // of the whole process, all threads
  void restart();

 private:
  double wall_start_;
  double cpu_start_;
};

}  // namespace tenfold
