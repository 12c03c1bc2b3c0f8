// SPDX-License-Identifier: Apache-2.0
// Speed of constrained decoding on random weights: one row a measurement; with a script as peer, PyTorch beside it.
//
//   build/release/bin/bench_dsi_search FOLDER [bench/peers/dsi_torch.py|-] [repeats] [row ...]
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/systems/dsi/bench/bench.h"

namespace {

std::string cell(std::optional<double> value) {
  return value ? fmt::format("{:.3f}", *value) : "-";
}

void run(const tenfold::dsi::BenchOptions& options) {
  fmt::print("{:14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>6} {:>8} {:>11}\n",
             "row",
             "ours",
             "CPU",
             "p99",
             "p99 CPU",
             "peer",
             "CPU",
             "ratio",
             "CPU",
             "floor",
             "share",
             "beside",
             "rate");
  for (const auto& row : tenfold::dsi::bench_dsi(options)) {
    fmt::print(
        "{:14} {:9.3f} {:9.3f} {:9.3f} {:9.3f} {:>9} {:>9} {:>8} {:>8} {:>8} {:>6} {:>8} {:11.0f} {}\n",
        row.name,
        row.ours,
        row.ours_cpu,
        row.p99,
        row.p99_cpu,
        cell(row.peer),
        cell(row.peer_cpu),
        cell(row.ratio),
        cell(row.ratio_cpu),
        cell(row.floor),
        cell(row.share_of_floor),
        cell(row.beside_ratio),
        row.rate,
        row.rate_unit);
    fmt::print("  {} [{}] {} {} {}\n", row.what, row.unit, row.beside_what, row.peer_note, row.floor_note);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_dsi_search FOLDER [peer script|-] [repeats] [row ...]\n");
    return 2;
  }
  try {
    tenfold::set_thread_count(1);
    tenfold::dsi::BenchOptions options{.files = &tenfold::real_file_system(), .folder = argv[1]};
    options.peer = argc > 2 && std::string(argv[2]) != "-";
    if (options.peer) options.peer_script = argv[2];
    if (argc > 3) options.repeats = static_cast<int>(tenfold::parse_integer(argv[3]).value_or(9));
    if (argc > 4) options.rows.assign(argv + 4, argv + argc);
    run(options);
  } catch (const tenfold::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
