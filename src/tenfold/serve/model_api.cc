// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/model_api.h"

#include <nlohmann/json.hpp>

#include "tenfold/base/strings.h"
#include "tenfold/serve/json_fields.h"
#include "tenfold/serve/verb_api.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

json describe(const Model& model) {
  const systems::PredictorInfo& info = model.info();
  json object = json::parse(format_metadata(info));
  object["system"] = info.system;
  object["summary"] = info.summary;
  object["ready"] = model.ready();
  if (info.parameters) object["parameters"] = json::parse(served_schema(info.parameters().fields, info.name));
  json routes = json::array();
  for (const systems::ApiRoute& route : model.routes()) {
    routes.push_back({{"path", route.path},
                      {"summary", route.summary},
                      {"streams", route.streams},
                      {"schema", json::parse(served_schema(route.prepare().fields, route.path))}});
  }
  object["routes"] = routes;
  return object;
}

const systems::ApiRoute& find_route(const Model& model, const std::string& path) {
  for (const systems::ApiRoute& route : model.routes()) {
    if (route.path == path) return route;
  }
  throw HttpError(
      404,
      "serve.unknown_route",
      {.what = "the model has no such route", .seen = printable(path, 64), .remedy = "see /api/models"});
}

}  // namespace

void add_model_api(Router& router, ModelStore& models, const RouteServices& services) {
  Route list;
  list.pattern = "/api/models";
  list.doc = {"inference", "the models, their inputs, outputs, parameters and routes"};
  list.handle = [&models](const ExchangePtr& exchange, const PathValues&) {
    json all = json::array();
    for (const Model* model : models.all()) all.push_back(describe(*model));
    respond_json(exchange, {{"models", all}});
  };
  router.add(std::move(list));

  Route call;
  call.method = "POST";
  call.pattern = "/api/models/{model}/{route}";
  call.body = BodyKind::kJson;
  call.doc = {"inference", "a route of a model, see /api/models"};
  call.doc.query = {{"seed", "of all random numbers", R"({"type":"integer","minimum":0,"default":1})"}};
  call.doc.body_schema = R"({"type":"object"})";
  call.doc.failures = {404, 413, 415, 429};
  call.handle = [&models, &services](const ExchangePtr& exchange, const PathValues& values) {
    submit_route(exchange, find_route(models.get(values.at("model")), values.at("route")), services);
  };
  router.add(std::move(call));
}

}  // namespace tenfold::serve
