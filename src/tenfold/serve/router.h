// SPDX-License-Identifier: Apache-2.0
// The list of what the server answers: method, path, limits, handler and description of each route. The OpenAPI document
// (openapi.h) is made from the same list.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/serve/http.h"

namespace tenfold::serve {

using PathValues = std::map<std::string, std::string, std::less<>>;  // "{name}" of the pattern -> segment

struct RouteParameter {
  std::string name;
  std::string help;
  std::string schema;  // JSON; empty: a text
};

// How a route is described; texts are plain, schemas JSON (draft 2020-12).
struct RouteDoc {
  std::string tag;      // "inference", "trends", "jobs"
  std::string summary;  // one line
  std::vector<RouteParameter> query;
  std::string body_schema;                             // of a JSON body; empty: none or not JSON
  std::string answer = "application/json";             // content type of the 200 response
  std::string answer_schema = R"({"type":"object"})";  // for JSON answers
  std::vector<int> failures;                           // beside 400 and 503
};

// Bodies a route takes. Anything else is refused with 415 before it is read.
enum class BodyKind { kNone, kJson, kCsv, kJsonOrCsv };

struct Route {
  std::string method = "GET";
  std::string pattern;  // "/v2/models/{model}/infer"
  BodyKind body = BodyKind::kNone;
  bool open = false;  // answered without the token: health only
  std::optional<double> deadline;
  RouteDoc doc;
  std::function<void(const ExchangePtr&, const PathValues&)> handle;
};

class Router {
 public:
  void add(Route route);  // throws Error(kInternal) when method and pattern are taken
  const std::vector<Route>& routes() const { return routes_; }

  struct Match {
    const Route* route = nullptr;
    PathValues values;
  };
  // Throws HttpError: 404 "http.unknown_path", 405 "http.unknown_method" (with the methods of the path as `wanted`).
  Match match(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> parts_;  // of each pattern
};

// Limits of the route's body and its content type. Throws HttpError(415, "http.content_type").
std::size_t body_limit(const Route& route, const Request& request, const Limits& limits);

bool is_json(const Request& request);
bool is_csv(const Request& request);

}  // namespace tenfold::serve
