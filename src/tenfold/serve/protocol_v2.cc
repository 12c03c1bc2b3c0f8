// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/protocol_v2.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/version.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

constexpr std::size_t kInlineBytes = std::size_t{16} << 10;  // bodies that an io thread parses itself

constexpr std::string_view kInferSchema = R"({
  "type": "object", "required": ["inputs"], "additionalProperties": false,
  "properties": {
    "id": {"type": "string", "maxLength": 256, "description": "echoed"},
    "inputs": {"type": "array", "items": {
      "type": "object", "required": ["name", "shape", "datatype", "data"], "additionalProperties": false,
      "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "description": "the batch first"},
        "datatype": {"enum": ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
                              "FP32", "FP64", "BYTES"]},
        "data": {"type": "array", "description": "flat in row-major order, or nested as the shape"},
        "parameters": {"type": "object"}}}},
    "outputs": {"type": "array", "items": {"type": "object", "required": ["name"],
      "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}}}},
    "parameters": {"type": "object",
      "properties": {"timeout": {"type": "integer", "minimum": 1, "description": "microseconds"}}}}})";

constexpr std::string_view kInferAnswerSchema = R"({
  "type": "object", "required": ["model_name", "outputs"],
  "properties": {
    "model_name": {"type": "string"}, "model_version": {"type": "string"}, "id": {"type": "string"},
    "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "shape", "datatype", "data"],
      "properties": {"name": {"type": "string"}, "shape": {"type": "array", "items": {"type": "integer"}},
                     "datatype": {"type": "string"}, "data": {"type": "array"}}}}}})";

void respond(const ExchangePtr& exchange, const json& body, int status = 200) {
  Response response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  exchange->respond(std::move(response));
}

void check_version(const Model& model, const PathValues& values) {
  const auto version = values.find("version");
  if (version == values.end() || version->second == model.info().version) return;
  throw HttpError(404,
                  "serve.unknown_version",
                  {.what = "the model has no such version",
                   .seen = version->second.substr(0, 64),
                   .wanted = model.info().version});
}

void infer(ModelStore& models, Dispatcher& calls, const ExchangePtr& exchange, const PathValues& values) {
  Model& model = models.get(values.at("model"));
  check_version(model, values);
  std::string body = exchange->take_body();
  if (body.size() <= kInlineBytes) return model.infer(exchange, body);
  calls.submit(
      exchange,
      fmt::format("parse {}", static_cast<const void*>(exchange.get())),
      1,
      std::make_unique<CallJob>(exchange, [&model, body = std::move(body)](const ExchangePtr& waiting) {
        model.infer(waiting, body);
      }));
}

Route health(std::string path, std::string summary, std::function<void(const ExchangePtr&)> handle) {
  Route route;
  route.pattern = std::move(path);
  route.open = true;
  route.doc = {"inference", std::move(summary)};
  route.handle = [handle = std::move(handle)](const ExchangePtr& exchange, const PathValues&) {
    handle(exchange);
  };
  return route;
}

void add_health(Router& router, const std::function<bool()>& ready) {
  router.add(health("/v2/health/live", "the process runs", [](const ExchangePtr& exchange) {
    respond(exchange, {{"live", true}});
  }));
  router.add(health("/v2/health/ready",
                    "all models answer, and the server is not stopping",
                    [ready](const ExchangePtr& exchange) {
                      const bool now = ready();
                      respond(exchange, {{"ready", now}}, now ? 200 : 503);
                    }));
  Route server;
  server.pattern = "/v2";
  server.doc = {"inference", "name and version of the server"};
  server.handle = [](const ExchangePtr& exchange, const PathValues&) {
    respond(exchange, {{"name", "tenfold"}, {"version", version()}, {"extensions", json::array()}});
  };
  router.add(std::move(server));
}

void add_model_routes(Router& router, ModelStore& models, Dispatcher& calls, const std::string& prefix) {
  Route metadata;
  metadata.pattern = prefix;
  metadata.doc = {"inference", "inputs and outputs of a model"};
  metadata.doc.failures = {404};
  metadata.handle = [&models](const ExchangePtr& exchange, const PathValues& values) {
    const Model& model = models.get(values.at("model"));
    check_version(model, values);
    Response response;
    response.body = format_metadata(model.info());
    exchange->respond(std::move(response));
  };
  router.add(std::move(metadata));

  Route ready;
  ready.pattern = prefix + "/ready";
  ready.doc = {"inference", "whether the model answers"};
  ready.doc.failures = {404};
  ready.handle = [&models](const ExchangePtr& exchange, const PathValues& values) {
    const Model& model = models.get(values.at("model"));
    check_version(model, values);
    respond(exchange, {{"name", model.info().name}, {"ready", true}});
  };
  router.add(std::move(ready));

  Route run;
  run.method = "POST";
  run.pattern = prefix + "/infer";
  run.body = BodyKind::kJson;
  run.doc = {"inference", "run a model on a batch"};
  run.doc.body_schema = kInferSchema;
  run.doc.answer_schema = kInferAnswerSchema;
  run.doc.failures = {404, 413, 429};
  run.handle = [&models, &calls](const ExchangePtr& exchange, const PathValues& values) {
    infer(models, calls, exchange, values);
  };
  router.add(std::move(run));
}

}  // namespace

void add_protocol_v2(Router& router,
                     ModelStore& models,
                     Dispatcher& calls,
                     const std::function<bool()>& ready) {
  add_health(router, ready);
  add_model_routes(router, models, calls, "/v2/models/{model}");
  add_model_routes(router, models, calls, "/v2/models/{model}/versions/{version}");
}

}  // namespace tenfold::serve
