// SPDX-License-Identifier: Apache-2.0
// RELIABILITY 21: mutated requests beside good ones. Every good one gets its right answer, every other one an answer by
// the rules or a closed connection. The number is 500, or TENFOLD_MUTATIONS; the test serve.10000_mutations runs 10,000.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "tenfold/base/random.h"
#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using test::HttpClient;
using test::HttpResponse;

// Draws of one mutated request: pure functions of its number.
class Draws {
 public:
  explicit Draws(std::uint64_t request) : generator_(2206, request) {}
  std::size_t below(std::size_t bound) {
    return generator_.below(static_cast<std::uint32_t>(std::max<std::size_t>(1, bound)));
  }
  template <typename List>
  const auto& one_of(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  random::Generator generator_;
};

const std::string kGood = echo_body({{1, 2, 3}}, R"(,"id":"abc","parameters":{"times":2})");

constexpr const char* kValues[] = {"NaN",
                                   "-Infinity",
                                   "1e999",
                                   "1e39",
                                   "123456789012345678901234567890",
                                   "-0",
                                   "null",
                                   "true",
                                   "\"\xff\"",
                                   "\"\\ud800\"",
                                   "[[[[]]]]",
                                   "{}",
                                   "[1,2",
                                   "\"",
                                   "0x10",
                                   "1.5.2",
                                   "9223372036854775808",
                                   "\"\xc0\x80\""};
constexpr const char* kTargets[] = {kInfer,
                                    "/v2/models/nosuch/infer",
                                    "/api/test/add",
                                    "/api/uploads",
                                    "/../../etc/passwd",
                                    "/%ff",
                                    "/v2/models/echo/versions/9/infer",
                                    "/api/models/echo/count",
                                    "/api/runs/x",
                                    "/a%00b",
                                    "/api/test/add?b=nan",
                                    "/api/openapi.json?x=%"};
constexpr const char* kLines[] = {"Content-Length: 5",
                                  "Content-Length: -1",
                                  "Transfer-Encoding: chunked",
                                  "Transfer-Encoding: gzip",
                                  "Host: evil.example",
                                  "Origin: http://evil.example",
                                  "Range: bytes=0-1",
                                  "X-Timeout-Ms: never",
                                  "Expect: 100-continue",
                                  ": empty",
                                  "No colon",
                                  "X: \x01",
                                  "Content-Type: text/html",
                                  "Accept: text/event-stream",
                                  "Content-Encoding: gzip",
                                  "Cookie: tenfold_token=x"};

void change_bytes(std::string& text, Draws& draws) {
  for (std::size_t i = 0, count = 1 + draws.below(8); i < count && !text.empty(); ++i)
    text[draws.below(text.size())] = static_cast<char>(draws.below(256));
}

void replace_value(std::string& body, Draws& draws) {
  const std::size_t digit = body.find_first_of("0123456789", draws.below(body.size()));
  if (digit != std::string::npos) body.replace(digit, 1, draws.one_of(kValues));
}

void cut_or_repeat(std::string& body, Draws& draws) {
  const std::size_t at = draws.below(body.size()), length = draws.below(body.size() - at);
  if (draws.below(2) == 0) {
    body.erase(at, length);
  } else {
    const std::string piece = body.substr(at, length);
    for (std::size_t i = 0; i < draws.below(40); ++i) body.insert(at, piece);
  }
}

std::string mutated(std::uint64_t number) {
  Draws draws(number);
  std::string body = kGood;
  std::string target = kInfer;
  std::vector<std::string> headers;
  for (std::size_t i = 0, count = 1 + draws.below(3); i < count; ++i) {
    switch (draws.below(6)) {
      case 0:
        change_bytes(body, draws);
        break;
      case 1:
        replace_value(body, draws);
        break;
      case 2:
        cut_or_repeat(body, draws);
        break;
      case 3:
        target = draws.one_of(kTargets);
        break;
      case 4:
        headers.emplace_back(draws.one_of(kLines));
        break;
      default:
        body = std::string(1 + draws.below(40'000), "[{\" 1"[draws.below(5)]);
    }
  }
  const char* other_methods[] = {"GET", "PUT", "DELETE", "HEAD"};
  const char* method = draws.below(10) == 0 ? draws.one_of(other_methods) : "POST";
  std::string bytes = HttpClient::format(method, target, body, headers);
  if (draws.below(5) == 0) change_bytes(bytes, draws);
  if (draws.below(20) == 0) bytes.resize(draws.below(bytes.size()));
  return bytes;
}

// Codes may be added; one that is not here is a change that clients have to be told about.
bool is_known_code(const std::string& code) {
  static const std::set<std::string> known = {"http.bad_escape",
                                              "http.bad_host",
                                              "http.bad_path",
                                              "http.bad_query",
                                              "http.bad_target",
                                              "http.bad_timeout",
                                              "http.body_too_large",
                                              "http.content_type",
                                              "http.cross_origin",
                                              "http.headers_too_large",
                                              "http.malformed",
                                              "http.range",
                                              "http.timeout",
                                              "http.too_many_headers",
                                              "http.unknown_method",
                                              "http.unknown_path",
                                              "http.wrong_host",
                                              "infer.data",
                                              "infer.datatype",
                                              "infer.field",
                                              "infer.input",
                                              "infer.output",
                                              "infer.shape",
                                              "serve.batch_too_large",
                                              "serve.deadline",
                                              "serve.file_field",
                                              "serve.unknown_model",
                                              "serve.unknown_run",
                                              "serve.unknown_upload",
                                              "serve.unknown_version",
                                              "serve.bad_word",
                                              "serve.too_many_streams",
                                              "serve.queue_full",
                                              "config.bad_value",
                                              "config.not_a_choice",
                                              "config.out_of_range",
                                              "config.unknown_key",
                                              "echo.row",
                                              "echo.all",
                                              "predict.not_finite",
                                              "test.thirteen"};
  return known.contains(code) || code.starts_with("json.");
}

class Mutations : public testing::Test {
 protected:
  void judge(std::uint64_t number, const HttpResponse& response) {
    ++by_status_[response.status];
    EXPECT_TRUE(response.status == 0 || response.status / 100 == 2 || response.status / 100 == 4 ||
                response.status == 503)
        << number << ": " << response.status << " " << response.body;
    if (response.status < 400 || response.body.empty()) return;  // the answer to HEAD has no body
    const json body = json::parse(response.body, nullptr, false);
    ASSERT_TRUE(body.is_object()) << number << ": " << response.body;
    const json& error = body["error"].is_object() ? body["error"] : body;
    const std::string code = error.value("code", "");
    EXPECT_TRUE(is_known_code(code)) << number << ": " << code;
    ++by_code_[code];
    for (const char* inside : {"/tmp", "/root", "/home", ".cc", "std::", "0x7f", "nlohmann", "boost"})
      EXPECT_EQ(response.body.find(inside), std::string::npos) << number << ": " << response.body;
  }
  std::map<int, int> by_status_;
  std::map<std::string, int> by_code_;
};

TEST_F(Mutations, HurtNobodyElse) {
  const char* wanted = std::getenv("TENFOLD_MUTATIONS");
  const std::uint64_t count = wanted == nullptr ? 500 : std::strtoull(wanted, nullptr, 10);
  TestServer server([](ServeOptions& options) { options.limits.deadline = 5.0; });
  std::atomic<bool> over{false};
  std::atomic<int> good{0}, wrong{0};
  std::thread friendly([&] {
    HttpClient client(server.port());
    for (int i = 1000; !over; i = 1000 + (i + 1) % 1000) {
      const HttpResponse response = client.post(kInfer, echo_body({{1.0 * i, 0.5}}));
      const json body = json::parse(response.body, nullptr, false);
      const bool right = response.status == 200 && body["outputs"][0]["data"] == json({1.0 * i, 0.5});
      ++(right ? good : wrong);
    }
  });
  for (std::uint64_t number = 0; number < count; ++number) {
    const std::string bytes = mutated(number);
    HttpClient client(server.port());
    client.send(bytes);
    if (!client.readable(std::chrono::milliseconds(20)))
      client.finish();  // what is not whole now never will be
    HttpResponse response = client.read_response(bytes.starts_with("HEAD"));
    if (response.status == 100) response = client.read_response();
    judge(number, response);
    if (HasFatalFailure()) break;
  }
  over = true;
  friendly.join();
  EXPECT_GT(good, 50);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(server.get("/v2/health/ready").status, 200);
  EXPECT_GT(by_code_.size(), 15u) << "the mutations reach many checks";
  EXPECT_GT(by_status_[400], static_cast<int>(count) / 10);
  std::string told;
  for (const auto& [status, times] : by_status_) told += fmt::format(" {}: {}", status, times);
  RecordProperty("answers", told);
  std::printf("%llu mutated requests; answers by status:%s; codes: %zu; good requests beside them: %d\n",
              static_cast<unsigned long long>(count),
              told.c_str(),
              by_code_.size(),
              good.load());
}

}  // namespace
}  // namespace tenfold::serve
