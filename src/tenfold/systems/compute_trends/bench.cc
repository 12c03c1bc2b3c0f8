// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/resample.h"
#include "tenfold/report/peer_process.h"
#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tenfold/systems/compute_trends/null_study.h"

namespace tenfold::compute_trends {
namespace {

constexpr int kPeerLimitSeconds = 180;

struct TestTable {
  std::vector<double> year, log10_flop;
};

// The same formulas as make_table() of the peer script.
TestTable make_test_table(std::size_t rows) {
  TestTable table;
  for (std::size_t i = 0; i < rows; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(rows);
    table.year.push_back(2010.0 + 12.0 * share);
    table.log10_flop.push_back(15.0 + 0.63 * 12.0 * share + 1.5 * std::sin(12.9898 * static_cast<double>(i)));
  }
  return table;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile_of_sorted(values, 50.0);
}

// One thread for the time of the measurement.
class OneThread {
 public:
  OneThread() : before_(thread_count()) { set_thread_count(1); }
  ~OneThread() { set_thread_count(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// The peer, started and warmed up, or the reason why there is none.
struct Peer {
  std::unique_ptr<report::PeerProcess> process;
  std::string note;
};

Peer start_peer(const BenchOptions& options) {
  Peer peer;
  if (!options.peer || options.peer_script.empty()) {
    peer.note = "peer not asked for";
    return peer;
  }
  try {
    peer.process =
        std::make_unique<report::PeerProcess>(std::vector<std::string>{options.python,
                                                                       options.peer_script.string(),
                                                                       std::to_string(options.resamples),
                                                                       std::to_string(options.rows),
                                                                       std::to_string(options.seed)});
    const auto hello = nlohmann::json::parse(peer.process->read_line(kPeerLimitSeconds));
    peer.note = fmt::format(
        "NumPy {}, {}", hello.at("numpy").get<std::string>(), hello.at("variant").get<std::string>());
  } catch (const Error& error) {
    peer = {nullptr, "no peer: " + error.text().seen + " (" + error.text().remedy + ")"};
  } catch (const nlohmann::json::exception&) {
    peer = {nullptr, "no peer: its first line is not JSON"};
  }
  return peer;
}

struct Times {
  std::vector<double> wall, cpu;
};

void time_once(Times& times, const std::function<void()>& body) {
  const Stopwatch watch;
  body();
  times.wall.push_back(watch.wall_seconds());
  times.cpu.push_back(watch.cpu_seconds());
}

// One repetition of the peer; on failure the peer is dropped with the reason.
void time_peer(Peer& peer, Times& times) {
  if (!peer.process) return;
  try {
    peer.process->write_line("run");
    const auto answer = nlohmann::json::parse(peer.process->read_line(kPeerLimitSeconds));
    times.wall.push_back(answer.at("wall").get<double>());
    times.cpu.push_back(answer.at("cpu").get<double>());
  } catch (const std::exception& error) {
    peer = {nullptr, std::string("peer lost: ") + error.what()};
    times = {};
  }
}

BenchRow make_row(std::string name, const Times& ours, int repeats) {
  BenchRow row;
  row.name = std::move(name);
  row.unit = "s";
  row.ours = median(ours.wall);
  row.ours_cpu = median(ours.cpu);
  row.repeats = repeats;
  return row;
}

void add_peer(BenchRow& row, const Peer& peer, const Times& times) {
  row.peer_note = peer.note;
  if (times.wall.empty()) return;
  row.peer = median(times.wall);
  row.peer_cpu = median(times.cpu);
  row.ratio = *row.peer / row.ours;
}

void poll(const StopToken* stop) {
  if (stop == nullptr || !stop->requested()) return;
  throw Error(ErrorClass::kResource,
              "trends.stopped",
              {.what = "the benchmark was stopped before its end",
               .seen = "a stop request",
               .wanted = "all repetitions",
               .remedy = "run it again"});
}

}  // namespace

std::vector<BenchRow> bench_compute_trends(const BenchOptions& options) {
  if (options.repeats < 1 || options.resamples < 1 || options.rows < 2) {
    throw Error(ErrorClass::kUsage,
                "bench.bad_size",
                {.what = "the benchmark cannot be run",
                 .seen = fmt::format(
                     "{} repeats, {} resamples, {} rows", options.repeats, options.resamples, options.rows),
                 .wanted = "at least 1 repeat, 1 resample and 2 rows",
                 .remedy = "correct the options"});
  }
  const OneThread one_thread;
  const TestTable table = make_test_table(options.rows);
  Peer peer = start_peer(options);
  BootstrapOptions resampling;
  resampling.resamples = options.resamples;
  NullStudyOptions null_study;
  Times lines, interval, simulations, peer_times;
  double floor = std::numeric_limits<double>::infinity();
  kernels::ResampleFloor parts;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    poll(options.stop);
    resampling.seed = options.seed + static_cast<std::uint64_t>(repeat);
    time_once(lines, [&] { bootstrap_lines(table.year, table.log10_flop, resampling); });
    time_peer(peer, peer_times);
    time_once(interval, [&] { bootstrap(table.year, table.log10_flop, resampling); });
    time_once(simulations, [&] { run_null_study(table.year, table.log10_flop, null_study); });
    const kernels::ResampleFloor measured = kernels::resample_floor(options.rows, options.resamples);
    if (measured.seconds < floor) {
      floor = measured.seconds;
      parts = measured;
    }
  }
  std::vector<BenchRow> rows;
  rows.push_back(
      make_row(fmt::format("bootstrap slopes, {} resamples of {} rows", options.resamples, options.rows),
               lines,
               options.repeats));
  rows.back().floor = floor;
  rows.back().share_of_floor = floor / rows.back().ours;
  rows.back().floor_note = fmt::format(
      "{}: {:.0f} Philox words a resample, multiplies {:.4f} s, table loads {:.4f} s, the longer of both",
      kernels::resample_target(),
      parts.words_per_resample,
      parts.multiply_seconds,
      parts.load_seconds);
  add_peer(rows.back(), peer, peer_times);
  rows.push_back(make_row("bootstrap interval, the same with percentiles", interval, options.repeats));
  rows.push_back(
      make_row(fmt::format("null study, {} simulations of {} rows", null_study.simulations, options.rows),
               simulations,
               options.repeats));
  for (std::size_t i = 1; i < rows.size(); ++i) rows[i].peer_note = "no peer for this row";
  return rows;
}

}  // namespace tenfold::compute_trends
