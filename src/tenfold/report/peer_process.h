// SPDX-License-Identifier: Apache-2.0
// A child process that is asked for one timed repetition a line, so that a peer stays warm between repetitions.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tenfold::report {

class PeerProcess {
 public:
  // Starts the program with its standard input and output connected to this object and its standard error discarded.
  // Throws Error(kResource, "bench.peer_failed") when it cannot be started.
  explicit PeerProcess(const std::vector<std::string>& command);
  ~PeerProcess();  // closes the connection and waits; ends the child when it does not end by itself
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  void write_line(const std::string& line);
  // The next line without its end. Throws Error(kResource, "bench.peer_failed") at end of output or after the limit.
  std::string read_line(int limit_seconds);

 private:
  int socket_ = -1;
  pid_t child_ = -1;
  std::string pending_;
};

}  // namespace tenfold::report
