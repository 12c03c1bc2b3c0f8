// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tenfold/systems/registry.h"
#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using test::HttpClient;
using test::HttpResponse;
using testing::HasSubstr;
using testing::Not;

constexpr char kToken[] = "0123456789abcdef0123";

TEST(Server, InfersEndToEnd) {
  TestServer server;
  const HttpResponse response =
      server.post(kInfer, echo_body({{1, 2}, {3, 4}}, R"(,"id":"7","parameters":{"times":2})"));
  ASSERT_EQ(response.status, 200) << response.body;
  const json body = json::parse(response.body);
  EXPECT_EQ(body["id"], "7");
  EXPECT_EQ(body["model_name"], "echo");
  EXPECT_EQ(body["outputs"][0]["name"], "y");
  EXPECT_EQ(body["outputs"][0]["shape"], json({2, 2}));
  EXPECT_EQ(body["outputs"][0]["datatype"], "FP32");
  EXPECT_EQ(body["outputs"][0]["data"], json({2.0, 4.0, 6.0, 8.0}));
}

TEST(Server, DescribesItsModels) {
  TestServer server;
  const json metadata = json::parse(server.get("/v2/models/echo").body);
  EXPECT_EQ(metadata["inputs"][0], json({{"name", "x"}, {"datatype", "FP32"}, {"shape", {-1, -1}}}));
  EXPECT_EQ(metadata["versions"], json({"1"}));
  EXPECT_EQ(server.get("/v2/models/echo/ready").status, 200);
  EXPECT_EQ(server.get("/v2/models/echo/versions/1").status, 200);
  EXPECT_EQ(verdict(server.get("/v2/models/echo/versions/2")), "404 serve.unknown_version");
  EXPECT_EQ(json::parse(server.get("/v2").body)["name"], "tenfold");
  const json models = json::parse(server.get("/api/models").body)["models"];
  EXPECT_EQ(models[0]["routes"][0]["path"], "count");
  EXPECT_EQ(models[0]["parameters"]["properties"]["times"]["maximum"], 10);
}

TEST(Server, IsReadyOnlyWhenItsModelsAreWarm) {
  TestServer server({}, false);
  server.echo->warm_gate.close();
  std::thread starter([&] { server->start(); });
  ASSERT_TRUE(eventually([&] { return server.echo->warm_gate.waiting() == 1; }));
  EXPECT_EQ(server.get("/v2/health/live").status, 200);
  EXPECT_EQ(server.get("/v2/health/ready").status, 503);
  EXPECT_EQ(verdict(server.get("/v2/models/echo/ready")), "503 serve.not_ready");
  EXPECT_EQ(verdict(server.post(kInfer, echo_body({{1}}))), "503 serve.not_ready");
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("tenfold_model_loaded{model=\"echo\"} 0"));
  server.echo->warm_gate.open();
  starter.join();
  EXPECT_EQ(server.get("/v2/health/ready").status, 200);
  EXPECT_EQ(server.post(kInfer, echo_body({{1}})).status, 200);
  EXPECT_EQ(server.echo->warm_ups, 1);
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("tenfold_model_loaded{model=\"echo\"} 1"));
}

TEST(Server, IsNotReadyAtOnceWhenItStops) {
  TestServer server([](ServeOptions& options) { options.notice = 1.0; });
  HttpClient client(server.port());
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  StopToken stop;
  std::thread runner([&] { server->run(stop); });
  stop.request();
  EXPECT_TRUE(eventually([&] { return client.get("/v2/health/ready").status == 503; }));
  EXPECT_EQ(client.post(kInfer, echo_body({{1}})).status, 200) << "who has not noticed is still answered";
  runner.join();
}

// Clients of a rolling restart: each asks the first server until it is refused there, then the second.
class RollingClients {
 public:
  RollingClients(std::uint16_t first, std::uint16_t second) : ports_{first, second} {}
  void run(int threads, int requests) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) all.emplace_back([this, requests] { ask(requests); });
    for (std::thread& thread : all) thread.join();
  }
  std::atomic<int> answered{0}, failed{0}, moved{0};

 private:
  void ask(int requests) {
    std::size_t server = 0;
    auto client = std::make_unique<HttpClient>(ports_[server]);
    for (int i = 0; i < requests;) {
      if (!client->connected()) {
        if (server == 1) return;
        ++server;
        ++moved;
        client = std::make_unique<HttpClient>(ports_[server]);
        continue;
      }
      const int value = 1000 + i;
      const HttpResponse response = client->post(kInfer, echo_body({{1.0 * value}}));
      std::this_thread::sleep_for(
          std::chrono::milliseconds(1));  // so that the restart falls among the requests
      const bool good =
          response.status == 200 && response.body.find(std::to_string(value)) != std::string::npos;
      ++(good ? answered : failed);
      ++i;
      const auto connection = response.headers.find("connection");
      if (connection == response.headers.end() || connection->second == "close")
        client = std::make_unique<HttpClient>(ports_[server]);
    }
  }
  std::array<std::uint16_t, 2> ports_;
};

TEST(Server, LosesNoneOf1000RequestsInARollingRestart) {
  TestServer old_server, new_server;
  RollingClients clients(old_server.port(), new_server.port());
  StopToken stop;
  ServeEnd end;
  std::thread runner([&] { end = old_server->run(stop); });
  std::thread stopper([&] {
    eventually([&] { return clients.answered >= 100; });
    stop.request();
  });
  clients.run(8, 125);
  stopper.join();
  runner.join();
  EXPECT_EQ(clients.answered, 1000);
  EXPECT_EQ(clients.failed, 0);
  EXPECT_EQ(clients.moved, 8);
  EXPECT_EQ(end.lost, 0);
  EXPECT_FALSE(end.stuck);
}

TEST(Server, AnswersWhatItHasAcceptedBeforeItStops) {
  TestServer server;
  server.echo->gate.close();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(HttpClient::format("POST", kInfer, echo_body({{1.0 * i}})));
  }
  ASSERT_TRUE(eventually([&] { return server.echo->gate.waiting() > 0; }));
  StopToken stop;
  stop.request();
  ServeEnd end;
  std::thread runner([&] { end = server->run(stop); });
  ASSERT_TRUE(eventually([&] { return !HttpClient(server.port()).connected(); }));
  server.echo->gate.open();
  for (HttpClient& client : clients) {
    const HttpResponse response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.at("connection"), "close");
  }
  runner.join();
  EXPECT_EQ(end.lost, 0);
  EXPECT_EQ(end.answered, 10u);
}

TEST(Server, TellsPoliteCallsToStopWhenTheTimeIsOver) {
  TestServer server([](ServeOptions& options) { options.drain = 0.4; });
  HttpClient client(server.port());
  client.send(HttpClient::format("POST", "/api/test/polite"));
  ASSERT_TRUE(eventually([&] { return server.waiting->running == 1; }));
  const ServeEnd end = server->drain();
  EXPECT_EQ(server.waiting->running, 0);
  EXPECT_EQ(end.lost, 1);
  EXPECT_FALSE(end.stuck);
  EXPECT_TRUE(client.at_end());
}

TEST(Server, LeavesACallBehindThatDoesNotStop) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread that is left behind on purpose is a leak to the thread sanitizer";
#endif
  TestServer server([](ServeOptions& options) { options.drain = 0.4; });
  const auto waiting = server.waiting;
  waiting->gate.close();
  HttpClient client(server.port());
  client.send(HttpClient::format("POST", "/api/test/stubborn"));
  ASSERT_TRUE(eventually([&] { return waiting->running == 1; }));
  const ServeEnd end = server->drain();
  EXPECT_EQ(waiting->running, 1) << "it still runs";
  EXPECT_EQ(end.lost, 1);
  EXPECT_TRUE(end.stuck);
  server.destroy();
  waiting->gate.open();
  EXPECT_TRUE(eventually([&] { return waiting->running == 0; }));
}

TEST(Server, DropsExpiredRequestsBeforeTheModelRuns) {
  TestServer server([](ServeOptions& options) { options.workers = 1; });
  server.echo->gate.close();
  HttpClient busy(server.port());
  busy.send(HttpClient::format("POST", kInfer, echo_body({{1}})));
  ASSERT_TRUE(eventually([&] { return server.echo->gate.waiting() == 1; }));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(verdict(server.post(kInfer, echo_body({{2}}), {"X-Timeout-Ms: 1"})), "503 serve.deadline");
  }
  EXPECT_EQ(verdict(server.post(kInfer, echo_body({{2}}, R"(,"parameters":{"timeout":1000})"))),
            "503 serve.deadline");
  server.echo->gate.open();
  EXPECT_EQ(busy.read_response().status, 200);
  EXPECT_EQ(server.post(kInfer, echo_body({{3}})).status, 200);
  EXPECT_EQ(server.echo->calls, 2) << "the expired ones never reached the model";
  EXPECT_EQ(verdict(server.get("/v2", {"X-Timeout-Ms: soon"})), "400 http.bad_timeout");
  EXPECT_EQ(verdict(server.get("/v2", {"X-Timeout-Ms: 0"})), "400 http.bad_timeout");
}

TEST(Server, AClientThatGoesFreesItsPlace) {
  TestServer server([](ServeOptions& options) {
    options.workers = 1;
    options.limits.queue = 1;
  });
  server.echo->gate.close();
  HttpClient busy(server.port());
  busy.send(HttpClient::format("POST", kInfer, echo_body({{1}})));
  ASSERT_TRUE(eventually([&] { return server.echo->gate.waiting() == 1; }));
  HttpClient waiting(server.port());
  waiting.send(HttpClient::format("POST", kInfer, echo_body({{2}})));
  ASSERT_TRUE(
      eventually([&] { return verdict(server.post(kInfer, echo_body({{3}}))) == "503 serve.queue_full"; }));
  waiting.close();
  HttpClient next(server.port());
  EXPECT_TRUE(eventually([&] {
    const std::string metrics = server.get("/metrics").body;
    return metrics.find("tenfold_queue_length{queue=\"echo\"} 0") != std::string::npos;
  }));
  next.send(HttpClient::format("POST", kInfer, echo_body({{4}})));
  ASSERT_TRUE(eventually([&] {
    return server.get("/metrics").body.find("tenfold_queue_length{queue=\"echo\"} 1") != std::string::npos;
  }));
  server.echo->gate.open();
  EXPECT_EQ(next.read_response().status, 200);
}

TEST(Server, FullQueueIs503WithRetryAfter) {
  TestServer server([](ServeOptions& options) {
    options.workers = 1;
    options.limits.queue = 2;
  });
  server.echo->gate.close();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(HttpClient::format("POST", kInfer, echo_body({{1}})));
    ASSERT_TRUE(eventually([&] { return server.echo->gate.waiting() == 1; }));
  }
  ASSERT_TRUE(eventually([&] {
    return server.get("/metrics").body.find("tenfold_queue_length{queue=\"echo\"} 2") != std::string::npos;
  }));
  const HttpResponse refused = server.post(kInfer, echo_body({{1}}));
  EXPECT_EQ(verdict(refused), "503 serve.queue_full");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("tenfold_rejected_total{reason=\"queue_full\"} 1"));
  EXPECT_EQ(server.get("/v2/health/live").status, 200) << "others are not affected";
  server.echo->gate.open();
  for (HttpClient& client : clients) EXPECT_EQ(client.read_response().status, 200);
}

TEST(Server, RefusesForeignPagesOnEveryPath) {
  TestServer server;
  for (const char* path :
       {"/", "/v2/health/live", "/metrics", "/api/runs", "/api/openapi.json", "/nothing"}) {
    EXPECT_EQ(verdict(server.get(path, {"Host: evil.example"})), "403 http.wrong_host") << path;
    EXPECT_EQ(verdict(server.get(path, {"Origin: http://evil.example"})), "403 http.cross_origin") << path;
  }
  EXPECT_EQ(verdict(server.post("/api/test/add", "{}", {"Origin: null"})), "403 http.cross_origin");
}

TEST(Server, SendsTheSecurityHeadersWithEveryAnswer) {
  TestServer server;
  for (const char* path : {"/", "/v2/health/live", "/metrics", "/nothing"}) {
    const HttpResponse response = server.get(path);
    const std::string csp = response.headers.at("content-security-policy");
    EXPECT_THAT(csp, HasSubstr("default-src")) << path;
    EXPECT_THAT(csp, Not(HasSubstr("unsafe"))) << path;
    EXPECT_EQ(response.headers.at("x-content-type-options"), "nosniff");
    EXPECT_FALSE(response.headers.contains("access-control-allow-origin"));
  }
}

TEST(Server, ListensElsewhereOnlyWithAToken) {
  ServeOptions options;
  options.host = "0.0.0.0";
  try {
    Server server(options, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "serve.token_needed");
  }
}

TEST(Server, AsksForTheTokenEverywhereButForHealth) {
  TestServer server([](ServeOptions& options) { options.token = kToken; });
  EXPECT_EQ(server.get("/v2/health/live").status, 200);
  EXPECT_EQ(server.get("/v2/health/ready").status, 200);
  const json document =
      json::parse(server.get("/api/openapi.json", {std::string("Authorization: Bearer ") + kToken}).body);
  int asked = 0;
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      if (operation["security"].empty()) continue;
      std::string upper = method;
      std::transform(
          upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
      std::string target = path;
      std::replace(target.begin(), target.end(), '{', 'x');
      std::replace(target.begin(), target.end(), '}', 'x');
      EXPECT_EQ(verdict(server.client().request(upper, target)), "401 http.token") << upper << " " << path;
      ++asked;
    }
  }
  EXPECT_GT(asked, 20);
}

TEST(Server, LogsABrowserInWithACookie) {
  TestServer server([](ServeOptions& options) { options.token = kToken; });
  const HttpResponse login = server.get(std::string("/?token=") + kToken);
  EXPECT_EQ(login.status, 303);
  EXPECT_EQ(login.headers.at("location"), "/");
  const std::string cookie = login.headers.at("set-cookie");
  EXPECT_THAT(cookie, HasSubstr("HttpOnly"));
  EXPECT_THAT(cookie, HasSubstr("SameSite=Strict"));
  EXPECT_EQ(server.get("/api/systems", {"Cookie: " + cookie.substr(0, cookie.find(';'))}).status, 200);
  EXPECT_EQ(server.get("/?token=wrong").status, 401);
}

TEST(Server, ServesThePageFromMemory) {
  TestServer server;
  const HttpResponse page = server.get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(server.get("/", {"If-None-Match: " + page.headers.at("etag")}).status, 304);
  EXPECT_EQ(server.get("/index.html").body, page.body);
  EXPECT_EQ(server.get("/style2.css").status, 404);
  const HttpResponse module = server.get("/pages/registry.js");
  EXPECT_EQ(module.headers.at("content-type"), "text/javascript; charset=utf-8");
  const HttpResponse library = server.get("/vendor/chart.js");
  EXPECT_EQ(library.headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_NE(library.body.find("Chart.js v3"), std::string::npos);
}

TEST(Server, TellsItsStateAndLimits) {
  TestServer server([](ServeOptions& options) { options.limits.queue = 7; });
  const json about = json::parse(server.get("/api/server").body);
  EXPECT_EQ(about["ready"], true);
  EXPECT_EQ(about["jobs"], false);
  EXPECT_EQ(about["limits"]["queue"], 7);
  EXPECT_EQ(about["workers"], 2);
}

TEST(Server, WritesItsAddressWhenItIsReady) {
  ScratchFolder folder;
  TestServer server(
      [&](ServeOptions& options) { options.address_file = (folder.path() / "address").string(); });
  std::ifstream file(folder.path() / "address");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "http://127.0.0.1:" + std::to_string(server.port()) + "/");
}

void write_bundle(const Path& path, const std::string& value, const std::string& system = "test") {
  io::BundleWriter writer(real_file_system(), path, {.system = system, .created_by = "a test"});
  writer.add("config.toml", value + "\n");
  writer.commit();
}

TEST(Server, ServesBundlesAsTheyWereWhenItStarted) {
  ScratchFolder bundles;
  write_bundle(bundles.path() / "Mine", "one");
  TestServer server([&](ServeOptions& options) { options.dirs = {bundles.path().string()}; });
  const HttpResponse before = server.post("/v2/models/mineone/infer", echo_body({{5}}));
  EXPECT_EQ(before.status, 200);
  write_bundle(bundles.path() / "Mine", "two");
  EXPECT_EQ(server.post("/v2/models/mineone/infer", echo_body({{5}})).body, before.body);
  std::ofstream(bundles.path() / "Mine" / "config.toml") << "cut";
  EXPECT_EQ(server.post("/v2/models/mineone/infer", echo_body({{5}})).body, before.body);
  std::filesystem::remove_all(bundles.path() / "Mine");
  EXPECT_EQ(server.post("/v2/models/mineone/infer", echo_body({{5}})).body, before.body);
  EXPECT_EQ(verdict(server.get("/api/runs/Mine")), "404 serve.unknown_run");
  EXPECT_EQ(server.get("/v2/health/live").status, 200);
}

TEST(Server, RefusesToStartWithADamagedBundleThatWasNamed) {
  ScratchFolder bundles;
  write_bundle(bundles.path() / "good", "one");
  write_bundle(bundles.path() / "bad", "one");
  write_bundle(bundles.path() / "foreign", "one", "nosuch");
  std::ofstream(bundles.path() / "bad" / "config.toml") << "two\n";
  const auto code_of = [](const std::string& dir) {
    try {
      TestServer server([&](ServeOptions& options) { options.dirs = {dir}; });
      return std::to_string(json::parse(server.get("/api/models").body)["models"].size()) + " models";
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code_of((bundles.path() / "bad").string()), "bundle.hash_mismatch");
  EXPECT_EQ(code_of((bundles.path() / "foreign").string()), "serve.no_predictor");
  EXPECT_EQ(code_of((bundles.path() / "good").string()), "2 models");
  EXPECT_EQ(code_of(bundles.path().string()), "2 models") << "found in a folder: the others are left out";
  EXPECT_EQ(code_of((bundles.path() / "none").string()), "serve.no_folder");
}

TEST(Server, ServesTheBundleThatARunHasLedTo) {
  ScratchFolder runs;
  std::filesystem::create_directories(runs.path() / "trained");
  std::ofstream(runs.path() / "trained" / "metrics.jsonl") << "{}\n";
  write_bundle(runs.path() / "trained" / "model", "one");
  std::filesystem::create_directories(runs.path() / "other");
  std::ofstream(runs.path() / "other" / "metrics.jsonl") << "{}\n";
  write_bundle(runs.path() / "other" / "model", "one", "nosuch");
  TestServer server([&](ServeOptions& options) { options.dirs = {runs.path().string()}; });
  EXPECT_EQ(server.post("/v2/models/trainedone/infer", echo_body({{5}})).status, 200);
  EXPECT_EQ(json::parse(server.get("/api/models").body)["models"].size(), 2u);
  write_bundle(runs.path() / "trained" / "index", "two");
  TestServer indexed([&](ServeOptions& options) { options.dirs = {(runs.path() / "trained").string()}; });
  EXPECT_EQ(indexed.post("/v2/models/trainedtwo/infer", echo_body({{5}})).status, 200);
}

TEST(Server, AnswersRoutesOfModelsAndSystems) {
  TestServer server;
  for (const char* path : {"/api/models/echo/count", "/api/test/count"}) {
    EXPECT_EQ(json::parse(server.post(std::string(path) + "?seed=5", R"({"to":4})").body),
              json({{"counted", 4}, {"seed", 5}}));
    EXPECT_EQ(json::parse(server.post(path, "").body)["counted"], 3);
    EXPECT_EQ(verdict(server.post(path, R"({"to":0})")), "400 config.out_of_range");
    EXPECT_EQ(verdict(server.post(path, R"({"no":0})")), "400 config.unknown_key");
    EXPECT_EQ(verdict(server.post(path, R"({"to":20})")), "400 test.thirteen");
    EXPECT_EQ(verdict(server.post(std::string(path) + "?seed=x", "{}")), "400 serve.bad_word");
  }
  EXPECT_EQ(verdict(server.post("/api/models/echo/nosuch", "{}")), "404 serve.unknown_route");
  EXPECT_EQ(verdict(server.post("/api/models/nosuch/count", "{}")), "404 serve.unknown_model");
}

std::string events_of(TestServer& server, const std::string& body) {
  HttpClient client(server.port());
  client.send(HttpClient::format("POST", "/api/test/count", body, {"Accept: text/event-stream"}));
  EXPECT_EQ(client.read_response().headers["content-type"], "text/event-stream");
  std::string text;
  for (std::string chunk = client.read_chunk(); !chunk.empty(); chunk = client.read_chunk()) text += chunk;
  return text;
}

TEST(Server, StreamsTheEventsOfARoute) {
  TestServer server;
  EXPECT_EQ(events_of(server, R"({"to":2})"),
            "event: number\ndata: 1\n\nevent: number\ndata: 2\n\n"
            "event: result\ndata: {\"counted\":2,\"seed\":1}\n\n");
  const std::string failed = events_of(server, R"({"to":20})");
  EXPECT_THAT(failed, HasSubstr("event: error\ndata: {\"code\":\"test.thirteen\""));
}

TEST(Server, StopsAStreamWhenItsClientGoes) {
  TestServer server;
  {
    HttpClient client(server.port());
    client.send(HttpClient::format("POST", "/api/test/count", R"({"to":12})", {"Accept: text/event-stream"}));
    client.read_response();
  }
  EXPECT_TRUE(eventually([&] { return server.get("/api/systems").status == 200; }));
}

// A client names files only through fields that say so: a field that is a path and does not say it would let a client read
// or write anything. This looks for such fields in every verb that is served.
TEST(Server, EveryOptionThatNamesAFileIsMarked) {
  const std::set<std::string> path_words = {"file",
                                            "files",
                                            "path",
                                            "dir",
                                            "folder",
                                            "csv",
                                            "table",
                                            "out",
                                            "output",
                                            "input",
                                            "bundle",
                                            "checkpoint",
                                            "program",
                                            "python"};
  int seen = 0;
  for (const systems::System& system : systems::core_systems()) {
    for (const systems::Verb& verb : system.verbs) {
      if (verb.served == systems::Served::kNever) continue;
      const systems::VerbCall call = verb.prepare();
      for (const config::BoundField& field : call.fields.all()) {
        const bool text = std::holds_alternative<std::string*>(field.ref) ||
                          std::holds_alternative<std::vector<std::string>*>(field.ref);
        const std::string last = field.path.substr(field.path.rfind('.') + 1);
        if (!text || !field.info.choices.empty() || !path_words.contains(last)) continue;
        ++seen;
        EXPECT_NE(field.info.file, config::FileUse::kNone)
            << system.name << " " << verb.name << " " << field.path;
      }
    }
  }
  EXPECT_GT(seen, 5);
}

}  // namespace
}  // namespace tenfold::serve
