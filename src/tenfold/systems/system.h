// SPDX-License-Identifier: Apache-2.0
// The interface between a system and everything above it: program, report, documentation and tests know a
// system only through this struct. Systems are listed in systems/registry.h.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"
#include "tenfold/config/field.h"
#include "tenfold/io/bundle.h"
#include "tenfold/report/html.h"
#include "tenfold/systems/claim.h"
#include "tenfold/systems/route.h"

namespace tenfold::systems {

// What a verb may use of its surroundings. Set by the program; library users may build their own.
struct Context {
  FileSystem* files = nullptr;
  const StopToken* stop = nullptr;
  std::function<void(std::string_view line)> progress;  // goes to stderr; never null
  std::uint64_t seed = 0;
  int threads = 0;    // --threads; 0 when it was not given
  Path out;           // the folder of --out; empty when not given
  bool json = false;  // --json: standard output belongs to the one object of the outcome
};

// What a verb hands back: both forms of the same result. The program prints one of them on stdout.
struct Outcome {
  std::shared_ptr<const nlohmann::json> json;  // one object
  std::string text;                            // for a reader at a terminal
  int exit_code = 0;  // not 0 only when the result itself is a failure (check found errors)
  bool shown =
      true;  // false: nothing is printed and no run folder written (ranks other than 0 of a distributed run)
};

Outcome make_outcome(nlohmann::json json, std::string text, int exit_code = 0);

// The options struct of one verb, ready to be filled, and the verb bound to it.
struct VerbCall {
  std::shared_ptr<void> options;
  config::Fields fields;
  std::function<Outcome(Context&)> run;
};

// How a verb is reached over HTTP.
enum class Served {
  kCall,  // POST /api/<system>/<verb>, and as a job
  kJob,   // as a job only: it takes long, or it trains
  kNever,
};

struct Verb {
  std::string name;                   // "break-search"
  std::string summary;                // one line for the list of verbs
  std::string description;            // paragraphs for --help
  std::vector<std::string> examples;  // command lines that work on embedded data; each is run by a test
  std::function<VerbCall()> prepare;
  Served served = Served::kCall;
  bool whole_program = false;  // looks at every system, so only the half with LibTorch can answer it
};

// make_verb<FitOptions>("fit", "...", "...", {"tenfold trends fit"}, [](const FitOptions&, Context&) ->
// Outcome {...})
template <typename Options, typename Run>
Verb make_verb(std::string name,
               std::string summary,
               std::string description,
               std::vector<std::string> examples,
               Run run) {
  auto prepare = [run]() {
    auto options = std::make_shared<Options>();
    return VerbCall{options, config::Fields(*options), [options, run](Context& context) {
                      return run(static_cast<const Options&>(*options), context);
                    }};
  };
  return {std::move(name), std::move(summary), std::move(description), std::move(examples), prepare};
}

// served_as(Served::kJob, make_verb<...>(...))
inline Verb served_as(Served served, Verb verb) {
  verb.served = served;
  return verb;
}

// A named starting configuration: one TOML text with a table per verb (configs/<system>/<name>.toml).
struct Preset {
  std::string name;  // "demo", "small", "paper"
  std::string toml;
};

struct System {
  std::string name;     // on the command line: "trends"
  std::string title;    // "Compute trends"
  std::string summary;  // one line: what a user does with it
  std::string paper;    // authors, title, identifier
  std::vector<Verb> verbs;
  // Verbs that only the program with LibTorch has. Configuration files may hold their tables in both programs.
  std::vector<std::string> torch_verbs;
  std::vector<Preset> presets;
  std::vector<Claim> claims;                      // for `reproduce`
  std::function<report::Section(Context&)> demo;  // for `tenfold demo`; at most 60 s
  std::vector<ApiRoute> routes;                   // POST /api/<system>/<path>
  std::function<Service()> service;  // a model that `tenfold serve` offers without a bundle; may be empty
  // What a bundle of this system offers, named `name`; empty: its bundles cannot be served. Loads and checks everything, so
  // that a bundle that changes on disk later changes nothing.
  std::function<Service(const io::BundleReader& bundle, const std::string& name)> open_bundle;
};

}  // namespace tenfold::systems
