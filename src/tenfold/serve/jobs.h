// SPDX-License-Identifier: Apache-2.0
// Verbs that take long, run as child processes one after the other: started, watched and stopped through the API. Their
// run folders, with checkpoints, stay.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/runs.h"
#include "tenfold/serve/uploads.h"
#include "tenfold/serve/verb_api.h"

namespace tenfold::serve {

struct JobOptions {
  std::string program;        // of this tool: run as `program SYSTEM VERB --config ... --out ... --json`
  Path runs;                  // folder of the run folders; made when the first job starts
  std::size_t waiting = 1;    // jobs that may wait while one runs
  std::size_t history = 32;   // finished jobs that are remembered
  std::size_t events = 2000;  // of one job that can be read again
  std::chrono::milliseconds grace{30'000};  // for a job that is told to stop
};

struct JobSpec {
  std::string system;
  std::string verb;
  std::string config_toml;  // one table
  std::uint64_t seed = 1;
  std::string run;              // name of its folder; empty: one is made
  bool resume = false;          // the folder may exist: a run that is continued
  std::vector<UploadPtr> held;  // uploads its configuration names
};

enum class JobState { kWaiting, kRunning, kStopping, kFinished, kFailed, kStopped };
std::string_view to_string(JobState state);

// Events: "state" (a job object), "progress" ({"line"}), "metrics" (a row of metrics.jsonl), "result" or "error", "end".
struct JobEvent {
  std::uint64_t id;
  std::string event;
  std::string data;  // JSON
};

class JobManager {
 public:
  JobManager(JobOptions options, const Scrubber& scrubber);
  ~JobManager();  // shut_down()
  JobManager(const JobManager&) = delete;
  JobManager& operator=(const JobManager&) = delete;

  // Its id. Throws HttpError: 503 "jobs.queue_full", 409 "jobs.run_exists", 400 "jobs.bad_run_name", 503 "serve.stopping".
  std::string start(JobSpec spec);
  // A waiting job is dropped, a running one gets SIGTERM. Throws HttpError(404, "jobs.unknown_job").
  void stop(const std::string& id);
  std::string describe(const std::string& id) const;  // JSON object; throws as above
  std::string describe_all() const;                   // {"jobs": [...]}, newest first
  // Sends the events after `last_id`, then those to come; ends with the job.
  void subscribe(const std::string& id, std::uint64_t last_id, std::shared_ptr<EventStream> stream);

  std::size_t active() const;  // waiting and running
  // No new jobs; the waiting ones are dropped, the running one is told to stop and awaited.
  void shut_down();

 private:
  struct Record;
  using RecordPtr = std::shared_ptr<Record>;

  void work();
  void run(const RecordPtr& record);
  void finish(const RecordPtr& record, int exit_code, const std::string& output);
  void fail(const RecordPtr& record, std::string error);
  void pass_line(const RecordPtr& record, std::string_view line);
  void pass_metrics(const RecordPtr& record, std::uint64_t& offset);
  std::string prepare_folder(const RecordPtr& record) const;

  // With the lock held: events are passed on under it, so that no listener misses one or gets it twice.
  void add_event(const RecordPtr& record, std::string event, std::string data);
  void set_state(const RecordPtr& record, JobState state);
  void stop_record(const RecordPtr& record);
  RecordPtr find(const std::string& id) const;
  RecordPtr next_waiting() const;

  const JobOptions options_;
  const Scrubber& scrubber_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<RecordPtr> records_;  // newest first
  bool stopping_ = false;
  std::thread thread_;
};

// POST /api/jobs {"system", "verb", "config", "preset", "seed", "run", "resume"}, GET /api/jobs, /api/jobs/{id},
// /api/jobs/{id}/events (server-sent events), DELETE /api/jobs/{id}.
void add_jobs(Router& router,
              JobManager& jobs,
              const VerbApi& verbs,
              Dispatcher& calls,
              const Scrubber& scrubber,
              const Limits& limits);

}  // namespace tenfold::serve
