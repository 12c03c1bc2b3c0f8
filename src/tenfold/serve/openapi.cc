// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/openapi.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/serve/target.h"

namespace tenfold::serve {
namespace {

using Json = nlohmann::ordered_json;

// "get_v2_models_model_infer"
std::string operation_id(const Route& route) {
  std::string id = to_lower(route.method);
  for (char c : route.pattern) {
    if (c == '/' || c == '-' || c == '.') {
      id += '_';
    } else if (c != '{' && c != '}') {
      id += c;
    }
  }
  return id;
}

Json parameters(const Route& route) {
  Json list = Json::array();
  for (std::string_view part : segments(route.pattern)) {
    if (!part.starts_with("{")) continue;
    list.push_back({{"name", part.substr(1, part.size() - 2)},
                    {"in", "path"},
                    {"required", true},
                    {"schema", {{"type", "string"}}}});
  }
  for (const RouteParameter& parameter : route.doc.query) {
    list.push_back(
        {{"name", parameter.name},
         {"in", "query"},
         {"description", parameter.help},
         {"schema", parameter.schema.empty() ? Json{{"type", "string"}} : Json::parse(parameter.schema)}});
  }
  return list;
}

Json request_body(const Route& route) {
  Json content = Json::object();
  if (!route.doc.body_schema.empty()) {
    content["application/json"]["schema"] = Json::parse(route.doc.body_schema);
  }
  if (route.body == BodyKind::kCsv || route.body == BodyKind::kJsonOrCsv) {
    content["text/csv"]["schema"] = {{"type", "string"}};
  }
  return {{"content", content}};
}

Json responses(const Route& route) {
  Json good = {{"description", "done"}};
  Json& content = good["content"][route.doc.answer];
  content["schema"] = route.doc.answer == "application/json" && !route.doc.answer_schema.empty()
                          ? Json::parse(route.doc.answer_schema)
                          : Json{{"type", "string"}};
  Json list = {{route.method == "POST" && route.pattern == "/api/jobs" ? "202" : "200", good}};
  std::set<int> failures(route.doc.failures.begin(), route.doc.failures.end());
  failures.insert({400, 503});
  if (!route.open) failures.insert({401, 403});
  const char* schema = route.pattern.starts_with("/v2") ? "#/components/responses/InferenceError"
                                                        : "#/components/responses/Error";
  for (int status : failures) list[std::to_string(status)] = {{"$ref", schema}};
  return list;
}

Json error_fields() {
  const Json text = {{"type", "string"}};
  return {{"code", {{"type", "string"}, {"description", "stable across releases"}}},
          {"class", {{"enum", {"usage", "config", "data", "file", "resource", "internal"}}}},
          {"exit_code", {{"type", "integer"}}},
          {"what", text},
          {"seen", text},
          {"wanted", text},
          {"remedy", text}};
}

Json components() {
  Json flat = error_fields();
  flat["error"] = {{"type", "string"}};
  const auto response = [](const Json& schema) {
    return Json{{"description", "refused or failed"},
                {"content", {{"application/json", {{"schema", schema}}}}}};
  };
  return {{"responses",
           {{"Error",
             response({{"type", "object"},
                       {"required", {"error"}},
                       {"properties", {{"error", {{"type", "object"}, {"properties", error_fields()}}}}}})},
            {"InferenceError",
             response({{"type", "object"}, {"required", {"error", "code"}}, {"properties", flat}})}}},
          {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

}  // namespace

std::string openapi_document(const Router& router) {
  Json document = {{"openapi", "3.1.0"},
                   {"info",
                    {{"title", "Tenfold"},
                     {"version", version()},
                     {"summary", "machine-learning systems that do more with less compute"},
                     {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
                   {"jsonSchemaDialect", "https://json-schema.org/draft/2020-12/schema"},
                   {"servers", {{{"url", "/"}}}}};
  Json paths = Json::object();
  for (const Route& route : router.routes()) {
    Json operation = {{"operationId", operation_id(route)}, {"summary", route.doc.summary}};
    operation["tags"] = {route.doc.tag};
    const Json inputs = parameters(route);
    if (!inputs.empty()) operation["parameters"] = inputs;
    if (route.body != BodyKind::kNone) operation["requestBody"] = request_body(route);
    operation["responses"] = responses(route);
    operation["security"] = route.open ? Json::array() : Json{{{"token", Json::array()}}, Json::object()};
    paths[route.pattern][to_lower(route.method)] = std::move(operation);
  }
  document["paths"] = std::move(paths);
  document["components"] = components();
  return document.dump(2) + "\n";
}

}  // namespace tenfold::serve
