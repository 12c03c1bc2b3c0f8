// SPDX-License-Identifier: Apache-2.0
// The models a server holds: each with its own queue and workers, and no lock that they share.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/metrics.h"
#include "tenfold/serve/tensor_json.h"
#include "tenfold/systems/predictor.h"
#include "tenfold/systems/route.h"

namespace tenfold::serve {

struct ModelOptions {
  Limits limits;
  int workers = 1;                    // calls of one model at the same time
  std::optional<double> batch_delay;  // s, instead of the model's own
};

class Model {
 public:
  Model(systems::Service service, const ModelOptions& options, ServerMetrics& metrics);

  const systems::PredictorInfo& info() const { return predictor_->info(); }
  const std::vector<systems::ApiRoute>& routes() const { return routes_; }
  bool ready() const { return ready_; }
  void warm_up();  // then ready

  // Parses the body and queues it; the answer comes through the exchange. Large bodies should be handed over by a worker
  // thread, for parsing takes time.
  void infer(const ExchangePtr& exchange, std::string_view body);

  Dispatcher& dispatcher() { return dispatcher_; }

 private:
  void run(std::vector<std::unique_ptr<Job>> jobs);

  const std::shared_ptr<systems::Predictor> predictor_;
  const std::vector<systems::ApiRoute> routes_;
  const Limits limits_;
  ServerMetrics& metrics_;
  std::atomic<bool> ready_{false};
  Dispatcher dispatcher_;
};

class ModelStore {
 public:
  ModelStore(ModelOptions options, ServerMetrics& metrics) : options_(options), metrics_(metrics) {}

  // Throws Error(kUsage, "serve.model_name") when the name is taken or is none for a URL.
  Model& add(systems::Service service);
  Model* find(std::string_view name) const;
  // find() or HttpError: 404 "serve.unknown_model", 503 "serve.not_ready".
  Model& get(std::string_view name) const;
  std::vector<Model*> all() const;
  void drain();
  bool stop(Clock::time_point until);  // of every dispatcher

 private:
  ModelOptions options_;
  ServerMetrics& metrics_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Model>, std::less<>> models_;
};

}  // namespace tenfold::serve
