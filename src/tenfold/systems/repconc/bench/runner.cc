// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/bench/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"

namespace tenfold::repconc {
namespace {

constexpr int kPeerLimitSeconds = 300;

struct Times {
  std::vector<double> wall, cpu;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void time_once(const std::function<void()>& work, bool warm_up, Times& times) {
  const Stopwatch clock;
  work();
  if (warm_up) return;
  times.wall.push_back(1e3 * clock.wall_seconds());
  times.cpu.push_back(1e3 * clock.cpu_seconds());
}

}  // namespace

BenchRunner::BenchRunner(const BenchOptions& options) : options_(options), peer_note_("peer not asked for") {
  if (!options_.peer || options_.peer_script.empty()) return;
  try {
    peer_ = std::make_unique<report::PeerProcess>(
        std::vector<std::string>{options_.python, options_.peer_script.string(), options_.folder.string()});
    const auto hello = nlohmann::json::parse(peer_->read_line(kPeerLimitSeconds));
    peer_note_ = fmt::format("Faiss {} ({}), NumPy {}",
                             hello.at("faiss").get<std::string>(),
                             hello.at("build").get<std::string>(),
                             hello.at("numpy").get<std::string>());
  } catch (const Error& error) {
    peer_.reset();
    peer_note_ =
        "no peer: " + error.text().seen + " (install Debian's python3-faiss, or name its interpreter)";
  } catch (const nlohmann::json::exception&) {
    peer_.reset();
    peer_note_ = "no peer: its first line is not JSON; is python3-faiss installed?";
  }
}

BenchRunner::~BenchRunner() {
  peer_.reset();
  for (const Path& path : written_) {
    try {
      options_.files->remove(path);
    } catch (const std::exception&) {  // a file in the temporary folder may stay
    }
  }
}

bool BenchRunner::wanted(std::string_view name) const {
  if (options_.stop != nullptr && options_.stop->requested()) {
    throw Error(ErrorClass::kResource,
                "repconc.stopped",
                {.what = "the benchmark was stopped before its end",
                 .seen = "a stop request",
                 .wanted = "all rows",
                 .remedy = "run it again"});
  }
  const bool found = std::find(options_.rows.begin(), options_.rows.end(), name) != options_.rows.end();
  if (found && options_.progress) options_.progress(name);
  return found;
}

void BenchRunner::share(const std::string& name, const void* data, std::size_t bytes) {
  if (!peer_) return;
  if (std::find(written_.begin(), written_.end(), path(name)) == written_.end())
    written_.push_back(path(name));
  write_file_atomically(*options_.files, path(name), std::string_view(static_cast<const char*>(data), bytes));
}

nlohmann::json BenchRunner::ask(const nlohmann::json& request) {
  if (!peer_) return nullptr;
  try {
    peer_->write_line(request.dump());
    return nlohmann::json::parse(peer_->read_line(kPeerLimitSeconds));
  } catch (const std::exception& error) {
    peer_.reset();
    peer_note_ = std::string("peer lost: ") + error.what();
    return nullptr;
  }
}

void BenchRunner::time(BenchRow& row, const Sides& sides, const std::string& task) {
  Times ours, peer, floor;
  for (int repeat = 0; repeat <= options_.repeats; ++repeat) {
    time_once(sides.ours, repeat == 0, ours);
    if (peer_ && !task.empty()) {
      const nlohmann::json answer = ask({{"run", task}});
      if (answer.is_object() && repeat > 0) {
        peer.wall.push_back(1e3 * answer.value("wall", 0.0));
        peer.cpu.push_back(1e3 * answer.value("cpu", 0.0));
      }
    }
    if (sides.floor) time_once(sides.floor, repeat == 0, floor);
  }
  row.repeats = options_.repeats;
  row.ours = median(ours.wall);
  row.ours_cpu = median(ours.cpu);
  row.rate = sides.work / (row.ours / 1e3);
  row.peer_note = task.empty() ? "no peer for this" : peer_note_;
  if (!peer.wall.empty() && peer_) {
    row.peer = median(peer.wall);
    row.peer_cpu = median(peer.cpu);
    row.ratio = *row.peer / row.ours;
    row.ratio_cpu = *row.peer_cpu / row.ours_cpu;
  }
  if (!sides.floor) return;
  row.floor = median(floor.wall);
  row.floor_cpu = median(floor.cpu);
  row.share_of_floor = row.threads == 1 ? *row.floor_cpu / row.ours_cpu : *row.floor / row.ours;
}

}  // namespace tenfold::repconc
