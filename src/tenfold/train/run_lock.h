// SPDX-License-Identifier: Apache-2.0
// One run, one process that writes: a lock on the run's folder that ends with the process, also by SIGKILL.
#pragma once

#include "tenfold/base/file_system.h"

namespace tenfold::train {

class RunLock {
 public:
  // Throws Error(kResource, "train.folder_in_use") when another process, or another run in this one, has it. Where the file
  // system has no locks, nothing is guarded.
  explicit RunLock(const Path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int folder_ = -1;
};

}  // namespace tenfold::train
