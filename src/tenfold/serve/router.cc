// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/router.h"

#include <algorithm>

#include "tenfold/base/strings.h"
#include "tenfold/serve/errors.h"
#include "tenfold/serve/target.h"

namespace tenfold::serve {
namespace {

bool is_value(std::string_view part) {
  return part.starts_with("{");
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (!is_value(pattern[i]) && pattern[i] != path[i]) return false;
  }
  return true;
}

// Fixed parts win over values: "/api/runs/compare" over "/api/runs/{name}".
std::size_t fixed_parts(const std::vector<std::string>& pattern) {
  return static_cast<std::size_t>(
      std::count_if(pattern.begin(), pattern.end(), [](const std::string& part) { return !is_value(part); }));
}

std::string media_type(const Request& request) {
  const std::string_view value = request.header("content-type");
  return to_lower(trim(value.substr(0, value.find(';'))));
}

}  // namespace

bool is_json(const Request& request) {
  return media_type(request) == "application/json";
}

bool is_csv(const Request& request) {
  return media_type(request) == "text/csv";
}

void Router::add(Route route) {
  for (const Route& other : routes_) {
    check_internal(other.method != route.method || other.pattern != route.pattern,
                   "two routes for " + route.method + " " + route.pattern);
  }
  std::vector<std::string> parts;
  for (std::string_view part : segments(route.pattern)) parts.emplace_back(part);
  parts_.push_back(std::move(parts));
  routes_.push_back(std::move(route));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  const std::vector<std::string_view> wanted = segments(path);
  const std::size_t none = routes_.size();
  std::size_t best = none;
  std::vector<std::string> methods;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!fits(parts_[i], wanted)) continue;
    if (routes_[i].method != method) {
      methods.push_back(routes_[i].method);
    } else if (best == none || fixed_parts(parts_[i]) > fixed_parts(parts_[best])) {
      best = i;
    }
  }
  if (best == none) {
    if (methods.empty()) {
      throw HttpError(404,
                      "http.unknown_path",
                      {.what = "there is nothing at this path",
                       .seen = printable(path),
                       .remedy = "see /api/openapi.json for all paths"});
    }
    throw HttpError(405,
                    "http.unknown_method",
                    {.what = "this path does not know the method",
                     .seen = printable(method),
                     .wanted = join(methods, ", "),
                     .remedy = "see /api/openapi.json"});
  }
  Match found{&routes_[best], {}};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string& part = parts_[best][i];
    if (is_value(part)) found.values.emplace(part.substr(1, part.size() - 2), wanted[i]);
  }
  return found;
}

std::size_t body_limit(const Route& route, const Request& request, const Limits& limits) {
  const bool json = route.body == BodyKind::kJson || route.body == BodyKind::kJsonOrCsv;
  const bool csv = route.body == BodyKind::kCsv || route.body == BodyKind::kJsonOrCsv;
  if (json && is_json(request)) return static_cast<std::size_t>(limits.json_bytes);
  if (csv && is_csv(request)) return static_cast<std::size_t>(limits.media_bytes);
  throw HttpError(415,
                  "http.content_type",
                  {.what = "the body has a type that this path does not take",
                   .seen = request.header("content-type").empty() ? "no Content-Type"
                                                                  : printable(request.header("content-type")),
                   .wanted = route.body == BodyKind::kNone ? "no body"
                             : json && csv                 ? "application/json or text/csv"
                             : json                        ? "application/json"
                                                           : "text/csv",
                   .remedy = "set the header Content-Type"});
}

}  // namespace tenfold::serve
