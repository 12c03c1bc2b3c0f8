// SPDX-License-Identifier: Apache-2.0
// A server in a process of its own, with a model that echoes or computes: what the load is put on.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tenfold::bench {

struct ServedOptions {
  double milliseconds = 0.0;  // of computation a request; 0: echo
  bool asleep = false;        // waits as long instead: needs no core
  int workers = 1;
  int core = -1;  // all of the server on this one; -1: any
  double drain = 10.0;
};

// How a server ended, as it told.
struct ServedEnd {
  int exit_code = -1;
  int lost = -1;  // accepted requests
  std::uint64_t answered = 0;
  double seconds = 0.0;  // from SIGTERM to the end of the process
};

// Must be made before the process has threads. Throws std::runtime_error.
class ServedChild {
 public:
  explicit ServedChild(const ServedOptions& options);
  ServedChild(const ServedChild&) = delete;
  ServedChild& operator=(const ServedChild&) = delete;
  ~ServedChild();  // SIGKILL when stop() was not called

  std::uint16_t port() const { return port_; }
  double resident_megabytes() const;
  double cpu_seconds() const;
  void terminate();  // SIGTERM; does not wait
  ServedEnd stop();  // terminate() unless it was called; waits

 private:
  pid_t pid_ = -1;
  int from_child_ = -1;
  std::uint16_t port_ = 0;
  double told_ = -1.0;
};

}  // namespace tenfold::bench
