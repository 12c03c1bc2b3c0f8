// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc bench`: speed of the indexes beside Debian's Faiss and beside what this machine allows.
#include "tenfold/systems/repconc/bench/bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tenfold/base/cpu.h"
#include "tenfold/base/threads.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/repconc/verbs/verbs.h"
#include "tenfold_repconc_verbs_embedded.h"

namespace tenfold::repconc {
namespace {

struct BenchVerbOptions {
  bool peer = false;
  std::string budget = "full";
  std::vector<std::string> rows = bench_row_names();
  std::int64_t documents = 1'000'000;
  std::int64_t repeats = 9;
  std::string python = "/usr/bin/python3";

  void visit_fields(auto&& field) {
    field("peer", peer, {.help = "also run Faiss and NumPy, interleaved with ours"});
    field("budget", budget, {.help = "quick ends within 60 seconds", .choices = {"quick", "full"}});
    field("rows", rows, {.help = "what to time", .choices = bench_row_names()});
    field("documents", documents, {.help = "rows of the scans", .min = 1000, .max = 1e8});
    field("repeats", repeats, {.help = "timed repeats of each side", .min = 3, .max = 1000});
    field("python", python, {.help = "interpreter that has Faiss", .file = config::FileUse::kRunProgram});
  }
};

nlohmann::json row_json(const BenchRow& row) {
  const auto number = [](std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  return {{"name", row.name},
          {"what", row.what},
          {"unit", row.unit},
          {"ours", row.ours},
          {"peer", number(row.peer)},
          {"ratio", number(row.ratio)},
          {"floor", number(row.floor)},
          {"share_of_floor", number(row.share_of_floor)},
          {"threads", row.threads},
          {"repeats", row.repeats},
          {"ours_cpu", row.ours_cpu},
          {"peer_cpu", number(row.peer_cpu)},
          {"floor_cpu", number(row.floor_cpu)},
          {"ratio_cpu", number(row.ratio_cpu)},
          {"rate", row.rate},
          {"rate_unit", row.rate_unit},
          {"recall", number(row.recall)},
          {"peer_recall", number(row.peer_recall)},
          {"peer_note", row.peer_note},
          {"floor_note", row.floor_note}};
}

report::Table table_of(const std::vector<BenchRow>& rows) {
  report::Table table{
      "Time of a call, in ms",
      {"what", "ours", "CPU", "peer", "CPU", "ratio", "floor", "share", "rate", "unit", "recall"},
      {},
      {}};
  const auto cell = [](std::optional<double> value) {
    return value ? report::format_number(*value) : std::string("-");
  };
  for (const BenchRow& row : rows) {
    table.rows.push_back({row.name,
                          report::format_number(row.ours),
                          report::format_number(row.ours_cpu),
                          cell(row.peer),
                          cell(row.peer_cpu),
                          cell(row.ratio),
                          cell(row.floor),
                          cell(row.share_of_floor),
                          report::format_number(row.rate),
                          row.rate_unit,
                          cell(row.recall)});
    table.notes.push_back(fmt::format("{}: {}; floor: {}", row.name, row.what, row.floor_note));
  }
  if (!rows.empty()) table.notes.push_back("peer: " + rows.front().peer_note);
  return table;
}

// A folder of its own for the peer's data, removed with what is left in it.
class ScratchFolder {
 public:
  ScratchFolder(FileSystem& files, std::uint64_t seed)
      : files_(files),
        path_(std::filesystem::temp_directory_path() /
              fmt::format("tenfold-repconc-bench-{}-{}", seed, ::getpid())) {
    files_.make_directories(path_);
  }
  ~ScratchFolder() {
    try {
      for (const auto& entry : std::filesystem::directory_iterator(path_)) files_.remove(entry.path());
      files_.remove(path_);
    } catch (const std::exception&) {  // a file in the temporary folder may stay
    }
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const Path& path() const { return path_; }

 private:
  FileSystem& files_;
  Path path_;
};

systems::Outcome run(const BenchVerbOptions& options, systems::Context& context) {
  const ScratchFolder folder(*context.files, context.seed);
  BenchOptions bench;
  bench.rows = options.rows;
  bench.documents = static_cast<std::size_t>(
      options.budget == "quick" ? std::min<std::int64_t>(options.documents, 100'000) : options.documents);
  bench.repeats = static_cast<int>(options.repeats);
  bench.peer = options.peer;
  bench.python = options.python;
  bench.files = context.files;
  bench.folder = folder.path();
  bench.progress = context.progress;
  bench.stop = context.stop;
  // The peer travels inside the program, so `bench --peer` works from an installed package too.
  if (options.peer) {
    bench.peer_script = folder.path() / "peer.py";
    write_file_atomically(*context.files, bench.peer_script, repconc_verbs::embedded::bench_peer());
  }
  const std::vector<BenchRow> rows = bench_repconc(bench);
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) list.push_back(row_json(row));
  report::Table table = table_of(rows);
  table.notes.push_back(fmt::format("{} ({})", cpu_info().model_name, fmt::join(cpu_info().features(), " ")));
  nlohmann::json object = {{"machine",
                            {{"cpu", cpu_info().model_name},
                             {"features", cpu_info().features()},
                             {"cores", available_cores()},
                             {"peer", rows.empty() ? "" : rows.front().peer_note}}},
                           {"rows", list}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_bench_verb() {
  return systems::served_as(
      systems::Served::kNever,
      systems::make_verb<BenchVerbOptions>(
          "bench",
          "time searching and encoding against Faiss and against this machine's limits",
          "Medians of interleaved repeats, wall and CPU time, on data that it makes itself; one thread but "
          "for "
          "the row `threads`. ratio is above 1 where ours is faster; floor is the least time that the named "
          "part of the work takes. --peer needs Debian's python3-faiss.",
          {"tenfold repconc bench --rows adc8,words --budget quick"},
          run));
}

}  // namespace tenfold::repconc
