// SPDX-License-Identifier: Apache-2.0
// `tenfold reproduce`: runs the claims of the papers and publishes what came out, good or bad.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tenfold/base/cpu.h"
#include "tenfold/base/log.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/base/version.h"
#include "tenfold/cli/commands.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/claim_runner.h"

namespace tenfold::cli {
namespace {

struct ReproduceOptions {
  std::string system = "all";
  std::string budget = "quick";
  std::vector<std::string> claims;
  std::string data;
  std::string cache;
  bool fresh = false;

  void visit_fields(auto&& field) {
    field("system", system, {.help = "system whose claims to run, or all", .positional = true});
    field("budget",
          budget,
          {.help = "quick: 60 seconds a system; full: up to 3 hours", .choices = {"quick", "full"}});
    field("claims", claims, {.help = "only these claims, by id"});
    field("data",
          data,
          {.help = "folder with data sets that do not come with the program; claims that need one are left "
                   "out without it",
           .file = config::FileUse::kRead});
    field("cache",
          cache,
          {.help = "folder for finished runs; default: the user's cache folder", .affects_result = false});
    field("fresh", fresh, {.help = "run again what is in the cache", .affects_result = false});
  }
};

Path default_cache() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0') {
    return Path(folder) / "tenfold" / "claims";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return Path(home) / ".cache" / "tenfold" / "claims";
  }
  return {};
}

// A build with local changes has no name of its own: its runs must not be taken for another's.
bool cacheable_build() {
  return !revision().ends_with("-dirty") && revision() != "unknown";
}

std::vector<systems::Claim> chosen_claims(const systems::System& system,
                                          const std::vector<std::string>& wanted) {
  if (wanted.empty()) return system.claims;
  std::vector<systems::Claim> chosen;
  std::vector<std::string> names;
  for (const systems::Claim& claim : system.claims) names.push_back(claim.id);
  for (const std::string& id : wanted) {
    const auto found = std::find(names.begin(), names.end(), id);
    if (found == names.end()) {
      throw unknown_name({.error_class = ErrorClass::kConfig,
                          .code = "reproduce.unknown_claim",
                          .what = "tenfold " + system.name + " has no such claim",
                          .name = id,
                          .known = names,
                          .remedy = "leave --claims out"});
    }
    chosen.push_back(system.claims[static_cast<std::size_t>(found - names.begin())]);
  }
  return chosen;
}

std::vector<const systems::System*> chosen_systems(const Program& program, const std::string& name) {
  std::vector<const systems::System*> chosen;
  std::vector<std::string> names = {"all"};
  for (const systems::System& system : program.systems) {
    if (system.claims.empty()) continue;
    names.push_back(system.name);
    if (name == "all" || name == system.name) chosen.push_back(&system);
  }
  if (!chosen.empty()) return chosen;
  throw unknown_name({.code = "reproduce.unknown_system",
                      .what = "no system of this name has claims",
                      .name = name,
                      .known = names,
                      .remedy = "see tenfold list"});
}

systems::Outcome reproduce(const Program& program,
                           const ReproduceOptions& options,
                           systems::Context& context) {
  systems::ClaimRunnerOptions runner;
  runner.budget = options.budget == "full" ? systems::Budget::kFull : systems::Budget::kQuick;
  runner.files = context.files;
  runner.stop = context.stop;
  runner.progress = context.progress;
  runner.build = fmt::format("{} {}", version(), revision());
  runner.reuse = !options.fresh;
  runner.data_folder = options.data;
  if (!cacheable_build()) {
    log::warning("runs are not kept for later: this build has local changes and no name of its own");
  } else {
    runner.cache_folder = options.cache.empty() ? default_cache() : Path(options.cache);
  }
  nlohmann::json object = {
      {"budget", options.budget},
      {"version", version()},
      {"revision", revision()},
      {"machine",
       {{"cpu", cpu_info().model_name}, {"features", cpu_info().features()}, {"threads", thread_count()}}},
      {"systems", nlohmann::json::array()}};
  std::string text;
  for (const systems::System* system : chosen_systems(program, options.system)) {
    report::Table table{system->title, {"claim", "expected", "measured", "spread", "verdict"}, {}, {}};
    nlohmann::json claims = nlohmann::json::array(), left_out = nlohmann::json::array();
    const std::vector<systems::Claim> chosen = chosen_claims(*system, options.claims);
    for (const systems::Claim& claim : chosen) {
      const std::string reason = systems::missing_data(claim, runner);
      if (reason.empty()) continue;
      table.notes.push_back(claim.id + " left out: " + reason + ". See --data.");
      left_out.push_back({{"id", claim.id}, {"reason", reason}});
    }
    for (const systems::ClaimResult& result : systems::run_claims(chosen, runner)) {
      table.rows.push_back({result.id,
                            result.expected,
                            report::format_number(result.measured),
                            report::format_number(result.spread, 2),
                            std::string(systems::to_string(result.verdict))});
      claims.push_back(systems::to_json(result));
    }
    object["systems"].push_back(
        {{"system", system->name}, {"paper", system->paper}, {"claims", claims}, {"left_out", left_out}});
    text += report::to_terminal(table);
  }
  return systems::make_outcome(std::move(object), std::move(text));
}

}  // namespace

systems::Verb make_reproduce_command(const SharedProgram& program) {
  return systems::make_verb<ReproduceOptions>(
      "reproduce",
      "run the claims of a paper and say which ones hold",
      "Each claim is measured with at least three seeds where chance plays a part; the verdict is "
      "reproduced, "
      "not_reproduced or not_separable (the gap is inside the spread of the seeds). Finished runs are kept, "
      "so an "
      "interrupted command continues where it stopped.",
      {"tenfold reproduce trends", "tenfold reproduce trends --budget quick --json"},
      [program](const ReproduceOptions& options, systems::Context& context) {
        return reproduce(*program, options, context);
      });
}

}  // namespace tenfold::cli
