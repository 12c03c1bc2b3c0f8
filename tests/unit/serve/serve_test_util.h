// SPDX-License-Identifier: Apache-2.0
// Small servers and models for the tests of serve/.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tenfold/serve/errors.h"
#include "tenfold/serve/http.h"
#include "tenfold/systems/predictor.h"

namespace tenfold::serve {

// Waits until `done` holds; false after a time that no machine needs.
inline bool eventually(const std::function<bool()>& done,
                       std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// A bare HTTP server: takes every path and any body within `limits`; answers by `handler`.
class BareServer {
 public:
  explicit BareServer(Handler handler, Limits limits = {}, HttpObserver* observer = nullptr)
      : server_(
            options(limits),
            [limits](const Request& request) {
              HeadVerdict verdict;
              verdict.body_limit = static_cast<std::size_t>(
                  request.header("content-type") == "application/json" ? limits.json_bytes
                                                                       : limits.media_bytes);
              return verdict;
            },
            std::move(handler),
            observer) {
    server_.start();
  }
  std::uint16_t port() const { return server_.port(); }
  HttpServer& http() { return server_; }

 private:
  static HttpOptions options(const Limits& limits) {
    HttpOptions options;
    options.limits = limits;
    return options;
  }
  HttpServer server_;
};

// "METHOD path body-length", and the query as "key=value".
inline void describe_request(const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  Response response;
  response.content_type = "text/plain";
  response.body = fmt::format("{} {} {}", request.method, request.path, request.body.size());
  for (const auto& [key, value] : request.query) response.body += " " + key + "=" + value;
  exchange->respond(std::move(response));
}

class CountingObserver final : public HttpObserver {
 public:
  void connections_changed(int by) override { connections += by; }
  void rejected(RejectReason reason) override { ++by_reason[static_cast<std::size_t>(reason)]; }
  void responded(int, double) override { ++responses; }
  std::atomic<int> connections{0}, responses{0};
  std::array<std::atomic<int>, 7> by_reason{};
  int count(RejectReason reason) const { return by_reason[static_cast<std::size_t>(reason)]; }
};

// A request without a connection.
class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(std::string path, std::string body = {}, std::string client = "test") {
    request_.method = "POST";
    request_.path = std::move(path);
    request_.body = std::move(body);
    request_.client = std::move(client);
    request_.begun = Clock::now();
    request_.deadline = deadline_ = request_.begun + std::chrono::hours(1);
  }
  const Request& request() const override { return request_; }
  Request& change() { return request_; }
  std::string take_body() override { return std::move(request_.body); }
  void respond(Response response) override {
    {
      const std::lock_guard lock(mutex_);
      if (!response_) response_ = std::move(response);
    }
    wake_.notify_all();
  }
  std::shared_ptr<EventStream> stream() override { return nullptr; }
  Clock::time_point deadline() const override { return deadline_; }
  void limit_deadline(Clock::time_point when) override { deadline_ = std::min(deadline_, when); }
  const StopToken& stop() const override { return stop_; }
  void on_stop(std::function<void()> callback) override { callbacks_.push_back(std::move(callback)); }

  void go() {  // as when the client closes its connection
    stop_.request();
    for (const auto& callback : callbacks_) callback();
  }
  bool answered() {
    const std::lock_guard lock(mutex_);
    return response_.has_value();
  }
  const Response& wait() {  // status 0: none came
    static const Response kNone{0, "", "", {}};
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, std::chrono::seconds(20), [&] { return response_.has_value(); }) ? *response_
                                                                                                 : kNone;
  }

 private:
  Request request_;
  Clock::time_point deadline_;
  StopToken stop_;
  std::vector<std::function<void()>> callbacks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Response> response_;
};

// A gate that tests close to keep a model busy.
class Gate {
 public:
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    wake_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    wake_.wait(lock, [&] { return open_; });
    --waiting_;
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = true;
  int waiting_ = 0;
};

struct EchoParameters {
  std::int64_t times = 1;
  void visit_fields(auto&& field) { field("times", times, {.help = "factor", .min = 1, .max = 10}); }
};

// Gives its input back, times a parameter. The value 13 is an error of that row; 666 makes the whole call fail.
class EchoPredictor final : public systems::Predictor {
 public:
  explicit EchoPredictor(std::string name = "echo", std::size_t max_batch = 16, double max_delay = 0.0) {
    info_.name = std::move(name);
    info_.system = "test";
    info_.platform = "test_echo";
    info_.summary = "gives its input back";
    info_.inputs = {{"x", systems::TensorType::kFp32, {-1}, "values"}};
    info_.outputs = {{"y", systems::TensorType::kFp32, {-1}, "the values"},
                     {"rows", systems::TensorType::kInt64, {}, "rows of the call"}};
    info_.parameters = systems::parameters_of<EchoParameters>();
    info_.max_batch = max_batch;
    info_.max_delay = max_delay;
  }
  const systems::PredictorInfo& info() const override { return info_; }
  void warm_up() override {
    warm_gate.pass();
    ++warm_ups;
  }
  std::vector<systems::PredictAnswer> predict(std::span<const systems::PredictItem> items,
                                              Deadline) override {
    ++calls;
    rows += static_cast<int>(items.size());
    gate.pass();
    std::vector<systems::PredictAnswer> answers;
    for (const systems::PredictItem& item : items) {
      systems::check_item(info_, item);
      const auto& parameters = *static_cast<const EchoParameters*>(item.parameters.get());
      systems::Tensor y = item.inputs[0];
      y.name = "y";
      systems::PredictAnswer answer;
      for (float& value : y.values<float>()) {
        if (value == 666.0F) throw Error(ErrorClass::kData, "echo.all", {.what = "the call fails"});
        if (value == 13.0F) answer.error = Error(ErrorClass::kData, "echo.row", {.what = "13 is not liked"});
        value *= static_cast<float>(parameters.times);
      }
      const std::int64_t count = static_cast<std::int64_t>(items.size());
      answer.outputs = {y, systems::Tensor::of<std::int64_t>("rows", {}, std::span(&count, 1))};
      answers.push_back(std::move(answer));
    }
    return answers;
  }
  Gate gate;       // passed by every call
  Gate warm_gate;  // passed by warm_up
  std::atomic<int> calls{0}, rows{0}, warm_ups{0};

 private:
  systems::PredictorInfo info_;
};

// {"inputs": [...]} for EchoPredictor: `rows` of equal lengths.
inline std::string echo_body(const std::vector<std::vector<double>>& rows, const std::string& more = "") {
  std::string data;
  for (const auto& row : rows) data += fmt::format("{}[{}]", data.empty() ? "" : ",", fmt::join(row, ","));
  return fmt::format(R"({{"inputs":[{{"name":"x","shape":[{},{}],"datatype":"FP32","data":[{}]}}]{}}})",
                     rows.size(),
                     rows.at(0).size(),
                     data,
                     more);
}

}  // namespace tenfold::serve
