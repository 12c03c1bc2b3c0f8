// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/router.h"

#include <gtest/gtest.h>

#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

Router sample() {
  Router router;
  for (const auto& [method, pattern, body] : {std::tuple{"GET", "/", BodyKind::kNone},
                                              {"GET", "/runs/{name}", BodyKind::kNone},
                                              {"GET", "/runs/all", BodyKind::kNone},
                                              {"POST", "/models/{model}/infer", BodyKind::kJson},
                                              {"POST", "/tables", BodyKind::kCsv},
                                              {"POST", "/verbs", BodyKind::kJsonOrCsv}}) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.body = body;
    router.add(std::move(route));
  }
  return router;
}

int status_of(const std::function<void()>& call) {
  try {
    call();
    return 200;
  } catch (const HttpError& error) {
    return error.status();
  }
}

TEST(Router, FillsValuesFromThePath) {
  const Router router = sample();
  const Router::Match match = router.match("POST", "/models/a b/infer");
  EXPECT_EQ(match.route->pattern, "/models/{model}/infer");
  EXPECT_EQ(match.values.at("model"), "a b");
  EXPECT_EQ(router.match("GET", "/").route->pattern, "/");
}

TEST(Router, PrefersFixedParts) {
  const Router router = sample();
  EXPECT_EQ(router.match("GET", "/runs/all").route->pattern, "/runs/all");
  EXPECT_EQ(router.match("GET", "/runs/alle").route->pattern, "/runs/{name}");
}

TEST(Router, TellsUnknownPathsFromUnknownMethods) {
  const Router router = sample();
  EXPECT_EQ(status_of([&] { router.match("GET", "/nothing"); }), 404);
  EXPECT_EQ(status_of([&] { router.match("GET", "/runs/a/b"); }), 404);
  EXPECT_EQ(status_of([&] { router.match("DELETE", "/runs/a"); }), 405);
  EXPECT_EQ(status_of([&] { router.match("OPTIONS", "/runs/a"); }), 405);
  EXPECT_EQ(status_of([&] { router.match("\xff", "/"); }), 405);
}

TEST(Router, RefusesARouteTwice) {
  Router router = sample();
  Route again;
  again.pattern = "/";
  EXPECT_THROW(router.add(std::move(again)), Error);
}

TEST(Router, LimitsTheBodyByItsType) {
  const Router router = sample();
  const Limits limits;
  const auto limit = [&](const char* path, const char* type) {
    Request request;
    request.headers = {{"content-type", type}};
    return body_limit(*router.match("POST", path).route, request, limits);
  };
  EXPECT_EQ(limit("/models/m/infer", "application/json; charset=utf-8"), std::size_t{1} << 20);
  EXPECT_EQ(limit("/verbs", "Text/CSV"), std::size_t{16} << 20);
  EXPECT_EQ(limit("/tables", "text/csv"), std::size_t{16} << 20);
  EXPECT_EQ(status_of([&] { limit("/tables", "application/json"); }), 415);
  EXPECT_EQ(status_of([&] { limit("/models/m/infer", "text/plain"); }), 415)
      << "what a form of another page can send";
  EXPECT_EQ(status_of([&] { limit("/models/m/infer", ""); }), 415);
}

}  // namespace
}  // namespace tenfold::serve
