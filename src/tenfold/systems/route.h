// SPDX-License-Identifier: Apache-2.0
// What a system or a model answers over HTTP beside verbs and infer, from an options struct as a verb has it: streams of
// tokens, sound or frames, sessions, pictures.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/config/field.h"
#include "tenfold/systems/predictor.h"

namespace tenfold::systems {

// Receives the parts of a long answer. Thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // False when nobody listens any more: stop working. `data` is one JSON value.
  virtual bool send(std::string_view event, const nlohmann::json& data) = 0;
};

// What a route may use while it answers.
struct RouteContext {
  const StopToken* stop = nullptr;  // the client has gone, or the deadline has passed
  Predictor::Deadline deadline;
  std::uint64_t seed = 0;
  EventSink* events = nullptr;  // null: the client wants one JSON answer
};

struct RouteCall {
  std::shared_ptr<void> options;
  config::Fields fields;
  std::function<nlohmann::json(RouteContext&)> run;  // the whole answer, also after events
};

struct ApiRoute {
  std::string path;      // "generate": one segment
  std::string summary;   // one line
  bool streams = false;  // may send events when the client accepts text/event-stream; then without a deadline
  std::function<RouteCall()> prepare;
};

// make_route<Options>("generate", "...", true, [model](const Options&, RouteContext&) -> nlohmann::json {...})
template <typename Options, typename Run>
ApiRoute make_route(std::string path, std::string summary, bool streams, Run run) {
  auto prepare = [run]() {
    auto options = std::make_shared<Options>();
    return RouteCall{options, config::Fields(*options), [options, run](RouteContext& context) {
                       return run(static_cast<const Options&>(*options), context);
                     }};
  };
  return {std::move(path), std::move(summary), streams, prepare};
}

// What one model brings to a server.
struct Service {
  std::shared_ptr<Predictor> predictor;  // /v2/models/<name>/...; never null
  std::vector<ApiRoute> routes;          // /api/models/<name>/<path>
};

}  // namespace tenfold::systems
