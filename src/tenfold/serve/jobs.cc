// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"
#include "tenfold/config/toml.h"
#include "tenfold/serve/job_process.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

constexpr std::size_t kEventBytes = std::size_t{64} << 10;  // a longer result is read from its run folder
constexpr std::size_t kRowsPerTick = 500;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// "trends-bench-20260301-123456-3f2a"
std::string make_run_name(const JobSpec& spec) {
  std::string time = utc_now();
  std::erase_if(time, [](char c) { return c == '-' || c == ':' || c == 'Z'; });
  std::replace(time.begin(), time.end(), 'T', '-');
  return fmt::format("{}-{}-{}-{}", spec.system, spec.verb, time, random_id().substr(0, 4));
}

HttpError unknown_job(const std::string& id) {
  return HttpError(
      404,
      "jobs.unknown_job",
      {.what = "there is no job of this id", .seen = printable(id, 64), .remedy = "see /api/jobs"});
}

}  // namespace

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::kWaiting:
      return "waiting";
    case JobState::kRunning:
      return "running";
    case JobState::kStopping:
      return "stopping";
    case JobState::kFinished:
      return "finished";
    case JobState::kFailed:
      return "failed";
    case JobState::kStopped:
      return "stopped";
  }
  return "failed";
}

struct JobManager::Record {
  std::string id;
  JobSpec spec;
  JobState state = JobState::kWaiting;
  StopToken stop;
  std::string created, started, ended;
  std::string last_line;
  int exit_code = -1;
  std::string error;  // JSON object
  std::uint64_t next_event = 1;
  std::deque<JobEvent> events;
  std::vector<std::shared_ptr<EventStream>> listeners;

  bool is_over() const {
    return state == JobState::kFinished || state == JobState::kFailed || state == JobState::kStopped;
  }
  json to_json() const {
    json object = {{"id", id},
                   {"system", spec.system},
                   {"verb", spec.verb},
                   {"run", spec.run},
                   {"seed", spec.seed},
                   {"state", to_string(state)},
                   {"created", created},
                   {"progress", last_line}};
    if (!started.empty()) object["started"] = started;
    if (!ended.empty()) object["ended"] = ended;
    if (is_over()) object["exit_code"] = exit_code;
    if (!error.empty()) object["error"] = json::parse(error);
    return object;
  }
};

JobManager::JobManager(JobOptions options, const Scrubber& scrubber)
    : options_(std::move(options)), scrubber_(scrubber), thread_([this] { work(); }) {}

JobManager::~JobManager() {
  shut_down();
}

JobManager::RecordPtr JobManager::find(const std::string& id) const {
  const auto found = std::find_if(
      records_.begin(), records_.end(), [&](const RecordPtr& record) { return record->id == id; });
  if (found == records_.end()) throw unknown_job(id);
  return *found;
}

std::string JobManager::start(JobSpec spec) {
  if (spec.run.empty()) spec.run = make_run_name(spec);
  if (spec.run != safe_name(spec.run, "")) {
    throw HttpError(400,
                    "jobs.bad_run_name",
                    {.what = "the name of the run cannot be used",
                     .seen = printable(spec.run, 80),
                     .wanted = "letters, digits, '.', '_' and '-', at most 64"});
  }
  std::error_code ignored;
  if (!spec.resume &&
      std::filesystem::exists(std::filesystem::symlink_status(options_.runs / spec.run, ignored))) {
    throw HttpError(409,
                    "jobs.run_exists",
                    {.what = "a run of this name is there already",
                     .seen = spec.run,
                     .remedy = "choose another name, or set resume to continue it"});
  }
  const auto record = std::make_shared<Record>();
  record->id = random_id().substr(0, 12);
  record->spec = std::move(spec);
  record->created = utc_now();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw HttpError(503, "serve.stopping", {.what = "the server is stopping"});
    const auto open = static_cast<std::size_t>(std::count_if(
        records_.begin(), records_.end(), [](const RecordPtr& each) { return !each->is_over(); }));
    if (open > options_.waiting) {
      throw HttpError(503,
                      "jobs.queue_full",
                      {.what = "a job runs already",
                       .seen = fmt::format("{} jobs run or wait", open),
                       .wanted = fmt::format("at most {}", options_.waiting + 1),
                       .remedy = "wait for its end, or stop it"});
    }
    const bool same_run = std::any_of(records_.begin(), records_.end(), [&](const RecordPtr& each) {
      return !each->is_over() && each->spec.run == record->spec.run;
    });
    if (same_run)
      throw HttpError(
          409, "jobs.run_exists", {.what = "a job of this run is not over yet", .seen = record->spec.run});
    records_.push_front(record);
    while (records_.size() > options_.history && records_.back()->is_over()) records_.pop_back();
    set_state(record, JobState::kWaiting);
  }
  wake_.notify_all();
  return record->id;
}

void JobManager::stop(const std::string& id) {
  const std::lock_guard lock(mutex_);
  stop_record(find(id));
}

void JobManager::stop_record(const RecordPtr& record) {
  if (record->is_over()) return;
  record->stop.request();
  set_state(record, record->state == JobState::kWaiting ? JobState::kStopped : JobState::kStopping);
}

std::string JobManager::describe(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return dump(find(id)->to_json());
}

std::string JobManager::describe_all() const {
  const std::lock_guard lock(mutex_);
  json list = json::array();
  for (const RecordPtr& record : records_) list.push_back(record->to_json());
  return dump({{"jobs", list}});
}

std::size_t JobManager::active() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      records_.begin(), records_.end(), [](const RecordPtr& each) { return !each->is_over(); }));
}

void JobManager::add_event(const RecordPtr& record, std::string event, std::string data) {
  const std::uint64_t id = record->next_event++;
  std::erase_if(record->listeners, [&](const std::shared_ptr<EventStream>& listener) {
    return !listener->send(event, data, std::to_string(id));
  });
  record->events.push_back({id, std::move(event), std::move(data)});
  if (record->events.size() > options_.events) record->events.pop_front();
}

void JobManager::set_state(const RecordPtr& record, JobState state) {
  if (record->is_over() || (record->state == JobState::kStopping && state == JobState::kRunning)) return;
  record->state = state;
  if (state == JobState::kRunning) record->started = utc_now();
  if (record->is_over()) {
    record->ended = utc_now();
    record->spec.held.clear();
  }
  add_event(record, "state", dump(record->to_json()));
  if (!record->is_over()) return;
  add_event(record, "end", "{}");
  record->listeners.clear();  // closes them
}

void JobManager::subscribe(const std::string& id,
                           std::uint64_t last_id,
                           std::shared_ptr<EventStream> stream) {
  const std::lock_guard lock(mutex_);
  const RecordPtr record = find(id);
  for (const JobEvent& event : record->events) {
    if (event.id > last_id && !stream->send(event.event, event.data, std::to_string(event.id))) return;
  }
  if (!record->is_over()) record->listeners.push_back(std::move(stream));
}

// The oldest waiting job; null when there is none.
JobManager::RecordPtr JobManager::next_waiting() const {
  for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
    if ((*each)->state == JobState::kWaiting) return *each;
  }
  return nullptr;
}

void JobManager::work() {
  while (true) {
    RecordPtr next;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || next_waiting() != nullptr; });
      if (stopping_) return;
      next = next_waiting();
      set_state(next, JobState::kRunning);
    }
    run(next);
  }
}

// The run folder with the configuration of the job in it; the path of that file.
std::string JobManager::prepare_folder(const RecordPtr& record) const {
  FileSystem& files = real_file_system();
  const Path folder = options_.runs / record->spec.run;
  if (std::filesystem::is_symlink(folder)) {
    throw Error(
        ErrorClass::kFile, "file.symlink", {.what = "the run folder is a link", .seen = folder.string()});
  }
  files.make_directories(folder);
  const Path config = folder / "job.toml";
  write_file_atomically(files, config, record->spec.config_toml);
  return config.string();
}

void JobManager::pass_metrics(const RecordPtr& record, std::uint64_t& offset) {
  try {
    const MetricRows rows = RunLibrary::metrics({options_.runs, record->spec.run}, offset, kRowsPerTick);
    offset = rows.next;
    const std::lock_guard lock(mutex_);
    for (const std::string& line : rows.lines) add_event(record, "metrics", line);
  } catch (const Error& error) {
    log::debug("serve: metrics of {}: {}", record->spec.run, error.code());
  }
}

void JobManager::pass_line(const RecordPtr& record, std::string_view line) {
  const std::string text = scrubber_.clean(printable(line, 1000));
  const std::lock_guard lock(mutex_);
  record->last_line = text;
  add_event(record, "progress", dump({{"line", text}}));
}

void JobManager::run(const RecordPtr& record) {
  const JobSpec& spec = record->spec;
  try {
    JobProcessOptions process;
    process.grace = options_.grace;
    process.arguments = {options_.program,
                         spec.system,
                         spec.verb,
                         "--config",
                         prepare_folder(record),
                         "--out",
                         (options_.runs / spec.run).string(),
                         "--seed",
                         std::to_string(spec.seed),
                         "--json"};
    std::uint64_t offset = 0;
    const JobProcessEnd end = run_job_process(
        process,
        record->stop,
        [&](std::string_view line) { pass_line(record, line); },
        [&] { pass_metrics(record, offset); });
    finish(record, end.exit_code, end.output_cut ? "" : end.output);
  } catch (const Error& error) {
    log::warning("serve: job {}: {}", record->id, error.what());
    fail(record, error_json(public_error(error, scrubber_)));
  } catch (const std::exception& failure) {
    log::warning("serve: job {}: {}", record->id, failure.what());
    fail(record, error_json(public_error(Error(ErrorClass::kInternal, "internal.exception", {}), scrubber_)));
  }
}

void JobManager::fail(const RecordPtr& record, std::string error) {
  const std::lock_guard lock(mutex_);
  record->error = error;
  add_event(record, "error", std::move(error));
  set_state(record, JobState::kFailed);
}

void JobManager::finish(const RecordPtr& record, int exit_code, const std::string& output) {
  const json parsed = json::parse(output, nullptr, false);
  const bool has_error = parsed.is_object() && parsed.contains("error") && exit_code != 0;
  std::string text = parsed.is_object() ? scrubber_.clean(dump(has_error ? parsed["error"] : parsed)) : "";
  const std::lock_guard lock(mutex_);
  record->exit_code = exit_code;
  if (has_error) {
    record->error = text;
    add_event(record, "error", std::move(text));
  } else if (!text.empty()) {
    add_event(record, "result", text.size() <= kEventBytes ? text : dump({{"run", record->spec.run}}));
  }
  const bool stopped = record->stop.requested();
  set_state(record, stopped ? JobState::kStopped : exit_code == 0 ? JobState::kFinished : JobState::kFailed);
}

void JobManager::shut_down() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const RecordPtr& record : records_) stop_record(record);
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

namespace {

JobSpec read_spec(const json& body, const VerbApi& verbs) {
  if (!body.is_object())
    throw HttpError(400,
                    "jobs.bad_request",
                    {.what = "the body is no object", .wanted = "an object with system and verb"});
  static const std::vector<std::string> kKeys = {
      "system", "verb", "config", "preset", "seed", "run", "resume"};
  for (const auto& [key, value] : body.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
    throw HttpError(
        400,
        "jobs.bad_request",
        {.what = "unknown field", .seen = printable(key, 60), .wanted = "one of " + join(kKeys, ", ")});
  }
  const auto text = [&](const char* key) {
    const auto found = body.find(key);
    if (found == body.end()) return std::string();
    if (!found->is_string())
      throw HttpError(
          400,
          "jobs.bad_request",
          {.what = std::string(key) + " is no text", .seen = found->type_name(), .wanted = "a text"});
    return found->get<std::string>();
  };
  JobSpec spec;
  spec.system = text("system");
  spec.verb = text("verb");
  spec.run = text("run");
  if (const auto seed = body.find("seed"); seed != body.end()) {
    if (!seed->is_number_unsigned() || seed->get<std::uint64_t>() > std::uint64_t{INT64_MAX}) {
      throw HttpError(
          400, "jobs.bad_request", {.what = "seed cannot be read", .wanted = "an integer of 0 or more"});
    }
    spec.seed = seed->get<std::uint64_t>();
  }
  if (const auto resume = body.find("resume"); resume != body.end()) {
    if (!resume->is_boolean())
      throw HttpError(400, "jobs.bad_request", {.what = "resume cannot be read", .wanted = "true or false"});
    spec.resume = resume->get<bool>();
  }
  const VerbApi::Found found = verbs.find(spec.system, spec.verb);
  const systems::VerbCall call = found.verb->prepare();
  verbs.fill(found, call.fields, text("preset"), body.value("config", json::object()), spec.held, true);
  spec.config_toml = config::to_toml(call.fields, spec.verb);
  return spec;
}

constexpr std::string_view kJobSchema = R"({
  "type": "object", "required": ["system", "verb"], "additionalProperties": false,
  "properties": {
    "system": {"type": "string"}, "verb": {"type": "string"},
    "config": {"type": "object", "description": "fields of the verb, see /api/systems"},
    "preset": {"type": "string"}, "seed": {"type": "integer", "minimum": 0, "default": 1},
    "run": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "description": "name of the run folder"},
    "resume": {"type": "boolean", "default": false, "description": "continue the run of this name"}}})";

void respond_text(const ExchangePtr& exchange, std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  exchange->respond(std::move(response));
}

void subscribe(JobManager& jobs, const ExchangePtr& exchange, const std::string& id) {
  const Request& request = exchange->request();
  const auto last = parse_integer(request.header("last-event-id"));
  jobs.describe(id);  // unknown: an error instead of a stream
  if (const auto stream = exchange->stream()) {
    jobs.subscribe(id, last && *last > 0 ? static_cast<std::uint64_t>(*last) : 0, stream);
  }
}

}  // namespace

void add_jobs(Router& router,
              JobManager& jobs,
              const VerbApi& verbs,
              Dispatcher& calls,
              const Scrubber& scrubber,
              const Limits& limits) {
  const auto add = [&](std::string method,
                       std::string pattern,
                       RouteDoc doc,
                       std::function<void(const ExchangePtr&, const PathValues&)> handle) {
    Route route;
    route.method = std::move(method);
    route.pattern = std::move(pattern);
    route.body = route.method == "POST" ? BodyKind::kJson : BodyKind::kNone;
    route.doc = std::move(doc);
    route.handle = std::move(handle);
    router.add(std::move(route));
  };
  RouteDoc start{"jobs", "start a verb as a job"};
  start.body_schema = kJobSchema;
  start.failures = {404, 409};
  add("POST",
      "/api/jobs",
      start,
      [&jobs, &verbs, &calls, &scrubber, limits](const ExchangePtr& exchange, const PathValues&) {
        submit_call(calls, scrubber, exchange, [&jobs, &verbs, limits](const ExchangePtr& waiting) {
          const std::string id =
              jobs.start(read_spec(parse_request_json(waiting->take_body(), limits), verbs));
          respond_text(waiting, jobs.describe(id), 202);
        });
      });
  add("GET",
      "/api/jobs",
      {"jobs", "jobs, newest first"},
      [&jobs](const ExchangePtr& exchange, const PathValues&) {
        respond_text(exchange, jobs.describe_all());
      });
  RouteDoc one{"jobs", "one job"};
  one.failures = {404};
  add("GET", "/api/jobs/{id}", one, [&jobs](const ExchangePtr& exchange, const PathValues& values) {
    respond_text(exchange, jobs.describe(values.at("id")));
  });
  RouteDoc stop{"jobs", "stop a job; what it has saved stays"};
  stop.failures = {404};
  add("DELETE", "/api/jobs/{id}", stop, [&jobs](const ExchangePtr& exchange, const PathValues& values) {
    jobs.stop(values.at("id"));
    respond_text(exchange, jobs.describe(values.at("id")));
  });
  RouteDoc events{"jobs", "what happens in a job: state, progress, metrics, result or error, end"};
  events.answer = "text/event-stream";
  events.failures = {404};
  add("GET", "/api/jobs/{id}/events", events, [&jobs](const ExchangePtr& exchange, const PathValues& values) {
    subscribe(jobs, exchange, values.at("id"));
  });
}

}  // namespace tenfold::serve
