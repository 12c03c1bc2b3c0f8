// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/errors.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tenfold::serve {
namespace {

using nlohmann::json;

Error some_error(ErrorClass error_class) {
  return Error(
      error_class, "x.code", {.what = "/srv/data/a.csv line 3", .seen = "s", .wanted = "w", .remedy = "r"});
}

Response response_to(const std::exception_ptr& failure, const std::string& path = "/api/x") {
  Scrubber scrubber;
  scrubber.hide("/srv/data");
  return error_response(failure, path, scrubber);
}

TEST(ServeErrors, HaveTheObjectOfTheCommandLine) {
  const json error = json::parse(error_response(some_error(ErrorClass::kData), "/api/x").body)["error"];
  EXPECT_EQ(error["code"], "x.code");
  EXPECT_EQ(error["class"], "data");
  EXPECT_EQ(error["exit_code"], 4);
  EXPECT_EQ(error["what"], "/srv/data/a.csv line 3");
  EXPECT_EQ(error["seen"], "s");
  EXPECT_EQ(error["wanted"], "w");
  EXPECT_EQ(error["remedy"], "r");
}

TEST(ServeErrors, AreATextForTheInferenceProtocol) {
  const json body = json::parse(error_response(some_error(ErrorClass::kData), "/v2/models/m/infer").body);
  EXPECT_EQ(body["error"], "/srv/data/a.csv line 3; seen: s; wanted: w; remedy: r");
  EXPECT_EQ(body["code"], "x.code");
}

TEST(ServeErrors, MapClassesToStatusCodes) {
  EXPECT_EQ(http_status(some_error(ErrorClass::kUsage)), 400);
  EXPECT_EQ(http_status(some_error(ErrorClass::kConfig)), 400);
  EXPECT_EQ(http_status(some_error(ErrorClass::kData)), 400);
  EXPECT_EQ(http_status(some_error(ErrorClass::kFile)), 400);
  EXPECT_EQ(http_status(some_error(ErrorClass::kResource)), 503);
  EXPECT_EQ(http_status(some_error(ErrorClass::kInternal)), 500);
  EXPECT_EQ(http_status(HttpError(431, "http.x", {})), 431);
}

TEST(ServeErrors, TellNoFoldersAndNothingInternal) {
  const Response data = response_to(std::make_exception_ptr(some_error(ErrorClass::kData)));
  EXPECT_EQ(json::parse(data.body)["error"]["what"], "a.csv line 3");
  for (ErrorClass inside : {ErrorClass::kFile, ErrorClass::kInternal}) {
    const Response response = response_to(std::make_exception_ptr(some_error(inside)));
    EXPECT_EQ(response.body.find("a.csv"), std::string::npos);
    EXPECT_NE(response.body.find("x.code"), std::string::npos);
  }
  const Response unknown = response_to(std::make_exception_ptr(std::runtime_error("at 0x7fff")));
  EXPECT_EQ(unknown.status, 500);
  EXPECT_EQ(unknown.body.find("0x7fff"), std::string::npos);
  EXPECT_EQ(response_to(std::make_exception_ptr(std::bad_alloc())).status, 503);
}

TEST(ServeErrors, SayWhenToTryAgain) {
  EXPECT_EQ(error_response(HttpError(503, "a", {}), "/").headers.at(0).first, "Retry-After");
  EXPECT_EQ(error_response(HttpError(429, "a", {}), "/").headers.at(0).first, "Retry-After");
  EXPECT_TRUE(error_response(HttpError(400, "a", {}), "/").headers.empty());
}

TEST(ServeErrors, SurviveTextsThatAreNotUtf8) {
  const Response response = error_response(HttpError(400, "a", {.what = "\xff\xfe"}), "/api");
  EXPECT_TRUE(json::accept(response.body));
}

TEST(Scrubber, TakesTheLongestFolderAndTheIdsOfUploads) {
  Scrubber scrubber;
  scrubber.hide("/tmp");
  scrubber.hide("/tmp/uploads", true);
  scrubber.hide("/");
  scrubber.hide("relative");
  EXPECT_EQ(scrubber.clean("/tmp/uploads/0123abc/t.csv line 1, /tmp/x, relative/y"),
            "t.csv line 1, x, relative/y");
  EXPECT_EQ(scrubber.clean("/tmp/uploads"), "");
}

}  // namespace
}  // namespace tenfold::serve
