// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "tenfold/base/error.h"

namespace tenfold::train {

RunLock::RunLock(const Path& folder) : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (folder_ < 0 || ::flock(folder_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(folder_);
  throw Error(ErrorClass::kResource,
              "train.folder_in_use",
              {.what = "another run writes to " + folder.string(),
               .wanted = "a folder of its own for each run",
               .remedy = "wait for the other run to end, or choose another folder"});
}

RunLock::~RunLock() {
  if (folder_ >= 0) ::close(folder_);
}

}  // namespace tenfold::train
