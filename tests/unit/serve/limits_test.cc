// SPDX-License-Identifier: Apache-2.0
// One test a limit of RELIABILITY 17, on the socket.
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "tests/support/http_client.h"
#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {
namespace {

using test::HttpClient;
using test::HttpResponse;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // shadow memory hides what the program itself takes
#else
constexpr bool kSanitized = false;
#endif

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

void expect_small_growth(std::int64_t before) {
  if (!kSanitized) {
    EXPECT_LT(resident_bytes() - before, 32 << 20);
  }
}

// A server that must never call its handler.
class Limited {
 public:
  explicit Limited(Limits limits = {})
      : server_(
            [this](const ExchangePtr& exchange) {
              ++handled;
              describe_request(exchange);
            },
            limits,
            &observer) {}
  // Sends `bytes` and expects a refusal; milliseconds until it came.
  double refused(const std::string& bytes, int status, const std::string& code) {
    HttpClient client(server_.port());
    const auto begin = std::chrono::steady_clock::now();
    client.send(bytes);
    const HttpResponse response = client.read_response();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_NE(response.body.find("\"code\":\"" + code + "\""), std::string::npos) << response.body;
    EXPECT_EQ(response.headers.at("connection"), "close");
    EXPECT_TRUE(client.at_end());
    EXPECT_EQ(handled, 0) << "no work for a refused request";
    return time.count();
  }
  // The same several times: the fastest tells what the server needs, the others what the machine was busy with.
  double fastest_refusal(const std::string& bytes, int status, const std::string& code) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) best = std::min(best, refused(bytes, status, code));
    return best;
  }
  std::uint16_t port() const { return server_.port(); }

  CountingObserver observer;
  std::atomic<int> handled{0};

 private:
  BareServer server_;
};

std::string head(const std::string& lines) {
  return "POST /x HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n";
}

TEST(Limits, JsonBodyOverOneMegabyteIs413BeforeItIsSent) {
  Limited server;
  EXPECT_LT(
      server.fastest_refusal(
          head("Content-Type: application/json\r\nContent-Length: 1048577\r\n"), 413, "http.body_too_large"),
      50.0);
  EXPECT_EQ(server.observer.count(RejectReason::kBody), 5);
}

TEST(Limits, JsonBodyOfExactlyOneMegabyteIsRead) {
  Limited server;
  HttpClient client(server.port());
  EXPECT_EQ(client.post("/x", std::string(1 << 20, ' ')).body, "POST /x 1048576");
}

TEST(Limits, GigabyteThatIsOnlyAnnouncedIs413) {
  Limited server;
  EXPECT_LT(server.fastest_refusal(head("Content-Type: application/json\r\nContent-Length: 1073741824\r\n"),
                                   413,
                                   "http.body_too_large"),
            50.0);
}

TEST(Limits, MediaBodyOverSixteenMegabytesIs413) {
  Limited server;
  EXPECT_LT(server.fastest_refusal(
                head("Content-Type: text/csv\r\nContent-Length: 16777217\r\n"), 413, "http.body_too_large"),
            50.0);
}

TEST(Limits, ChunkedBodyIsStoppedWhileReading) {
  Limited server;
  std::string chunks;
  for (int i = 0; i < 20; ++i) chunks += "10000\r\n" + std::string(65536, 'x') + "\r\n";
  server.refused(head("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") + chunks,
                 413,
                 "http.body_too_large");
}

TEST(Limits, HeadersOverEightKilobytesAre431) {
  Limited server;
  EXPECT_LT(
      server.fastest_refusal(head("X: " + std::string(8200, 'a') + "\r\n"), 431, "http.headers_too_large"),
      50.0);
  EXPECT_EQ(server.observer.count(RejectReason::kHeaders), 5);
}

TEST(Limits, HeadersOverEightKilobytesInSmallLinesAre431) {
  Limited server;
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += "X" + std::to_string(i) + ": " + std::string(250, 'a') + "\r\n";
  server.refused(head(lines), 431, "http.headers_too_large");
}

TEST(Limits, HeadersOverEightKilobytesLineByLineAre431) {
  Limited server;
  HttpClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n");
  HttpResponse response;
  for (int i = 0; i < 40; ++i) {
    client.send("X" + std::to_string(i) + ": " + std::string(250, 'a') + "\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(client.read_response().status, 431);
}

TEST(Limits, MoreThan64HeaderLinesAre431) {
  Limited server;
  std::string lines;
  for (int i = 0; i < 64; ++i) lines += "X: 1\r\n";
  EXPECT_LT(server.fastest_refusal(head(lines), 431, "http.too_many_headers"), 50.0);
}

TEST(Limits, SixtyFourHeaderLinesAreRead) {
  Limited server;
  HttpClient client(server.port());
  std::vector<std::string> lines(63, "X: 1");
  EXPECT_EQ(client.get("/x", lines).status, 200);
}

TEST(Limits, RequestLineWithoutAnEndIs431) {
  Limited server;
  server.refused("GET /" + std::string(9000, 'a'), 431, "http.headers_too_large");
}

TEST(Limits, HeaderLinesWithoutNewlineCostNoMemory) {
  Limited server;
  const std::int64_t before = resident_bytes();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\nX: ");
  }
  const std::string piece(1 << 20, 'a');
  for (auto& client : clients) client->send(piece);
  for (auto& client : clients) EXPECT_EQ(client->read_response().status, 431);
  expect_small_growth(before);
  EXPECT_EQ(server.handled, 0);
}

TEST(Limits, SlowHeaderDripIs408AndCostsNoMemory) {
  Limits limits;
  limits.deadline = 0.5;
  Limited server(limits);
  const std::int64_t before = resident_bytes();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\n");
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  while (std::chrono::steady_clock::now() < end) {
    for (auto& client : clients) client->send("a");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (auto& client : clients) {
    const HttpResponse response = client->read_response();
    EXPECT_EQ(response.status, 408);
    EXPECT_NE(response.body.find("http.timeout"), std::string::npos);
  }
  expect_small_growth(before);
  EXPECT_EQ(server.handled, 0);
  EXPECT_EQ(server.observer.count(RejectReason::kTimeout), 64);
}

TEST(Limits, SlowBodyDripIs408) {
  Limits limits;
  limits.deadline = 0.3;
  Limited server(limits);
  HttpClient client(server.port());
  client.send(head("Content-Type: application/json\r\nContent-Length: 1000\r\n"));
  for (int i = 0; i < 50; ++i) {
    if (!client.send("a")) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(client.read_response().status, 408);
}

TEST(Limits, IdleConnectionIsClosedWithoutAWord) {
  Limits limits;
  limits.idle = 0.2;
  Limited server(limits);
  HttpClient fresh(server.port());
  EXPECT_TRUE(fresh.at_end());
  HttpClient used(server.port());
  EXPECT_EQ(used.get("/x").status, 200);
  EXPECT_TRUE(used.at_end());
}

TEST(Limits, ConnectionBeyond64Gets503) {
  Limited server;
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    EXPECT_EQ(clients.back()->get("/x").status, 200);
  }
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    HttpClient more(server.port());
    const HttpResponse response = more.get("/x");
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(response.status, 503);
    EXPECT_NE(response.body.find("serve.too_many_connections"), std::string::npos);
    EXPECT_EQ(response.headers.at("retry-after"), "1");
    best = std::min(best, time.count());
  }
  EXPECT_LT(best, 50.0);
  EXPECT_EQ(server.handled, 64);
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return HttpClient(server.port()).get("/x").status == 200; }));
}

TEST(Limits, AllBodiesTogetherAreBounded) {
  Limits limits;
  limits.memory_bytes = 3 << 20;
  Limited server(limits);
  const std::string half =
      head("Content-Type: text/csv\r\nContent-Length: 2097152\r\n") + std::string(1 << 20, 'x');
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send(half);
  }
  // Three megabytes are held by unfinished requests: whoever sends more than its first is refused, and frees its part.
  ASSERT_TRUE(eventually([&] { return server.observer.count(RejectReason::kMemory) >= 1; }));
  int refused = 0;
  for (auto& client : clients) {
    client->send(std::string(1 << 20, 'x'));
    const HttpResponse response = client->read_response();
    refused += response.status == 503;
    const bool named = response.body.find("http.memory") != std::string::npos;
    EXPECT_TRUE(response.status != 503 || named) << response.body;
  }
  EXPECT_GE(refused, 1);
  HttpClient after(server.port());
  EXPECT_EQ(after.post("/x", std::string(1 << 20, ' ')).status, 200) << "the memory is free again";
}

TEST(Limits, DeadlineOfAHandlerIs503) {
  Limits limits;
  limits.deadline = 0.2;
  ExchangePtr kept;
  std::atomic<bool> stopped{false};
  BareServer server(
      [&](const ExchangePtr& exchange) {
        kept = exchange;
        exchange->on_stop([&] { stopped = true; });
      },
      limits);
  HttpClient client(server.port());
  const HttpResponse response = client.get("/x");
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("serve.deadline"), std::string::npos);
  EXPECT_EQ(response.headers.at("retry-after"), "1");
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(kept->stop().requested());
  kept->respond({200, "text/plain", "late", {}});
  EXPECT_EQ(client.get("/y").status, 503) << "the late answer is not taken for the next request's";
  kept.reset();
}

TEST(Limits, StreamsAreBounded) {
  Limits limits;
  limits.streams = 2;
  std::mutex mutex;
  std::vector<std::shared_ptr<EventStream>> streams;
  BareServer server(
      [&](const ExchangePtr& exchange) {
        const std::lock_guard lock(mutex);
        streams.push_back(exchange->stream());
      },
      limits);
  HttpClient a(server.port()), c(server.port());
  EXPECT_EQ(a.get("/1").status, 200);
  {
    HttpClient b(server.port());
    EXPECT_EQ(b.get("/2").status, 200);
    const HttpResponse refused = c.get("/3");
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.body.find("serve.too_many_streams"), std::string::npos);
  }
  EXPECT_TRUE(eventually([&] { return HttpClient(server.port()).get("/4").status == 200; }));
  const std::lock_guard lock(mutex);
  streams.clear();
}

TEST(Limits, ClientThatDoesNotReadItsAnswerIsClosed) {
  Limits limits;
  limits.deadline = 0.2;
  limits.reading_rate = 1e9;
  CountingObserver observer;
  BareServer server(
      [](const ExchangePtr& exchange) {
        exchange->respond({200, "text/plain", std::string(64 << 20, 'x'), {}});
      },
      limits,
      &observer);
  HttpClient client(server.port());
  client.send(HttpClient::format("GET", "/x"));
  ASSERT_TRUE(eventually([&] { return observer.connections == 1; }));
  EXPECT_TRUE(eventually([&] { return observer.connections == 0; }));
}

}  // namespace
}  // namespace tenfold::serve
