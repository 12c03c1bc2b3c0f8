// SPDX-License-Identifier: Apache-2.0
// Tickets: batches are planned one after the other under a lock, each thread loads the one it planned, and next() takes
// them out by number. So the order is the sampler's, whichever thread is faster.
#include "tenfold/data/loader.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"

namespace tenfold::data {
namespace {

void check_option(const char* name, int value, int low, int high) {
  if (value >= low && value <= high) return;
  throw Error(ErrorClass::kConfig,
              "loader.bad_option",
              {.what = fmt::format("the loader's option {} is out of range", name),
               .seen = std::to_string(value),
               .wanted = fmt::format("{} to {}", low, high),
               .remedy = fmt::format("set {} within the range", name)});
}

// One planned batch. Filled by the thread that planned it; `ready` says when.
struct Ticket {
  LoadedBatch loaded;
  SamplerState after;  // the sampler's state once this batch is handed out
  std::exception_ptr failure;
  bool ready = false;
};

// LibTorch and OpenMP would start a pool of their own in each loading thread.
void use_one_core() {
  at::internal::lazy_init_num_threads();  // now, so that it does not undo the next line later
#ifdef _OPENMP
  omp_set_num_threads(1);  // of the calling thread alone
#endif
}

}  // namespace

struct Loader::State {
  State(const Dataset& data, Sampler order, LoaderOptions settings)
      : dataset(data), sampler(std::move(order)), options(settings), position(sampler.state()) {}

  ~State() { stop_threads(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start_threads();
  void stop_threads();
  void work();
  void fill(Ticket& ticket) const;
  LoadedBatch hand_over(Ticket&& ticket);
  std::size_t capacity() const {
    return static_cast<std::size_t>(options.threads) * static_cast<std::size_t>(options.prefetch);
  }

  const Dataset& dataset;
  Sampler sampler;  // guarded by mutex
  const LoaderOptions options;
  SamplerState position;      // after the last batch that was handed out; of the caller's thread
  std::exception_ptr failed;  // what next() has thrown; of the caller's thread
  double waited = 0.0;

  std::mutex mutex;
  std::condition_variable room;   // a batch was taken, or all shall stop
  std::condition_variable ready;  // a batch was filled
  std::deque<Ticket> tickets;     // guarded by mutex; grows at its end only: references stay valid
  bool stopping = false;          // guarded by mutex
  std::vector<std::thread> threads;
};

void Loader::State::fill(Ticket& ticket) const {
  try {
    const BatchPlan& plan = ticket.loaded.plan;
    ticket.loaded.batch = dataset.get(plan.ids, {.seed = sampler.options().seed, .epoch = plan.epoch});
  } catch (...) {
    ticket.failure = std::current_exception();
  }
}

void Loader::State::work() {
  use_one_core();
  std::unique_lock lock(mutex);
  while (true) {
    room.wait(lock, [&] { return stopping || tickets.size() < capacity(); });
    if (stopping) return;
    Ticket& ticket = tickets.emplace_back();
    try {
      ticket.loaded.plan = sampler.next();
      ticket.after = sampler.state();
    } catch (...) {  // no memory for the permutation
      ticket.failure = std::current_exception();
    }
    lock.unlock();
    if (!ticket.failure) fill(ticket);
    lock.lock();
    ticket.ready = true;
    if (ticket.failure) stopping = true;  // what comes after it is never handed out
    ready.notify_one();
    if (stopping) room.notify_all();
  }
}

void Loader::State::start_threads() {
  try {
    for (int i = 0; i < options.threads; ++i) threads.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorClass::kResource,
                "loader.no_threads",
                {.what = "the system gives the loader no thread",
                 .seen = fmt::format("{} of {} started: {}", threads.size(), options.threads, error.what()),
                 .remedy = "lower loader_threads, or raise the limit of processes (ulimit -u)"});
  }
}

void Loader::State::stop_threads() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  room.notify_all();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

LoadedBatch Loader::State::hand_over(Ticket&& ticket) {
  if (ticket.failure) {
    failed = ticket.failure;
    std::rethrow_exception(failed);
  }
  position = ticket.after;
  return std::move(ticket.loaded);
}

Loader::Loader(const Dataset& dataset, Sampler sampler, LoaderOptions options)
    : state_(std::make_unique<State>(dataset, std::move(sampler), options)) {
  check_option("threads", options.threads, 0, 256);
  check_option("prefetch", options.prefetch, 1, 1024);
  state_->start_threads();
}

Loader::~Loader() = default;

LoadedBatch Loader::next() {
  State& state = *state_;
  if (state.failed) std::rethrow_exception(state.failed);
  const Stopwatch watch;
  if (state.options.threads == 0) {
    Ticket ticket;
    ticket.loaded.plan = state.sampler.next();
    ticket.after = state.sampler.state();
    state.fill(ticket);
    state.waited += watch.wall_seconds();
    return state.hand_over(std::move(ticket));
  }
  std::unique_lock lock(state.mutex);
  state.ready.wait(lock, [&] { return !state.tickets.empty() && state.tickets.front().ready; });
  Ticket ticket = std::move(state.tickets.front());
  state.tickets.pop_front();
  lock.unlock();
  state.room.notify_one();
  state.waited += watch.wall_seconds();
  return state.hand_over(std::move(ticket));
}

SamplerState Loader::state() const {
  return state_->position;
}

double Loader::waited_seconds() const {
  return state_->waited;
}

}  // namespace tenfold::data
