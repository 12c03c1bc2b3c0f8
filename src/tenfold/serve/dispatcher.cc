// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/dispatcher.h"

#include <fmt/format.h>

namespace tenfold::serve {
namespace {

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

HttpError queue_full(std::size_t capacity) {
  return HttpError(503,
                   "serve.queue_full",
                   {.what = "the server is busy",
                    .seen = fmt::format("{} requests wait already", capacity),
                    .remedy = "try again after the time in Retry-After"});
}

HttpError client_share() {
  return HttpError(429,
                   "serve.client_share",
                   {.what = "another client gets the place of this request",
                    .seen = "most of the waiting requests are yours",
                    .remedy = "send fewer requests at the same time"});
}

HttpError expired() {
  return HttpError(503,
                   "serve.deadline",
                   {.what = "the deadline of the request passed while it waited",
                    .remedy = "try again when the server is less busy"});
}

HttpError stopping() {
  return HttpError(
      503, "serve.stopping", {.what = "the server is stopping", .remedy = "try again when it runs again"});
}

}  // namespace

void CallJob::run() {
  try {
    call_(exchange_);
  } catch (...) {
    exchange_->respond(error_response(std::current_exception(), exchange_->request().path, Scrubber()));
  }
}

Dispatcher::Dispatcher(Options options, Runner run)
    : options_(options), run_(std::move(run)), queue_(options.queue) {
  alive_ = static_cast<std::size_t>(options_.workers);
  for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Dispatcher::~Dispatcher() {
  stop();
}

void Dispatcher::changed(std::size_t length) {
  if (options_.observer != nullptr) options_.observer->queue_changed(length);
}

void Dispatcher::count(std::string_view reason) {
  if (options_.observer != nullptr) options_.observer->refused(reason);
}

void Dispatcher::submit(const ExchangePtr& exchange,
                        std::string group,
                        std::size_t rows,
                        std::unique_ptr<Job> job) {
  Ticket ticket{0,
                exchange->request().client,
                std::move(group),
                rows,
                Clock::now(),
                exchange->deadline(),
                std::move(job)};
  std::optional<Ticket> out;
  std::uint64_t id = 0;
  bool stopped = false;
  {
    const std::lock_guard lock(mutex_);
    id = ticket.id = next_id_++;
    stopped = stopping_;
    out = stopped ? std::move(ticket) : queue_.add(std::move(ticket));
    changed(queue_.size());
  }
  if (out && out->id == id) {
    count(stopped ? "stopping" : "queue_full");
    out->job->refuse(stopped ? stopping() : queue_full(options_.queue.capacity));
    return;
  }
  wake_.notify_one();
  if (out) {
    count("client_share");
    out->job->refuse(client_share());
  }
  exchange->on_stop([this, id] { take_back(id); });
}

void Dispatcher::take_back(std::uint64_t id) {
  std::optional<Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    ticket = queue_.remove(id);
    if (ticket) changed(queue_.size());
  }
  if (!ticket) return;
  count(Clock::now() >= ticket->deadline ? "deadline" : "cancelled");
  ticket->job->refuse(expired());  // unheard when the client is gone
}

void Dispatcher::work() {
  run_queue();
  const std::lock_guard lock(mutex_);
  --alive_;
  ended_.notify_all();
}

void Dispatcher::run_queue() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    BatchQueue::Taken taken = queue_.take(Clock::now(), draining_);
    if (taken.batch.empty() && taken.expired.empty()) {
      taken.look_again ? (void)wake_.wait_until(lock, *taken.look_again) : wake_.wait(lock);
      continue;
    }
    changed(queue_.size());
    ++running_;
    const bool more = !queue_.empty();
    lock.unlock();
    if (more) wake_.notify_one();
    for (Ticket& ticket : taken.expired) {
      count("deadline");
      ticket.job->refuse(expired());
    }
    if (!taken.batch.empty()) run_batch(std::move(taken.batch));
    lock.lock();
    --running_;
  }
}

void Dispatcher::run_batch(std::vector<Ticket> batch) {
  const Clock::time_point begin = Clock::now();
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<double> waited;
  std::size_t rows = 0;
  for (Ticket& ticket : batch) {
    waited.push_back(seconds(begin - ticket.arrived));
    rows += ticket.rows;
    jobs.push_back(std::move(ticket.job));
  }
  if (options_.observer != nullptr) options_.observer->took(rows, waited);
  run_(std::move(jobs));
  if (options_.observer != nullptr) options_.observer->ran(seconds(Clock::now() - begin));
}

std::size_t Dispatcher::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t Dispatcher::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void Dispatcher::drain() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  wake_.notify_all();
}

bool Dispatcher::stop(Clock::time_point until) {
  std::vector<Ticket> rest;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    rest = queue_.clear();
    changed(0);
  }
  wake_.notify_all();
  for (Ticket& ticket : rest) ticket.job->refuse(stopping());
  {
    std::unique_lock lock(mutex_);
    const auto over = [this] { return alive_ == 0; };
    if (until == Clock::time_point::max()) {
      ended_.wait(lock, over);
    } else if (!ended_.wait_until(lock, until, over)) {
      return false;
    }
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return true;
}

}  // namespace tenfold::serve
