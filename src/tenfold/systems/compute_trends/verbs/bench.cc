// SPDX-License-Identifier: Apache-2.0
// `tenfold trends bench`: speed of the bootstrap and the null study, beside vectorised NumPy when asked.
#include "tenfold/systems/compute_trends/bench.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/cpu.h"
#include "tenfold/base/threads.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"
#include "tenfold_compute_trends_verbs_embedded.h"

namespace tenfold::compute_trends {
namespace {

struct BenchVerbOptions {
  bool peer = false;
  std::string budget = "full";
  std::int64_t resamples = 1000000;
  std::int64_t rows = 130;
  std::int64_t repeats = 7;
  std::string python = "/usr/bin/python3";

  void visit_fields(auto&& field) {
    field("peer", peer, {.help = "also run vectorised NumPy, interleaved with ours"});
    field("budget", budget, {.help = "quick ends within 60 seconds", .choices = {"quick", "full"}});
    field("resamples", resamples, {.help = "bootstrap resamples a repeat", .min = 1000, .max = 1e8});
    field("rows", rows, {.help = "rows of the table", .min = 3, .max = 100000});
    field("repeats", repeats, {.help = "timed repeats of each side", .min = 3, .max = 1000});
    field("python", python, {.help = "interpreter that has NumPy", .file = config::FileUse::kRunProgram});
  }
};

nlohmann::json row_json(const BenchRow& row) {
  const auto number = [](std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  return {{"name", row.name},
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
          {"peer_note", row.peer_note},
          {"floor_note", row.floor_note}};
}

systems::Outcome run(const BenchVerbOptions& options, systems::Context& context) {
  BenchOptions bench;
  bench.peer = options.peer;
  bench.resamples = static_cast<std::size_t>(
      options.budget == "quick" ? std::min<std::int64_t>(options.resamples, 200000) : options.resamples);
  bench.rows = static_cast<std::size_t>(options.rows);
  bench.repeats = static_cast<int>(options.repeats);
  bench.seed = context.seed;
  bench.python = options.python;
  bench.stop = context.stop;
  // The peer travels inside the program, so `bench --peer` works from an installed package too.
  const Path script =
      std::filesystem::temp_directory_path() / fmt::format("tenfold-peer-{}.py", context.seed);
  if (options.peer) {
    write_file_atomically(*context.files, script, compute_trends_verbs::embedded::bench_peer());
    bench.peer_script = script;
  }
  const std::vector<BenchRow> rows = bench_compute_trends(bench);
  if (options.peer) context.files->remove(script);
  report::Table table{"Speed, one thread",
                      {"what", "ours [s]", "peer [s]", "ratio", "floor [s]", "share of floor", "our CPU [s]"},
                      {},
                      {}};
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) {
    const auto cell = [](std::optional<double> value) {
      return value ? report::format_number(*value) : std::string("-");
    };
    table.rows.push_back({row.name,
                          report::format_number(row.ours),
                          cell(row.peer),
                          cell(row.ratio),
                          cell(row.floor),
                          cell(row.share_of_floor),
                          report::format_number(row.ours_cpu)});
    if (!row.peer_note.empty()) table.notes.push_back(row.name + ": " + row.peer_note);
    if (!row.floor_note.empty()) table.notes.push_back(row.name + ": " + row.floor_note);
    list.push_back(row_json(row));
  }
  nlohmann::json object = {
      {"machine",
       {{"cpu", cpu_info().model_name}, {"features", cpu_info().features()}, {"cores", available_cores()}}},
      {"rows", list}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_bench_verb() {
  return systems::make_verb<BenchVerbOptions>("bench",
                                              "time the bootstrap and the null study against NumPy",
                                              "Medians of interleaved repeats, wall and CPU time; ratio "
                                              "above 1 where ours is faster; floor is the least time "
                                              "this core allows. --peer needs Debian's python3-numpy.",
                                              {"tenfold trends bench --budget quick --peer"},
                                              run);
}

}  // namespace tenfold::compute_trends
