// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/guard.h"

#include <gmock/gmock.h>

#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

using testing::ElementsAre;

constexpr char kToken[] = "0123456789abcdef";

Request with(std::vector<TextPair> headers, std::string path = "/api/runs") {
  Request request;
  request.method = "GET";
  request.path = std::move(path);
  request.headers = std::move(headers);
  return request;
}

std::string origin_code(const Guard& guard, const Request& request) {
  try {
    guard.check_origin(request);
    return "accepted";
  } catch (const HttpError& error) {
    return error.code();
  }
}

bool has_token(const Guard& guard, const Request& request) {
  try {
    guard.check_token(request);
    return true;
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), 401);
    return false;
  }
}

Guard local() {
  return Guard({allowed_hosts("127.0.0.1", {}), ""});
}

TEST(Guard, KnowsLoopback) {
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.8.9.1"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("192.168.0.1"));
  EXPECT_FALSE(is_loopback("::"));
}

TEST(Guard, NamesTheHostsOfAnAddress) {
  EXPECT_THAT(allowed_hosts("10.0.0.5", {"Studio.Example"}), ElementsAre("10.0.0.5", "studio.example"));
  EXPECT_THAT(allowed_hosts("0.0.0.0", {"a"}), ElementsAre("a"));
  EXPECT_THAT(allowed_hosts("2001:db8::1", {}), ElementsAre("[2001:db8::1]"));
}

TEST(Guard, AcceptsOwnHostsOnly) {
  for (const char* host :
       {"localhost", "localhost:8010", "127.0.0.1:8010", "[::1]:8010", "LOCALHOST", "[::1]"}) {
    EXPECT_EQ(origin_code(local(), with({{"host", host}})), "accepted") << host;
  }
  for (const char* host : {"evil.example",
                           "127.0.0.1.evil.example",
                           "localhost:8010:1",
                           "localhost:",
                           "localhost:x",
                           "[::1",
                           "localhost@evil.example",
                           "10.0.0.1"}) {
    EXPECT_EQ(origin_code(local(), with({{"host", host}})), "http.wrong_host") << host;
  }
  EXPECT_EQ(origin_code(local(), with({})), "http.bad_host");
}

TEST(Guard, AcceptsItsOwnPageAndNoOther) {
  const auto code = [](const char* origin) {
    return origin_code(local(), with({{"host", "localhost:8010"}, {"origin", origin}}));
  };
  EXPECT_EQ(code("http://localhost:8010"), "accepted");
  for (const char* origin : {"http://evil.example",
                             "http://localhost:9999",
                             "https://localhost",
                             "null",
                             "http://127.0.0.1:8010",
                             "file://",
                             "http://localhost:8010.evil.example"}) {
    EXPECT_EQ(code(origin), "http.cross_origin") << origin;
  }
}

TEST(Guard, RefusesWhatOtherSitesMakeABrowserLoad) {
  const auto code = [](const char* site, const char* mode, const char* path) {
    return origin_code(
        local(), with({{"host", "localhost"}, {"sec-fetch-site", site}, {"sec-fetch-mode", mode}}, path));
  };
  EXPECT_EQ(code("cross-site", "no-cors", "/api/trends/fit"), "http.cross_origin");
  EXPECT_EQ(code("same-site", "cors", "/api/trends/fit"), "http.cross_origin");
  EXPECT_EQ(code("cross-site", "navigate", "/api/trends/fit"), "http.cross_origin");
  EXPECT_EQ(code("cross-site", "navigate", "/"), "accepted") << "a link to the page";
  EXPECT_EQ(code("same-origin", "cors", "/api/trends/fit"), "accepted");
  EXPECT_EQ(code("none", "navigate", "/metrics"), "accepted") << "typed into the address bar";
}

TEST(Guard, ServesNoRanges) {
  const auto code = [](const char* range) {
    return origin_code(local(), with({{"host", "localhost"}, {"range", range}}));
  };
  EXPECT_EQ(code("bytes=0-"), "accepted") << "the whole";
  for (const char* range : {"bytes=0-99", "bytes=0-0,0-0,0-0", "bytes=-1", "lines=1-2"}) {
    EXPECT_EQ(code(range), "http.range") << range;
  }
}

TEST(Guard, AsksForTheToken) {
  const Guard guard({{"localhost"}, kToken});
  EXPECT_TRUE(has_token(guard, with({{"authorization", std::string("Bearer ") + kToken}})));
  EXPECT_TRUE(has_token(guard, with({{"authorization", std::string("bearer ") + kToken}})));
  EXPECT_TRUE(has_token(guard, with({{"cookie", std::string("a=b; tenfold_token=") + kToken + "; c=d"}})));
  EXPECT_FALSE(has_token(guard, with({})));
  EXPECT_FALSE(has_token(guard, with({{"authorization", "Bearer 0123456789abcdeX"}})));
  EXPECT_FALSE(has_token(guard, with({{"authorization", std::string("Basic ") + kToken}})));
  EXPECT_FALSE(has_token(guard, with({{"cookie", std::string("x_tenfold_token=") + kToken}})));
  EXPECT_FALSE(has_token(guard, with({{"cookie", "tenfold_token="}})));
  EXPECT_TRUE(has_token(local(), with({}))) << "none is set";
}

TEST(Guard, LogsABrowserInOnce) {
  const Guard guard({{"localhost"}, kToken});
  Request request = with({}, "/");
  EXPECT_FALSE(guard.is_login(request));
  request.query = {{"token", "wrong"}};
  EXPECT_FALSE(guard.is_login(request));
  request.query = {{"token", kToken}};
  EXPECT_TRUE(guard.is_login(request));
  request.path = "/api/runs";
  EXPECT_FALSE(guard.is_login(request));
  EXPECT_EQ(guard.login_cookie(),
            std::string("tenfold_token=") + kToken + "; HttpOnly; SameSite=Strict; Path=/");
  request.path = "/";
  EXPECT_FALSE(local().is_login(request));
}

TEST(Guard, RefusesTokensThatProtectNothing) {
  EXPECT_THROW(Guard({{}, "short"}), Error);
  EXPECT_THROW(Guard({{}, "0123456789abcdef\r\nX: 1"}), Error);
}

TEST(Guard, PolicyAllowsNoInlineScriptAndNoOtherHost) {
  std::string policy;
  for (const auto& [name, value] : security_headers()) {
    if (name == "Content-Security-Policy") policy = value;
    EXPECT_NE(name, "Access-Control-Allow-Origin");
  }
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  for (const char* loose : {"unsafe-inline", "unsafe-eval", "*", "http:", "https:"}) {
    EXPECT_EQ(policy.find(loose), std::string::npos) << loose;
  }
}

}  // namespace
}  // namespace tenfold::serve
