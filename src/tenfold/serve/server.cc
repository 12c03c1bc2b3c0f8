// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/server.h"

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/version.h"
#include "tenfold/config/schema.h"
#include "tenfold/serve/guard.h"
#include "tenfold/serve/jobs.h"
#include "tenfold/serve/model_api.h"
#include "tenfold/serve/openapi.h"
#include "tenfold/serve/protocol_v2.h"
#include "tenfold/serve/route_api.h"
#include "tenfold/serve/runs.h"
#include "tenfold/serve/static_files.h"
#include "tenfold/serve/verb_api.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kPoll{5};
constexpr int kStreamWorkers = 4;  // answers in parts at the same time

// Runs the one call of each job: services do not batch.
void run_calls(const std::vector<std::unique_ptr<Job>>& jobs) {
  for (const auto& job : jobs) static_cast<CallJob*>(job.get())->run();
}

Dispatcher::Options call_options(const Limits& limits, int workers, DispatchObserver& observer) {
  QueueOptions queue;
  queue.capacity = static_cast<std::size_t>(limits.queue);
  queue.batch_rows = 1;
  queue.delay = Clock::duration::zero();
  return {queue, workers, &observer};
}

int worker_count(const ServeOptions& options) {
  return options.workers > 0 ? static_cast<int>(options.workers) : available_cores();
}

std::vector<Path> all_folders(const ServeOptions& options, const ServeParts& parts) {
  std::vector<Path> folders;
  for (const std::string& dir : options.dirs) {
    std::error_code failure;
    if (!std::filesystem::is_directory(dir, failure)) {
      throw Error(ErrorClass::kFile,
                  "serve.no_folder",
                  {.what = "a folder to serve is not there",
                   .seen = printable(dir),
                   .wanted = "a bundle, a run folder, or a folder of them",
                   .remedy = "correct the path"});
    }
    folders.emplace_back(dir);
  }
  if (options.dirs.empty()) folders.insert(folders.end(), parts.shipped.begin(), parts.shipped.end());
  folders.emplace_back(options.runs);
  return folders;
}

void check_token_needed(const ServeOptions& options) {
  if (is_loopback(options.host) || !options.token.empty()) return;
  throw Error(ErrorClass::kUsage,
              "serve.token_needed",
              {.what = "other machines could reach this address",
               .seen = "--host " + printable(options.host) + " without --token",
               .wanted = "a token of at least " + std::to_string(kLeastTokenBytes) + " characters",
               .remedy = "set TENFOLD_SET_TOKEN=$(openssl rand -hex 16), or stay on 127.0.0.1"});
}

// The header X-Timeout-Ms; nullopt when it is absent.
std::optional<double> asked_timeout(const Request& request) {
  const std::string_view text = request.header("x-timeout-ms");
  if (text.empty()) return std::nullopt;
  const auto milliseconds = parse_integer(text);
  if (milliseconds && *milliseconds >= 1 && *milliseconds <= 3'600'000)
    return 1e-3 * static_cast<double>(*milliseconds);
  throw HttpError(400,
                  "http.bad_timeout",
                  {.what = "X-Timeout-Ms cannot be read",
                   .seen = printable(text, 40),
                   .wanted = "milliseconds, 1 to 3600000"});
}

}  // namespace

struct Server::State {
  State(ServeOptions the_options, ServeParts the_parts);

  HeadVerdict judge(const Request& request) const;
  void handle(const ExchangePtr& exchange) const;
  void add_routes();
  void add_machine_routes();
  void load(const std::function<void(std::string_view)>& progress);
  void load_bundle(const FolderEntry& entry,
                   bool named,
                   const std::function<void(std::string_view)>& progress);
  void load_run(const FolderEntry& entry, const std::function<void(std::string_view)>& progress);
  void add_model(systems::Service service, const std::function<void(std::string_view)>& progress);

  const ServeOptions options;
  const ServeParts parts;
  const Limits limits;
  const std::vector<Path> folders;
  const Clock::time_point begun = Clock::now();
  std::atomic<bool> loaded{false};
  std::atomic<bool> draining{false};
  bool ended = false;
  ServeEnd end;

  // In the order in which they may be used by each other; the HTTP server ends first.
  Scrubber scrubber;
  Guard guard;
  ServerMetrics metrics;
  UploadStore uploads;
  RunLibrary runs;
  Dispatcher calls;
  Dispatcher streams;
  ModelStore models;
  VerbApi verbs;
  RouteServices services;
  std::unique_ptr<JobManager> jobs;
  Router router;
  std::unique_ptr<HttpServer> http;
};

Server::State::State(ServeOptions the_options, ServeParts the_parts)
    : options(std::move(the_options)),
      parts(std::move(the_parts)),
      limits(options.limits),
      folders(all_folders(options, parts)),
      guard({allowed_hosts(options.host, options.allow_host), options.token}),
      runs(folders),
      calls(call_options(limits, std::max(2, worker_count(options)), metrics.queue("calls")), run_calls),
      streams(call_options(limits, kStreamWorkers, metrics.queue("streams")), run_calls),
      models({limits,
              worker_count(options),
              options.batch_delay < 0 ? std::nullopt : std::optional(options.batch_delay)},
             metrics),
      verbs({parts.systems, parts.commands, options.runs, &runs, limits}, uploads, calls, scrubber),
      services{calls, streams, scrubber, limits} {
  check_token_needed(options);
  scrubber.hide(uploads.folder().string(), true);
  scrubber.hide("/tenfold-result");
  std::error_code ignored;
  for (const Path& folder : folders) {
    scrubber.hide(folder.string());
    scrubber.hide(std::filesystem::absolute(folder, ignored).lexically_normal().string());
  }
  scrubber.hide(std::filesystem::current_path(ignored).string());
  if (!parts.program.empty()) {
    JobOptions job_options;
    job_options.program = parts.program;
    job_options.runs = options.runs;
    job_options.grace =
        std::chrono::milliseconds(static_cast<std::int64_t>(1000 * std::max(0.5, options.drain - 1)));
    jobs = std::make_unique<JobManager>(job_options, scrubber);
  }
  add_routes();
  HttpOptions http_options{options.host,
                           static_cast<std::uint16_t>(options.port),
                           static_cast<int>(options.io_threads),
                           limits,
                           security_headers()};
  http = std::make_unique<HttpServer>(
      std::move(http_options),
      [this](const Request& request) { return judge(request); },
      [this](const ExchangePtr& exchange) { handle(exchange); },
      &metrics);
}

HeadVerdict Server::State::judge(const Request& request) const {
  HeadVerdict verdict;
  try {
    guard.check_origin(request);
    if (guard.is_login(request)) {
      verdict.refusal = Response{303, "", "", {{"Location", "/"}, {"Set-Cookie", guard.login_cookie()}}};
      return verdict;
    }
    const Router::Match match = router.match(request.method, request.path);
    if (!match.route->open) guard.check_token(request);
    const bool has_body =
        !request.header("content-length").empty() || !request.header("transfer-encoding").empty();
    const bool empty = request.header("content-length") == "0";
    if ((has_body && !empty) || match.route->method == "POST")
      verdict.body_limit = body_limit(*match.route, request, limits);
    verdict.deadline = asked_timeout(request);
    if (verdict.deadline) verdict.deadline = std::min(*verdict.deadline, limits.deadline);
  } catch (const Error& error) {
    verdict.refusal = error_response(error, request.path);
  }
  return verdict;
}

void Server::State::handle(const ExchangePtr& exchange) const {
  const Request& request = exchange->request();
  try {
    const Router::Match match = router.match(request.method, request.path);
    match.route->handle(exchange, match.values);
  } catch (...) {
    exchange->respond(error_response(std::current_exception(), request.path, scrubber));
  }
}

void Server::State::add_routes() {
  add_protocol_v2(router, models, calls, [this] { return loaded && !draining; });
  add_model_api(router, models, services);
  verbs.add_routes(router);
  for (const systems::System& system : parts.systems) {
    for (const systems::ApiRoute& route : system.routes) {
      add_api_route(router, "/api/" + system.name + "/" + route.path, system.name, route, services);
    }
  }
  add_runs(router, runs, calls, scrubber);
  if (jobs) add_jobs(router, *jobs, verbs, calls, scrubber, limits);
  add_machine_routes();
  add_static_files(router);
}

void Server::State::add_machine_routes() {
  Route shown;
  shown.pattern = "/metrics";
  shown.doc = {"server", "counters and times in the Prometheus text format"};
  shown.doc.answer = "text/plain";
  shown.handle = [this](const ExchangePtr& exchange, const PathValues&) {
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics.text();
    exchange->respond(std::move(response));
  };
  router.add(std::move(shown));

  Route about;
  about.pattern = "/api/server";
  about.doc = {"server", "version, state and limits of this server"};
  about.handle = [this](const ExchangePtr& exchange, const PathValues&) {
    Limits shown_limits = limits;
    respond_json(exchange,
                 {{"version", version()},
                  {"revision", revision()},
                  {"ready", loaded && !draining},
                  {"seconds", std::chrono::duration<double>(Clock::now() - begun).count()},
                  {"workers", worker_count(options)},
                  {"jobs", jobs != nullptr},
                  {"limits", json::parse(config::to_json(config::Fields(shown_limits)))}});
  };
  router.add(std::move(about));

  Route document;
  document.pattern = "/api/openapi.json";
  document.doc = {"server", "this API as an OpenAPI 3.1 document"};
  document.handle = [this](const ExchangePtr& exchange, const PathValues&) {
    submit_call(calls, scrubber, exchange, [this](const ExchangePtr& waiting) {
      Response response;
      response.body = openapi_document(router);
      waiting->respond(std::move(response));
    });
  };
  router.add(std::move(document));
}

void Server::State::add_model(systems::Service service,
                              const std::function<void(std::string_view)>& progress) {
  Model& model = models.add(std::move(service));
  if (progress) progress("warming up " + model.info().name);
  model.warm_up();
}

// A bundle that was named must work; one that was found in a folder may be of a system that cannot be served.
void Server::State::load_bundle(const FolderEntry& entry,
                                bool named,
                                const std::function<void(std::string_view)>& progress) {
  const Path path = entry.place.child.empty() ? entry.place.root : entry.place.root / entry.place.child;
  try {
    const io::BundleReader bundle = io::BundleReader::open(path);
    for (const systems::System& system : parts.systems) {
      if (system.name != bundle.manifest().system || !system.open_bundle) continue;
      if (progress) progress("loading " + entry.name);
      return add_model(system.open_bundle(bundle, to_lower(entry.name)), progress);
    }
    throw Error(ErrorClass::kData,
                "serve.no_predictor",
                {.what = path.string() + " cannot be served",
                 .seen = "a bundle of " + printable(bundle.manifest().system),
                 .wanted = "a bundle of a system with a model",
                 .remedy = "see tenfold list"});
  } catch (const Error& error) {
    if (named) throw;
    log::warning("serve: {} is left out: {} ({})", path.string(), error.text().what, error.code());
  }
}

// A run offers the bundle it has led to: what is served best first. Runs of systems whose bundles cannot be served are none of a
// server's business.
void Server::State::load_run(const FolderEntry& entry,
                             const std::function<void(std::string_view)>& progress) {
  for (const char* part : {"index", "model"}) {
    const Path path = entry.place.root / entry.place.child / part;
    std::error_code unreadable;
    if (!std::filesystem::exists(path / "manifest.json", unreadable)) continue;
    try {
      const io::BundleReader bundle = io::BundleReader::open(path);
      for (const systems::System& system : parts.systems) {
        if (system.name != bundle.manifest().system || !system.open_bundle) continue;
        if (progress) progress("loading " + entry.name + "/" + part);
        return add_model(system.open_bundle(bundle, to_lower(entry.name)), progress);
      }
    } catch (const Error& error) {
      log::warning("serve: {} is left out: {} ({})", path.string(), error.text().what, error.code());
    }
  }
}

void Server::State::load(const std::function<void(std::string_view)>& progress) {
  for (const systems::Service& service : parts.models) add_model(service, progress);
  for (const systems::System& system : parts.systems) {
    if (system.service) add_model(system.service(), progress);
  }
  for (const FolderEntry& entry : runs.scan()) {
    if (entry.kind == FolderKind::kBundle) load_bundle(entry, entry.place.child.empty(), progress);
    if (entry.kind == FolderKind::kRun) load_run(entry, progress);
  }
}

Server::Server(ServeOptions options, ServeParts parts)
    : state_(std::make_unique<State>(std::move(options), std::move(parts))) {}

namespace {

// What calls that do not end still use. Never freed, and reachable, so that leak checkers do not mind.
template <typename State>
void leave_behind(std::unique_ptr<State> state) {
  static auto& kept = *new std::vector<std::unique_ptr<State>>;
  kept.push_back(std::move(state));
}

}  // namespace

Server::~Server() {
  if (!state_->ended) drain_until(Clock::now() + to_duration(state_->options.drain), false);
  if (state_->end.stuck) leave_behind(std::move(state_));
}

void Server::start(const std::function<void(std::string_view)>& progress) {
  state_->http->start();
  state_->load(progress);
  state_->loaded = true;
  if (!state_->options.address_file.empty()) {
    write_file_atomically(real_file_system(), state_->options.address_file, url() + "\n");
  }
}

bool Server::ready() const {
  return state_->loaded && !state_->draining;
}

std::uint16_t Server::port() const {
  return state_->http->port();
}

std::string Server::url() const {
  const std::string& host = state_->options.host;
  return fmt::format("http://{}:{}/", host.find(':') == std::string::npos ? host : "[" + host + "]", port());
}

ServeEnd Server::run(const StopToken& stop) {
  while (!stop.requested()) std::this_thread::sleep_for(kPoll);
  return drain();
}

ServeEnd Server::drain() {
  State& state = *state_;
  state.draining = true;
  const Clock::time_point noticed = Clock::now() + to_duration(state.options.notice);
  while (Clock::now() < noticed) std::this_thread::sleep_for(kPoll);
  return drain_until(Clock::now() + to_duration(state.options.drain), true);
}

ServeEnd Server::drain_until(Clock::time_point end, bool wait) {
  State& state = *state_;
  if (state.ended) return state.end;
  state.ended = state.draining = true;
  const Clock::duration time = end - Clock::now();
  std::thread jobs_end([&state] {
    if (state.jobs) state.jobs->shut_down();
  });
  if (wait) {
    state.http->drain(std::min<Clock::duration>(time / 4, std::chrono::seconds(1)));
    state.calls.drain();
    state.streams.drain();
    state.models.drain();
    // The last part of the time is for calls that only have to notice that they must stop.
    const Clock::time_point last = end - std::min<Clock::duration>(time / 8, std::chrono::seconds(1));
    while (!state.http->is_drained() && Clock::now() < last) std::this_thread::sleep_for(kPoll);
  }
  state.http->close_all();
  const bool calls = state.calls.stop(end);
  const bool streams = state.streams.stop(end);
  const bool models = state.models.stop(end);
  jobs_end.join();
  state.http->stop();
  state.end = {state.metrics.answered(), state.http->lost(), !(calls && streams && models)};
  if (wait && state.end.lost > 0)
    log::warning("serve: {} accepted requests were not answered in time", state.end.lost);
  if (state.end.stuck) log::warning("serve: a call does not end though it was told to stop");
  return state.end;
}

}  // namespace tenfold::serve
