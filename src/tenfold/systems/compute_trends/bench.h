// SPDX-License-Identifier: Apache-2.0
// The speed headline: slope resamples of the bootstrap against vectorised NumPy, both in the same run,
// interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"

namespace tenfold::compute_trends {

struct BenchOptions {
  std::size_t resamples = 1000000;
  std::size_t rows = 130;
  int repeats = 7;  // per side, interleaved ours - peer - ours - ...
  std::uint64_t seed = 1;
  bool peer = true;
  std::string python = "/usr/bin/python3";  // interpreter that has NumPy
  Path peer_script;                         // bench/peers/compute_trends_bootstrap.py; empty: no peer
  const StopToken* stop = nullptr;
};

struct BenchRow {
  std::string name;
  std::string unit;                      // of ours, peer and floor: "s"
  double ours = 0.0;                     // median wall time
  std::optional<double> peer;            // median wall time of the peer
  std::optional<double> ratio;           // peer / ours: > 1 where ours is faster
  std::optional<double> floor;           // least time this core allows, see floor_note
  std::optional<double> share_of_floor;  // floor / ours
  int threads = 1;
  int repeats = 0;
  double ours_cpu = 0.0;  // median CPU time
  std::optional<double> peer_cpu;
  std::string peer_note;  // which NumPy variant, or why there is no peer
  std::string floor_note;
};

// Rows: "bootstrap slopes", "bootstrap interval" (with sorting), "null study", one thread each. Takes about
// repeats x (ours + peer) seconds.
std::vector<BenchRow> bench_compute_trends(const BenchOptions& options = {});

}  // namespace tenfold::compute_trends
