// SPDX-License-Identifier: Apache-2.0
// A bounded load of HTTP requests to loopback from one thread: connections that each wait for their answer (closed loop),
// or arrivals at a rate that do not (open loop).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenfold::bench {

struct LoadOptions {
  std::uint16_t port = 0;
  std::string request;   // the bytes of one request
  int connections = 16;  // kept alive
  double rate =
      0.0;  // arrivals a second, exponential gaps; 0: each connection sends as soon as it has its answer
  double seconds = 1.0;
  std::uint64_t most = 10'000'000;  // requests
  std::uint64_t seed = 1;
};

struct LoadResult {
  double seconds = 0.0;
  std::vector<double> accepted;        // seconds from sending to the whole answer, of the answers 200
  std::uint64_t refused = 0;           // 503 with Retry-After
  std::uint64_t wrong = 0;             // any other answer
  std::uint64_t cut_off = 0;           // requests whose connection ended without an answer
  std::uint64_t not_sent = 0;          // arrivals that found no free connection
  std::uint64_t connects_refused = 0;  // new connections that nobody took

  double rate() const { return seconds > 0 ? static_cast<double>(accepted.size()) / seconds : 0.0; }
  double percentile(double percent) const;  // of `accepted`, in seconds; 0 when there are none
};

// Returns when the time is over or every connection has been refused. Throws std::runtime_error when it cannot begin.
LoadResult run_load(const LoadOptions& options);

}  // namespace tenfold::bench
