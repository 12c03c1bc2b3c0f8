// SPDX-License-Identifier: Apache-2.0
// What /metrics shows (Prometheus text format 0.0.4), counted with prometheus-cpp behind this header.
#pragma once

#include <memory>
#include <string>

#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/http.h"

namespace tenfold::serve {

// tenfold_requests_total{code}, tenfold_request_seconds, tenfold_connections, tenfold_rejected_total{reason}, and for each
// dispatcher tenfold_queue_length{queue}, tenfold_queue_seconds{queue}, tenfold_batch_size{queue},
// tenfold_predict_seconds{queue}; tenfold_model_loaded{model}. Thread-safe.
class ServerMetrics final : public HttpObserver {
 public:
  ServerMetrics();
  ~ServerMetrics() override;

  void connections_changed(int by) override;
  void rejected(RejectReason reason) override;
  void responded(int status, double seconds) override;

  // For the queue of a model ("echo") or service ("calls"); lives as long as this object.
  DispatchObserver& queue(const std::string& name);
  void model_loaded(const std::string& model, bool loaded);

  std::uint64_t answered() const;  // responses so far
  std::string text() const;        // with the process's memory and processor time, as Prometheus names them

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::serve
