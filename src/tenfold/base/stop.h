// SPDX-License-Identifier: Apache-2.0
// Cooperative stopping: long loops of the library poll a StopToken; only the program connects one to signals.
#pragma once

#include <atomic>

namespace tenfold {

class StopToken {
 public:
  void request() { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
};

}  // namespace tenfold
