// SPDX-License-Identifier: Apache-2.0
// Worker threads behind a BatchQueue: takes jobs, drops those whose deadline has passed before any work is done, runs the
// others in batches. There is no lock around the running: workers run at the same time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tenfold/serve/batch_queue.h"
#include "tenfold/serve/http.h"

namespace tenfold::serve {

class DispatchObserver {
 public:
  virtual ~DispatchObserver() = default;
  virtual void queue_changed(std::size_t /*length*/) {}
  virtual void took(std::size_t /*rows*/, const std::vector<double>& /*seconds_waited*/) {}
  virtual void ran(double /*seconds*/) {}
  virtual void refused(std::string_view /*reason*/) {
  }  // "queue_full", "client_share", "deadline", "cancelled"
};

class Dispatcher {
 public:
  using Runner = std::function<void(std::vector<std::unique_ptr<Job>>)>;  // must not throw

  struct Options {
    QueueOptions queue;
    int workers = 1;
    DispatchObserver* observer = nullptr;  // must outlive the dispatcher
  };
  Dispatcher(Options options, Runner run);
  ~Dispatcher();  // stop()
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Queues the job for the client and deadline of the exchange; when the client goes or the deadline passes, its place is
  // free at once. When there is no place, job->refuse() is called with 503 "serve.queue_full".
  void submit(const ExchangePtr& exchange, std::string group, std::size_t rows, std::unique_ptr<Job> job);

  std::size_t waiting() const;
  std::size_t running() const;  // batches
  // No more waiting for company; what is queued still runs.
  void drain();
  // Refuses what is queued with 503 "serve.stopping" and joins the workers after their batch. False when a batch is not over
  // at `until`: its worker goes on, and the dispatcher must live as long.
  bool stop(Clock::time_point until = Clock::time_point::max());

 private:
  void work();
  void run_queue();
  void run_batch(std::vector<Ticket> batch);
  void take_back(std::uint64_t id);
  void changed(std::size_t length);
  void count(std::string_view reason);

  const Options options_;
  const Runner run_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  BatchQueue queue_;
  std::uint64_t next_id_ = 1;
  std::size_t running_ = 0;
  std::size_t alive_ = 0;  // workers
  std::condition_variable ended_;
  bool draining_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// A job that is one function call. A call whose errors may name folders of this machine answers them itself, see
// submit_call() in verb_api.h.
class CallJob final : public Job {
 public:
  CallJob(ExchangePtr exchange, std::function<void(const ExchangePtr&)> call)
      : exchange_(std::move(exchange)), call_(std::move(call)) {}
  void refuse(const HttpError& error) override {
    exchange_->respond(error_response(error, exchange_->request().path));
  }
  void run();  // what the call throws becomes the answer
  const ExchangePtr& exchange() const { return exchange_; }

 private:
  ExchangePtr exchange_;
  std::function<void(const ExchangePtr&)> call_;
};

}  // namespace tenfold::serve
