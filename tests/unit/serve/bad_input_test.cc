// SPDX-License-Identifier: Apache-2.0
// What strangers send to a whole server: each gets a 4xx with a stable code, nothing of the inside, and the next client
// its answer. Limits on the socket are in limits_test.cc, changed bundles in server_test.cc.
#include <gmock/gmock.h>

#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using test::HttpClient;
using test::HttpResponse;

class BadInput : public testing::Test {
 protected:
  explicit BadInput(double deadline = 30.0)  // [s]
      : server_([deadline](ServeOptions& options) { options.limits.deadline = deadline; }) {}
  // The verdict on a body for the echo model; a good request on another connection is answered before and after.
  std::string infer(const std::string& body, const std::vector<std::string>& headers = {}) {
    const HttpResponse response = server_.post(kInfer, body, headers);
    EXPECT_EQ(response.body.find("/tmp"), std::string::npos) << response.body;
    expect_unharmed();
    return verdict(response);
  }
  std::string raw(const std::string& bytes) {
    HttpClient client(server_.port());
    client.send(bytes);
    const std::string result = verdict(client.read_response());
    expect_unharmed();
    return result;
  }
  void expect_unharmed() {
    EXPECT_EQ(json::parse(good_.post(kInfer, echo_body({{1, 2}})).body)["outputs"][0]["data"],
              json({1.0, 2.0}));
  }
  TestServer server_;
  HttpClient good_{server_.port()};
};

TEST_F(BadInput, DeepJson) {
  EXPECT_EQ(infer(std::string(500'000, '[')), "413 json.too_deep");
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += "{\"a\":";
  EXPECT_EQ(infer(objects), "413 json.too_deep");
}

TEST_F(BadInput, ManyValues) {
  std::string list = "[";
  for (int i = 0; i < 520'000; ++i) list += "1,";
  const std::string code = infer(list + "1]");
  EXPECT_TRUE(code == "413 json.too_many_nodes" || code == "413 http.body_too_large" ||
              code == "400 infer.field")
      << code;
}

TEST_F(BadInput, BrokenJson) {
  for (const char* body :
       {"", "{", "[}", "{\"inputs\":", "nul", "{'a':1}", "{\"a\":1,}", "\x1f\x8b\x08", "{\"a\":1}{\"b\":2}"})
    EXPECT_TRUE(infer(body).starts_with("400 json.")) << body << " " << infer(body);
  EXPECT_TRUE(infer(R"({"inputs":[],"inputs":[]})").starts_with("400 json."));
}

TEST_F(BadInput, InvalidUtf8) {
  for (const char* bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"})
    EXPECT_TRUE(infer(echo_body({{1}}, std::string(",\"id\":\"") + bytes + "\"")).starts_with("400 json."))
        << bytes;
}

TEST_F(BadInput, LoneSurrogates) {
  EXPECT_TRUE(infer(echo_body({{1}}, R"(,"id":"\ud800")")).starts_with("400 json."));
}

TEST_F(BadInput, NotANumber) {
  const auto with = [](const std::string& value) {
    return R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[)" + value + "]}]}";
  };
  for (const char* value : {"NaN", "Infinity", "-Infinity", "1e999"})
    EXPECT_TRUE(infer(with(value)).starts_with("400 json.")) << value;
  for (const char* value : {"1e39", "\"1\"", "null", "true", "{}"})
    EXPECT_EQ(infer(with(value)), "400 infer.data") << value;
}

TEST_F(BadInput, WrongShape) {
  const auto with = [](const std::string& shape) {
    return R"({"inputs":[{"name":"x","shape":)" + shape + R"(,"datatype":"FP32","data":[1]}]})";
  };
  for (const char* shape : {"[1]",
                            "[]",
                            "[1,1,1]",
                            "[0,1]",
                            "[-1,1]",
                            "[1,4611686018427387904]",
                            "[16,2147483647]",
                            "[1.5,1]",
                            "\"1\""})
    EXPECT_EQ(infer(with(shape)), "400 infer.shape") << shape;
  EXPECT_EQ(infer(with("[1,2]")), "400 infer.data");
  EXPECT_EQ(infer(with("[1000000,1]")), "413 serve.batch_too_large");
}

TEST_F(BadInput, UnknownModel) {
  EXPECT_EQ(verdict(server_.post("/v2/models/nosuch/infer", echo_body({{1}}))), "404 serve.unknown_model");
  EXPECT_EQ(verdict(server_.get("/v2/models/nosuch")), "404 serve.unknown_model");
  EXPECT_EQ(verdict(server_.post("/v2/models/" + std::string(3000, 'a') + "/infer", "{}")),
            "404 serve.unknown_model");
  EXPECT_EQ(verdict(server_.post("/v2/models/%3Cscript%3E/infer", "{}")), "404 serve.unknown_model");
}

TEST_F(BadInput, PathTricks) {
  for (const char* path : {"/../etc/passwd",
                           "/./metrics",
                           "//metrics",
                           "/metrics/",
                           "/%2e%2e/etc/passwd",
                           "/..%2fetc%2fpasswd",
                           "/a%5c..%5cb",
                           "/%00",
                           "/metrics%0d%0aX:%201",
                           "/\\..\\x"})
    EXPECT_TRUE(verdict(server_.get(path)).starts_with("400 http.bad_") ||
                verdict(server_.get(path)) == "404 http.unknown_path")
        << path << " " << verdict(server_.get(path));
  for (const char* path :
       {"/etc/passwd", "/proc/self/environ", "/index.html~", "/.git/config", "/style.css.map"})
    EXPECT_EQ(verdict(server_.get(path)), "404 http.unknown_path") << path;
  expect_unharmed();
}

TEST_F(BadInput, RangeRequests) {
  EXPECT_EQ(server_.get("/", {"Range: bytes=0-"}).status, 200);
  for (const char* range :
       {"bytes=0-10", "bytes=5-", "bytes=-5", "bytes=0-0,1-1,2-2", "bytes=9-1", "pages=1-2"})
    EXPECT_EQ(verdict(server_.get("/", {std::string("Range: ") + range})), "416 http.range") << range;
}

TEST_F(BadInput, WrongContentType) {
  for (const char* type : {"text/plain",
                           "application/x-www-form-urlencoded",
                           "multipart/form-data; boundary=x",
                           "application/octet-stream"})
    EXPECT_EQ(infer(echo_body({{1}}), {std::string("Content-Type: ") + type}), "415 http.content_type")
        << type;
}

TEST_F(BadInput, WrongMethods) {
  for (const char* method : {"PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"})
    EXPECT_EQ(verdict(server_.client().request(method, "/v2/health/live")), "405 http.unknown_method")
        << method;
  EXPECT_EQ(verdict(server_.get(kInfer)), "405 http.unknown_method");
}

TEST_F(BadInput, ABodyWhereNoneBelongs) {
  EXPECT_EQ(verdict(server_.client().request("GET", "/metrics", "x", {"Content-Type: application/json"})),
            "415 http.content_type");
}

TEST_F(BadInput, AnnouncedGigabyte) {
  EXPECT_EQ(raw("POST " + std::string(kInfer) +
                " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                "1073741824\r\n\r\n"),
            "413 http.body_too_large");
}

TEST_F(BadInput, HeaderWithoutNewline) {
  EXPECT_EQ(raw("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(100'000, 'a')),
            "431 http.headers_too_large");
}

class SlowInput : public BadInput {
 protected:
  SlowInput() : BadInput(1.0) {}
};

TEST_F(SlowInput, HeaderDrip) {
  HttpClient client(server_.port());
  client.send("GET / HTTP/1.1\r\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end && client.send("a")) {
    expect_unharmed();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (client.readable()) break;
  }
  EXPECT_EQ(verdict(client.read_response()), "408 http.timeout");
}

TEST_F(BadInput, NoHost) {
  EXPECT_EQ(raw("GET / HTTP/1.1\r\n\r\n"), "400 http.bad_host");
}

}  // namespace
}  // namespace tenfold::serve
