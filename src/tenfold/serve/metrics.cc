// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <map>

namespace tenfold::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kSeconds = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const Histogram::BucketBoundaries kRows = {1, 2, 4, 8, 12, 16, 32, 64};

// Resident bytes of this process; 0 where /proc is missing. (A file of /proc has no size, so base/file_system.h cannot
// read it.)
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0.0;
  double resident = 0.0;
  file >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

struct ServerMetrics::State {
  prometheus::Registry registry;
  Family<Counter>& requests = prometheus::BuildCounter()
                                  .Name("tenfold_requests_total")
                                  .Help("Responses by status code.")
                                  .Register(registry);
  Family<Counter>& rejections = prometheus::BuildCounter()
                                    .Name("tenfold_rejected_total")
                                    .Help("Requests that were refused, by reason.")
                                    .Register(registry);
  Histogram& request_seconds = prometheus::BuildHistogram()
                                   .Name("tenfold_request_seconds")
                                   .Help("From the first byte of a request to its answer.")
                                   .Register(registry)
                                   .Add({}, kSeconds);
  Gauge& connections = prometheus::BuildGauge()
                           .Name("tenfold_connections")
                           .Help("Open connections.")
                           .Register(registry)
                           .Add({});
  Family<Gauge>& queue_length =
      prometheus::BuildGauge().Name("tenfold_queue_length").Help("Waiting requests.").Register(registry);
  Family<Histogram>& queue_seconds = prometheus::BuildHistogram()
                                         .Name("tenfold_queue_seconds")
                                         .Help("Time a request waited.")
                                         .Register(registry);
  Family<Histogram>& batch_size =
      prometheus::BuildHistogram().Name("tenfold_batch_size").Help("Rows of a batch.").Register(registry);
  Family<Histogram>& predict_seconds = prometheus::BuildHistogram()
                                           .Name("tenfold_predict_seconds")
                                           .Help("Time of one batch in the model.")
                                           .Register(registry);
  Family<Gauge>& model_loaded = prometheus::BuildGauge()
                                    .Name("tenfold_model_loaded")
                                    .Help("1 when the model answers, else 0.")
                                    .Register(registry);
  Gauge& memory = prometheus::BuildGauge()
                      .Name("process_resident_memory_bytes")
                      .Help("Resident memory size in bytes.")
                      .Register(registry)
                      .Add({});
  Gauge& processor = prometheus::BuildGauge()
                         .Name("process_cpu_seconds_total")
                         .Help("Total user and system CPU time spent in seconds.")
                         .Register(registry)
                         .Add({});
  std::array<std::atomic<Counter*>, 600> by_status{};  // looked up once a code
  std::atomic<std::uint64_t> answered{0};

  class Queue final : public DispatchObserver {
   public:
    Queue(State& state, const std::string& name)
        : state_(state),
          length_(state.queue_length.Add({{"queue", name}})),
          waited_(state.queue_seconds.Add({{"queue", name}}, kSeconds)),
          rows_(state.batch_size.Add({{"queue", name}}, kRows)),
          predict_(state.predict_seconds.Add({{"queue", name}}, kSeconds)) {}
    void queue_changed(std::size_t length) override { length_.Set(static_cast<double>(length)); }
    void took(std::size_t rows, const std::vector<double>& waited) override {
      rows_.Observe(static_cast<double>(rows));
      for (double seconds : waited) waited_.Observe(seconds);
    }
    void ran(double seconds) override { predict_.Observe(seconds); }
    void refused(std::string_view reason) override {
      state_.rejections.Add({{"reason", std::string(reason)}}).Increment();
    }

   private:
    State& state_;
    Gauge& length_;
    Histogram& waited_;
    Histogram& rows_;
    Histogram& predict_;
  };
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Queue>> queues;
};

ServerMetrics::ServerMetrics() : state_(std::make_unique<State>()) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::connections_changed(int by) {
  state_->connections.Increment(by);
}

void ServerMetrics::rejected(RejectReason reason) {
  state_->rejections.Add({{"reason", std::string(to_string(reason))}}).Increment();
}

void ServerMetrics::responded(int status, double seconds) {
  std::atomic<Counter*>& slot = state_->by_status.at(static_cast<std::size_t>(status));
  Counter* counter = slot;
  if (counter == nullptr) slot = counter = &state_->requests.Add({{"code", std::to_string(status)}});
  counter->Increment();
  ++state_->answered;
  state_->request_seconds.Observe(seconds);
}

DispatchObserver& ServerMetrics::queue(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  auto& queue = state_->queues[name];
  if (!queue) queue = std::make_unique<State::Queue>(*state_, name);
  return *queue;
}

void ServerMetrics::model_loaded(const std::string& model, bool loaded) {
  state_->model_loaded.Add({{"model", model}}).Set(loaded ? 1.0 : 0.0);
}

std::uint64_t ServerMetrics::answered() const {
  return state_->answered;
}

std::string ServerMetrics::text() const {
  state_->memory.Set(resident_bytes());
  state_->processor.Set(cpu_seconds());
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace tenfold::serve
