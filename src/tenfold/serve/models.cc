// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/models.h"

#include <algorithm>

#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"

namespace tenfold::serve {
namespace {

using systems::PredictAnswer;
using systems::PredictItem;

// One request to a model.
class InferJob final : public Job {
 public:
  InferJob(ExchangePtr exchange, InferRequest request)
      : exchange_(std::move(exchange)), request_(std::move(request)) {}

  void refuse(const HttpError& error) override {
    exchange_->respond(error_response(error, exchange_->request().path));
  }
  void fail(std::exception_ptr failure) {
    exchange_->respond(error_response(std::move(failure), exchange_->request().path, Scrubber()));
  }
  void answer(const systems::PredictorInfo& info, std::span<const PredictAnswer> answers) {
    const auto bad = std::find_if(
        answers.begin(), answers.end(), [](const PredictAnswer& answer) { return answer.error.has_value(); });
    try {
      if (bad != answers.end()) throw with_place(*bad->error, "row " + std::to_string(bad - answers.begin()));
      Response response;
      response.body = format_infer_response(request_, info, answers);
      exchange_->respond(std::move(response));
    } catch (...) {
      fail(std::current_exception());
    }
  }

  Clock::time_point deadline() const { return exchange_->deadline(); }
  std::vector<PredictItem>& items() { return request_.items; }

 private:
  ExchangePtr exchange_;
  InferRequest request_;
};

QueueOptions queue_options(const systems::PredictorInfo& info, const ModelOptions& options) {
  QueueOptions queue;
  queue.capacity = static_cast<std::size_t>(options.limits.queue);
  queue.batch_rows =
      std::max<std::size_t>(1, std::min(info.max_batch, static_cast<std::size_t>(options.limits.batch)));
  queue.delay = info.max_batch <= 1 ? Clock::duration::zero()
                                    : to_duration(options.batch_delay.value_or(info.max_delay));
  return queue;
}

// Lends the items of several jobs to one call, side by side.
class Lent {
 public:
  explicit Lent(std::span<InferJob* const> jobs) : jobs_(jobs) {
    for (InferJob* job : jobs_) {
      std::move(job->items().begin(), job->items().end(), std::back_inserter(items_));
    }
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  ~Lent() {
    auto next = items_.begin();
    for (InferJob* job : jobs_) {
      for (PredictItem& item : job->items()) item = std::move(*next++);
    }
  }
  std::span<const PredictItem> items() const { return items_; }

 private:
  std::span<InferJob* const> jobs_;
  std::vector<PredictItem> items_;
};

// Answers of the items of all jobs together.
std::vector<PredictAnswer> predict(systems::Predictor& predictor, std::span<InferJob* const> jobs) {
  Clock::time_point deadline = Clock::time_point::min();
  for (const InferJob* job : jobs) deadline = std::max(deadline, job->deadline());
  const Lent lent(jobs);
  std::vector<PredictAnswer> answers = predictor.predict(lent.items(), deadline);
  check_internal(answers.size() == lent.items().size(),
                 "a model gave another number of answers than it got items");
  return answers;
}

}  // namespace

Model::Model(systems::Service service, const ModelOptions& options, ServerMetrics& metrics)
    : predictor_(std::move(service.predictor)),
      routes_(std::move(service.routes)),
      limits_(options.limits),
      metrics_(metrics),
      dispatcher_({queue_options(predictor_->info(), options),
                   std::max(1, options.workers),
                   &metrics.queue(predictor_->info().name)},
                  [this](std::vector<std::unique_ptr<Job>> jobs) { run(std::move(jobs)); }) {
  metrics_.model_loaded(info().name, false);
}

void Model::warm_up() {
  predictor_->warm_up();
  ready_ = true;
  metrics_.model_loaded(info().name, true);
}

void Model::infer(const ExchangePtr& exchange, std::string_view body) {
  InferRequest request = parse_infer_request(body, info(), limits_);
  if (request.timeout) exchange->limit_deadline(exchange->request().begun + to_duration(*request.timeout));
  const std::size_t rows = request.items.size();
  std::string group = request.group;
  dispatcher_.submit(
      exchange, std::move(group), rows, std::make_unique<InferJob>(exchange, std::move(request)));
}

void Model::run(std::vector<std::unique_ptr<Job>> jobs) {
  std::vector<InferJob*> batch;
  for (const auto& job : jobs) batch.push_back(static_cast<InferJob*>(job.get()));
  try {
    const std::vector<PredictAnswer> answers = predict(*predictor_, batch);
    std::size_t begin = 0;
    for (InferJob* job : batch) {
      job->answer(info(), std::span(answers).subspan(begin, job->items().size()));
      begin += job->items().size();
    }
  } catch (...) {
    if (batch.size() == 1) return batch[0]->fail(std::current_exception());
    // One of them made the model give up on all: each gets a call of its own, so that only that one fails.
    for (auto& job : jobs) {
      std::vector<std::unique_ptr<Job>> alone;
      alone.push_back(std::move(job));
      run(std::move(alone));
    }
  }
}

Model& ModelStore::add(systems::Service service) {
  const std::string name = service.predictor->info().name;
  const bool good =
      !name.empty() && name.size() <= 64 && name != "." && name != ".." &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
      });
  const std::lock_guard lock(mutex_);
  if (!good || models_.contains(name)) {
    throw Error(ErrorClass::kUsage,
                "serve.model_name",
                {.what = good ? "two models have the same name" : "the name of a model cannot stand in a URL",
                 .seen = printable(name),
                 .wanted = "different names of lower-case letters, digits, '-', '_' and '.'",
                 .remedy = "rename the folder of the bundle"});
  }
  return *models_.emplace(name, std::make_unique<Model>(std::move(service), options_, metrics_))
              .first->second;
}

Model* ModelStore::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : found->second.get();
}

Model& ModelStore::get(std::string_view name) const {
  Model* model = find(name);
  if (model == nullptr) {
    throw HttpError(404,
                    "serve.unknown_model",
                    {.what = "there is no model of this name",
                     .seen = printable(name, 64),
                     .remedy = "see /api/models for the models of this server"});
  }
  if (!model->ready()) {
    throw HttpError(
        503, "serve.not_ready", {.what = "the model is not ready yet", .remedy = "try again in a moment"});
  }
  return *model;
}

std::vector<Model*> ModelStore::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Model*> models;
  for (const auto& [name, model] : models_) models.push_back(model.get());
  return models;
}

void ModelStore::drain() {
  for (Model* model : all()) model->dispatcher().drain();
}

bool ModelStore::stop(Clock::time_point until) {
  bool ended = true;
  for (Model* model : all()) ended = model->dispatcher().stop(until) && ended;
  return ended;
}

}  // namespace tenfold::serve
