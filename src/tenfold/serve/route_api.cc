// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/route_api.h"

#include <nlohmann/json.hpp>

#include "tenfold/serve/json_fields.h"
#include "tenfold/serve/verb_api.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

class StreamSink final : public systems::EventSink {
 public:
  explicit StreamSink(std::shared_ptr<EventStream> stream) : stream_(std::move(stream)) {}
  bool send(std::string_view event, const json& data) override { return stream_->send(event, dump(data)); }

 private:
  std::shared_ptr<EventStream> stream_;
};

bool wants_events(const Request& request) {
  return request.header("accept").find("text/event-stream") != std::string_view::npos;
}

systems::RouteCall prepare(const ExchangePtr& exchange,
                           const systems::ApiRoute& route,
                           const Limits& limits) {
  systems::RouteCall call = route.prepare();
  const std::string body = exchange->take_body();
  apply_json(call.fields, body.empty() ? json::object() : parse_request_json(body, limits), {});
  check_served(call.fields);
  return call;
}

void run_events(const ExchangePtr& exchange,
                const systems::RouteCall& call,
                systems::RouteContext& context,
                const Scrubber& scrubber) {
  const std::shared_ptr<EventStream> stream = exchange->stream();
  if (!stream) return;
  StreamSink sink(stream);
  context.events = &sink;
  try {
    stream->send("result", dump(call.run(context)));
  } catch (const Error& error) {
    stream->send("error", error_json(public_error(error, scrubber)));
  }
}

void run(const ExchangePtr& exchange, const systems::ApiRoute& route, const RouteServices& services) {
  const CallWords words = split_query(exchange->request().query);
  const systems::RouteCall call = prepare(exchange, route, services.limits);
  systems::RouteContext context;
  context.stop = &exchange->stop();
  context.deadline = exchange->deadline();
  context.seed = words.seed;
  if (route.streams && wants_events(exchange->request())) {
    return run_events(exchange, call, context, services.scrubber);
  }
  respond_json(exchange, call.run(context));
}

}  // namespace

void add_api_route(Router& router,
                   const std::string& pattern,
                   const std::string& tag,
                   const systems::ApiRoute& route,
                   const RouteServices& services) {
  Route added;
  added.method = "POST";
  added.pattern = pattern;
  added.body = BodyKind::kJson;
  added.doc = {tag, route.summary};
  added.doc.query = {{"seed", "of all random numbers", R"({"type":"integer","minimum":0,"default":1})"}};
  added.doc.body_schema = served_schema(route.prepare().fields, route.path);
  added.doc.failures = {404, 413, 415, 429};
  added.handle = [&route, &services](const ExchangePtr& exchange, const PathValues&) {
    submit_route(exchange, route, services);
  };
  router.add(std::move(added));
}

void submit_route(const ExchangePtr& exchange,
                  const systems::ApiRoute& route,
                  const RouteServices& services) {
  const bool streams = route.streams && wants_events(exchange->request());
  submit_call(streams ? services.streams : services.calls,
              services.scrubber,
              exchange,
              [&route, &services](const ExchangePtr& waiting) { run(waiting, route, services); });
}

}  // namespace tenfold::serve
