// SPDX-License-Identifier: Apache-2.0
// `tenfold forward-gradient bench`: a step of each estimator over a step of backpropagation, beside PyTorch when asked.
#include "tenfold/systems/forward_gradient/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/cpu.h"
#include "tenfold/base/threads.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/forward_gradient/models.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"
#include "tenfold/train/machine.h"
#include "tenfold_forward_gradient_verbs_embedded.h"

namespace tenfold::forward_gradient {
namespace {

const char* const kMemoryModel = "deep_mlp";

std::vector<std::string> row_groups() {
  std::vector<std::string> names = model_names();
  names.emplace_back(kMemoryModel);
  return names;
}

struct BenchVerbOptions {
  bool peer = false;
  std::string budget = "full";
  std::vector<std::string> models = row_groups();
  std::int64_t batch_size = 64;
  std::int64_t repeats = 9;
  std::string python = "/usr/bin/python3";

  void visit_fields(auto&& field) {
    field("peer", peer, {.help = "also run PyTorch with its own forward AD, interleaved with ours"});
    field("budget", budget, {.help = "quick ends within 60 seconds", .choices = {"quick", "full"}});
    field("models",
          models,
          {.help = "networks; deep_mlp: peak memory of a step on 64 layers", .choices = row_groups()});
    field("batch_size", batch_size, {.help = "examples a step", .min = 1, .max = 65536});
    field("repeats", repeats, {.help = "timed repeats of each method", .min = 3, .max = 1000});
    field("python", python, {.help = "interpreter that has PyTorch", .file = config::FileUse::kRunProgram});
  }
};

nlohmann::json row_json(const BenchRow& row) {
  const auto number = [](const auto& value) {
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
          {"kind", row.kind},
          {"method", row.method},
          {"reference", row.reference},
          {"unbiased", number(row.unbiased)},
          {"vs_backprop", number(row.vs_backprop)},
          {"vs_backprop_cpu", number(row.vs_backprop_cpu)},
          {"vs_autograd", number(row.vs_autograd)},
          {"peer_vs_backprop", number(row.peer_vs_backprop)},
          {"sampling_share", number(row.sampling_share)},
          {"ours_cpu", row.ours_cpu},
          {"peer_cpu", number(row.peer_cpu)},
          {"peer_note", row.peer_note},
          {"floor_note", row.floor_note}};
}

std::string name_cell(const BenchRow& row) {
  std::string name = row.name;
  if (!row.method.empty()) name += " (" + row.method + ")";
  return row.reference ? name + " *" : name;
}

report::Table table_of(const std::vector<BenchRow>& rows, const BenchVerbOptions& options, int threads) {
  report::Table table{
      fmt::format(
          "Time of a step, batch {}, {} thread{}", options.batch_size, threads, threads == 1 ? "" : "s"),
      {"method",
       "ours",
       "unit",
       "CPU",
       "vs backprop",
       "unbiased",
       "sampling",
       "floor",
       "share of floor",
       "PyTorch",
       "its ratio"},
      {},
      {}};
  const auto cell = [](std::optional<double> value) {
    return value ? report::format_number(*value) : std::string("-");
  };
  for (const BenchRow& row : rows) {
    table.rows.push_back({name_cell(row),
                          report::format_number(row.ours),
                          row.unit,
                          row.kind == "memory" ? "-" : report::format_number(row.ours_cpu),
                          cell(row.vs_backprop),
                          row.unbiased ? (*row.unbiased ? "yes" : "no") : "-",
                          cell(row.sampling_share),
                          cell(row.floor),
                          cell(row.share_of_floor),
                          cell(row.peer),
                          cell(row.peer_vs_backprop)});
  }
  table.notes.emplace_back(
      "*: the faster way of backpropagation, which vs backprop is over: the median of ratios within a "
      "repeat");
  table.notes.emplace_back(
      "bf16: tangents and weights rounded stochastically, so the estimate stays unbiased; best may be one of "
      "these");
  if (!rows.empty() && !rows.front().peer_note.empty())
    table.notes.push_back("PyTorch: " + rows.front().peer_note);
  if (!rows.empty() && rows.back().kind == "memory")
    table.notes.push_back("memory: " + rows.back().floor_note + "; " + rows.back().peer_note);
  return table;
}

nlohmann::json machine_json(const train::BlasInfo& blas, int threads) {
  return {{"cpu", cpu_info().model_name},
          {"features", cpu_info().features()},
          {"cores", available_cores()},
          {"threads", threads},
          {"blas", blas.name},
          {"blas_version", blas.version},
          {"blas_kernel", blas.kernel},
          {"blas_threading", blas.threading}};
}

// The peer travels inside the program, so `bench --peer` works from an installed package too.
class PeerScript {
 public:
  PeerScript(FileSystem& files, std::uint64_t seed)
      : files_(files),
        path_(std::filesystem::temp_directory_path() / fmt::format("tenfold-forward-gradient-{}.py", seed)) {
    write_file_atomically(files_, path_, forward_gradient_verbs::embedded::forward_gradient_peer());
  }
  ~PeerScript() {
    try {
      files_.remove(path_);
    } catch (const std::exception&) {  // a file in the temporary folder may stay
    }
  }
  PeerScript(const PeerScript&) = delete;
  PeerScript& operator=(const PeerScript&) = delete;

  const Path& path() const { return path_; }

 private:
  FileSystem& files_;
  Path path_;
};

systems::Outcome run(const BenchVerbOptions& options, systems::Context& context) {
  BenchOptions bench;
  bench.models = options.models;
  bench.memory = std::erase(bench.models, kMemoryModel) > 0;
  bench.batch = options.batch_size;
  bench.threads = context.threads == 0 ? 1 : context.threads;
  bench.repeats = static_cast<int>(options.repeats);
  bench.seed = context.seed;
  bench.peer = options.peer;
  bench.python = options.python;
  bench.progress = context.progress;
  bench.stop = context.stop;
  if (options.budget == "quick") {
    bench.seconds_per_repeat = 0.02;
    bench.seconds = 30.0;
  }
  std::optional<PeerScript> script;
  if (options.peer) bench.peer_script = script.emplace(*context.files, context.seed).path();
  const std::vector<BenchRow> rows = bench_forward_gradient(bench);
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) list.push_back(row_json(row));
  const train::BlasInfo blas = train::library_info().blas;
  report::Table table = table_of(rows, options, bench.threads);
  table.notes.push_back(fmt::format("{} ({}), {} {} kernel {}",
                                    cpu_info().model_name,
                                    fmt::join(cpu_info().features(), " "),
                                    blas.name,
                                    blas.version,
                                    blas.kernel.empty() ? "unknown" : blas.kernel));
  return systems::make_outcome({{"machine", machine_json(blas, bench.threads)}, {"rows", list}},
                               report::to_terminal(table));
}

}  // namespace

systems::Verb make_bench_verb() {
  return systems::make_verb<BenchVerbOptions>(
      "bench",
      "time forward gradients against backpropagation",
      "Medians of interleaved repeats, wall and CPU time, of every estimator on the paper's networks; "
      "vs_backprop is the time of a step over the faster of two ways of backpropagation. One thread unless "
      "--threads says otherwise. --peer needs Debian's python3-torch.",
      {"tenfold forward-gradient bench --models logistic --budget quick"},
      run);
}

}  // namespace tenfold::forward_gradient
