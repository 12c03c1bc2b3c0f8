// SPDX-License-Identifier: Apache-2.0
// Times the indexes, the quantiser and the balanced assignment beside Debian's Faiss and beside floors of this machine: interleaved
// repeats, medians, wall and CPU time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"

namespace tenfold::repconc {

// In the order in which they run: "adc8", "adc8_batch", "adc4", "adc4_batch", "filter", "flat", "flat_batch", "encode8", "encode4",
// "balance", "lists", "graph", "words", "threads", "open".
std::vector<std::string> bench_row_names();

struct BenchOptions {
  std::vector<std::string> rows = bench_row_names();
  std::size_t documents = 1'000'000;  // of the scans
  int repeats = 9;                    // of each side, interleaved
  bool peer = false;
  std::string python = "/usr/bin/python3";  // interpreter that has Faiss
  Path peer_script;                         // bench/peers/repconc_faiss.py; empty: no peer
  FileSystem* files = nullptr;
  Path folder;  // for data that the peer reads, and for the index that is opened; its files are removed again
  std::function<void(std::string_view)> progress;
  const StopToken* stop = nullptr;
};

struct BenchRow {
  std::string name;
  std::string what;
  std::string unit = "ms";
  double ours = 0, ours_cpu = 0;           // medians
  std::optional<double> peer, peer_cpu;    // of Faiss, or NumPy
  std::optional<double> ratio, ratio_cpu;  // peer / ours: above 1 where ours is faster
  std::optional<double> floor, floor_cpu;  // see floor_note
  std::optional<double>
      share_of_floor;     // floor / ours, of CPU times for one thread, which other work disturbs less
  double rate = 0;        // work a second of wall time
  std::string rate_unit;  // "M rows/s"
  std::optional<double> recall, peer_recall;  // share of the true 10 best that were found, where not all are
  int threads = 1;
  int repeats = 0;
  std::string peer_note, floor_note;
};

// Throws Error(kUsage, "bench.bad_size") for no repeats or documents; Error(kResource, "repconc.stopped").
std::vector<BenchRow> bench_repconc(const BenchOptions& options);

}  // namespace tenfold::repconc
