// SPDX-License-Identifier: Apache-2.0
// The verbs of all systems over HTTP: /api/<system>/<verb>, made from the same field lists as the command line; and
// uploads, the only files that a client can name.
#pragma once

#include <string>
#include <vector>

#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/json_fields.h"
#include "tenfold/serve/router.h"
#include "tenfold/serve/runs.h"
#include "tenfold/serve/uploads.h"
#include "tenfold/systems/system.h"

namespace tenfold::serve {

// Lives as long as its routes.
class VerbApi {
 public:
  struct Options {
    std::vector<systems::System> systems;
    std::vector<systems::Verb> commands;  // of the program itself, as the system "tenfold"
    Path runs;                            // what FileUse::kRuns becomes
    const RunLibrary* library = nullptr;  // what FileUse::kRunFolder may name
    Limits limits;
  };
  VerbApi(Options options, UploadStore& uploads, Dispatcher& calls, const Scrubber& scrubber);

  void add_routes(Router& router);

  // For jobs: the verb by name, with its system's presets. Throws HttpError(404, "serve.unknown_verb").
  struct Found {
    const systems::System* system;
    const systems::Verb* verb;
  };
  Found find(const std::string& system, const std::string& verb) const;

  // Fills the fields from preset and object as a request does; uploads in use are put into `held`. A job is not bound by
  // FieldInfo::served_max.
  void fill(const Found& found,
            const config::Fields& fields,
            const std::string& preset,
            const nlohmann::json& object,
            std::vector<UploadPtr>& held,
            bool job) const;

 private:
  void add_verb(Router& router, const systems::System& system, const systems::Verb& verb);
  void add_uploads(Router& router);
  void add_list(Router& router);
  void queue(const ExchangePtr& exchange, std::function<void(const ExchangePtr&)> call);
  void run(const ExchangePtr& exchange, const Found& found) const;
  void apply_preset(const Found& found, const config::Fields& fields, const std::string& preset) const;
  ResolveFile resolver(std::vector<UploadPtr>& held) const;

  Options options_;
  systems::System program_;  // the commands
  UploadStore& uploads_;
  Dispatcher& calls_;
  const Scrubber& scrubber_;
};

// Query words that are no fields of a verb.
struct CallWords {
  std::uint64_t seed = 1;
  std::string preset;
  std::string file;    // answer with this file of the result
  std::string format;  // "json" or "text"
  std::vector<TextPair> rest;
};
// Throws HttpError(400, "serve.bad_word").
CallWords split_query(const std::vector<TextPair>& query);

// By the ending of a name: "image/svg+xml", "text/csv", ...
std::string content_type_of(const std::string& name);

// Queues a call of a worker thread; what it throws becomes the answer.
void submit_call(Dispatcher& calls,
                 const Scrubber& scrubber,
                 const ExchangePtr& exchange,
                 std::function<void(const ExchangePtr&)> call);

void respond_json(const ExchangePtr& exchange, const nlohmann::json& body, int status = 200);

}  // namespace tenfold::serve
