// SPDX-License-Identifier: Apache-2.0
// Times constrained decoding beside a plain PyTorch port and beside what this machine allows: interleaved repeats, medians, wall and CPU
// time. Weights, identifiers and queries are random, and both sides must find the same documents.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/dsi/bench/bench_model.h"

namespace tenfold::dsi {

// In the order in which they run: "one", "one_bfloat16", "one_int8", "batch", "batch_bfloat16", "batch_threads", "encode", "cache", "filter", "exact", "delete", "build",
// "open".
std::vector<std::string> bench_row_names();

struct BenchOptions {
  std::vector<std::string> rows = bench_row_names();
  BenchModel model;
  std::size_t built = 1'000'000;  // identifiers of the row "build"
  int beams = 10;
  int batch = 32;
  int repeats = 9;   // of each side, interleaved
  int queries = 20;  // different ones a repeat of the rows of one query
  bool peer = false;
  std::string python = "/usr/bin/python3";  // interpreter that has PyTorch
  Path peer_script;                         // bench/peers/dsi_torch.py; empty: no peer
  FileSystem* files = nullptr;
  Path folder;  // for what the peer reads and what is opened; the files are removed again
  std::function<void(std::string_view)> progress;
};

struct BenchRow {
  std::string name;
  std::string what;
  std::string unit = "ms";
  double ours = 0, ours_cpu = 0;         // medians
  double p99 = 0, p99_cpu = 0;           // of single calls
  std::optional<double> peer, peer_cpu;  // PyTorch's medians
  std::optional<double> ratio, ratio_cpu;
  std::optional<double> beside,
      beside_ratio;  // CPU time of another way of ours, by CPU time of this one: see beside_what
  std::string beside_what;
  std::optional<double> floor,
      share_of_floor;  // from the work, the rate of products and of reads measured beside; of CPU time
  double rate = 0;     // a second of wall time
  std::string rate_unit;
  int threads = 1;
  int repeats = 0;
  std::string peer_note, floor_note;
};

// Throws Error(kUsage, "bench.bad_size") for sizes below 1; Error(kData, "dsi.peer_differs") when the peer finds other documents.
std::vector<BenchRow> bench_dsi(const BenchOptions& options);

}  // namespace tenfold::dsi
