// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/claim_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/base/sha256.h"

namespace tenfold::systems {
namespace {

struct Run {
  Measurement measurement;
  double cpu_seconds = 0.0;
  double wall_seconds = 0.0;
};

Path cache_file(const Claim& claim, std::uint64_t seed, const ClaimRunnerOptions& options) {
  std::string key = fmt::format(
      "{}\n{}\n{}\n{}\n{}", claim.id, claim.setup, static_cast<int>(options.budget), seed, options.build);
  if (!claim.needs.empty()) key += "\n" + options.data_folder.string();
  return options.cache_folder / (claim.id + "-" + sha256_hex(key).substr(0, 16) + ".json");
}

std::optional<Run> read_cached(const Path& path) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) return std::nullopt;
  // A damaged entry costs one repeated run, nothing else.
  const nlohmann::json object = nlohmann::json::parse(read_text_file(path, 1 << 20), nullptr, false);
  if (!object.is_object() || !object.value("measurement", nlohmann::json()).is_object() ||
      !object.value("cpu_seconds", nlohmann::json()).is_number() ||
      !object.value("wall_seconds", nlohmann::json()).is_number()) {
    log::warning("{} is damaged and will be made again", path.string());
    return std::nullopt;
  }
  Run run;
  for (const auto& [name, value] : object["measurement"].items()) {
    if (!value.is_number()) return std::nullopt;
    run.measurement[name] = value.get<double>();
  }
  run.cpu_seconds = object["cpu_seconds"].get<double>();
  run.wall_seconds = object["wall_seconds"].get<double>();
  return run;
}

Run run_seed(const Claim& claim, std::uint64_t seed, const ClaimRunnerOptions& options) {
  const bool cached = !options.cache_folder.empty();
  const Path path = cached ? cache_file(claim, seed, options) : Path();
  if (cached && options.reuse) {
    if (auto run = read_cached(path)) return *run;
  }
  if (options.stop != nullptr && options.stop->requested()) {
    throw Error(ErrorClass::kResource,
                "reproduce.stopped",
                {.what = "stopped before claim " + claim.id,
                 .remedy = "run the same command again: finished runs are kept"});
  }
  if (options.progress) options.progress(fmt::format("claim {}, seed {}", claim.id, seed));
  const Stopwatch watch;
  Run run;
  run.measurement =
      claim.measure({seed, options.budget, options.stop, options.progress, options.data_folder});
  run.cpu_seconds = watch.cpu_seconds();
  run.wall_seconds = watch.wall_seconds();
  if (cached) {
    const nlohmann::json object = {{"measurement", run.measurement},
                                   {"cpu_seconds", run.cpu_seconds},
                                   {"wall_seconds", run.wall_seconds}};
    try {
      options.files->make_directories(options.cache_folder);
      write_file_atomically(*options.files, path, object.dump(2) + "\n");
    } catch (const Error& error) {
      // The measurement counts more than the copy of it.
      log::warning("this run is not kept: {}", error.what());
    }
  }
  return run;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      return "reproduced";
    case Verdict::kNotReproduced:
      return "not_reproduced";
    case Verdict::kNotSeparable:
      return "not_separable";
  }
  return "not_reproduced";
}

ClaimResult summarize(const Claim& claim, const std::vector<Measurement>& measurements) {
  check_internal(!measurements.empty(), "claim " + claim.id + " has no measurement");
  ClaimResult result{claim.id, claim.sentence, claim.source, claim.metric, claim.expected, claim.setup};
  std::vector<double> values;
  for (const Measurement& measurement : measurements) {
    const auto found = measurement.find(claim.metric);
    check_internal(found != measurement.end(), "claim " + claim.id + " did not measure " + claim.metric);
    values.push_back(found->second);
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  result.spread = *high - *low;
  result.measured = median(values);
  result.seeds = claim.seeds;
  result.measurements = measurements;
  result.verdict = claim.judge(measurements);
  return result;
}

std::string missing_data(const Claim& claim, const ClaimRunnerOptions& options) {
  for (const std::string& name : claim.needs) {
    if (options.data_folder.empty()) return fmt::format("needs {}; no data folder was named", name);
    std::error_code unreadable;
    if (!std::filesystem::exists(options.data_folder / name, unreadable))
      return fmt::format("needs {}, which is not there", (options.data_folder / name).string());
  }
  return "";
}

std::vector<ClaimResult> run_claims(const std::vector<Claim>& claims, const ClaimRunnerOptions& options) {
  std::vector<ClaimResult> results;
  for (const Claim& claim : claims) {
    if (!missing_data(claim, options).empty()) continue;
    std::vector<Measurement> measurements;
    double cpu_seconds = 0.0;
    double wall_seconds = 0.0;
    for (std::uint64_t seed : claim.seeds) {
      Run run = run_seed(claim, seed, options);
      measurements.push_back(std::move(run.measurement));
      cpu_seconds += run.cpu_seconds;
      wall_seconds += run.wall_seconds;
    }
    ClaimResult result = summarize(claim, measurements);
    result.cpu_seconds = cpu_seconds;
    result.wall_seconds = wall_seconds;
    results.push_back(std::move(result));
  }
  return results;
}

nlohmann::json to_json(const ClaimResult& result) {
  return {{"id", result.id},
          {"claim", result.sentence},
          {"source", result.source},
          {"metric", result.metric},
          {"expected", result.expected},
          {"setup", result.setup},
          {"measured", result.measured},
          {"spread", result.spread},
          {"seeds", result.seeds},
          {"measurements", result.measurements},
          {"verdict", to_string(result.verdict)},
          {"cpu_seconds", result.cpu_seconds},
          {"wall_seconds", result.wall_seconds}};
}

}  // namespace tenfold::systems
