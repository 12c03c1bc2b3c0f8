// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

#include "tenfold/base/error.h"
#include "tests/support/http_client.h"
#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {
namespace {

using test::HttpClient;
using test::HttpResponse;

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const HttpResponse response = client.get("/a%20b/c?x=1&y=a+b");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /a b/c 0 x=1 y=a b");
    EXPECT_EQ(response.headers.at("connection"), "keep-alive");
    EXPECT_EQ(response.headers.at("content-type"), "text/plain");
    EXPECT_TRUE(response.headers.contains("date"));
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i)
    all += HttpClient::format("POST", "/" + std::to_string(i), std::string(i, 'x'));
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read_response().body, fmt::format("POST /{} {}", i, i));
}

TEST(HttpServer, AnswersRequestsThatArriveByteByByte) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  for (char c : HttpClient::format("POST", "/slow", "body")) ASSERT_TRUE(client.send(std::string(1, c)));
  EXPECT_EQ(client.read_response().body, "POST /slow 4");
}

TEST(HttpServer, TakesChunkedBodies) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  client.send("POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("A\r\n0123456789\r\n0\r\nTrailer: ignored\r\n\r\n");
  EXPECT_EQ(client.read_response().body, "POST /c 13");
  EXPECT_EQ(client.get("/next").body, "GET /next 0");
}

TEST(HttpServer, TakesChunksByteByByte) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  client.send("POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (char c : std::string("1\r\n0\r\n00\r\n\r\n")) {
    client.send(std::string(1, c));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // so that the server reads each alone
  }
  EXPECT_EQ(client.read_response().body, "POST /c 1");
}

TEST(HttpServer, SendsNoBodyToHead) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  const HttpResponse response = client.request("HEAD", "/h");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-length"), "8");
  EXPECT_EQ(client.get("/after").body, "GET /after 0");
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  EXPECT_EQ(client.get("/", {"Connection: close"}).headers.at("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, ClosesAfterHttp10) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, SaysContinueBeforeALargeBody) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  client.send("POST /e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read_response().body, "POST /e 3");
}

TEST(HttpServer, RefusesWhatCanBeReadInTwoWays) {
  BareServer server(describe_request);
  const std::vector<std::string> wrong = {
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
      "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
      "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello \r\n\r\n",
      std::string(100, '\0') + "\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
  };
  for (const std::string& bytes : wrong) {
    HttpClient client(server.port());
    client.send(bytes);
    const HttpResponse response = client.read_response();
    EXPECT_TRUE(response.status == 400 || response.status == 413) << response.status << "\n" << bytes;
    EXPECT_NE(response.body.find("\"code\":\"http."), std::string::npos) << response.body;
  }
}

TEST(HttpServer, EndsAChunkLineThatHasNoEnd) {
  BareServer server(describe_request);
  HttpClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(40000, 'e'));
  EXPECT_EQ(client.read_response().status, 400);
}

TEST(HttpServer, TurnsAnExceptionOfAHandlerIntoAnError) {
  BareServer server([](const ExchangePtr& exchange) {
    if (exchange->request().path == "/unknown") throw std::runtime_error("secret /home/user");
    if (exchange->request().path == "/nothing") return;  // lets go of the exchange
    throw HttpError(404, "test.missing", {.what = "not here"});
  });
  HttpClient client(server.port());
  const HttpResponse unknown = client.get("/unknown");
  EXPECT_EQ(unknown.status, 500);
  EXPECT_NE(unknown.body.find("internal.exception"), std::string::npos);
  EXPECT_EQ(unknown.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.get("/missing").status, 404);
  EXPECT_EQ(client.get("/nothing").status, 500);
  EXPECT_EQ(client.get("/missing").status, 404) << "the connection lives on";
}

TEST(HttpServer, TakesAnswersFromOtherThreads) {
  BareServer server(
      [](const ExchangePtr& exchange) { std::thread([exchange] { describe_request(exchange); }).detach(); });
  HttpClient client(server.port());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.get("/t").body, "GET /t 0");
}

TEST(HttpServer, FirstAnswerCounts) {
  BareServer server([](const ExchangePtr& exchange) {
    describe_request(exchange);
    exchange->respond({500, "text/plain", "second", {}});
  });
  HttpClient client(server.port());
  EXPECT_EQ(client.get("/1").body, "GET /1 0");
  EXPECT_EQ(client.get("/2").body, "GET /2 0");
}

TEST(HttpServer, TellsTheWorkerWhenTheClientGoes) {
  std::atomic<bool> stopped{false}, called{false};
  ExchangePtr kept;
  std::mutex mutex;
  BareServer server([&](const ExchangePtr& exchange) {
    exchange->on_stop([&] { called = true; });
    const std::lock_guard lock(mutex);
    kept = exchange;
  });
  {
    HttpClient client(server.port());
    client.send(HttpClient::format("GET", "/wait"));
    ASSERT_TRUE(eventually([&] {
      const std::lock_guard lock(mutex);
      return kept != nullptr;
    }));
    EXPECT_FALSE(kept->stop().requested());
  }
  EXPECT_TRUE(eventually([&] { return called && kept->stop().requested(); }));
  kept->on_stop([&] { stopped = true; });
  EXPECT_TRUE(stopped) << "too late: called at once";
  kept->respond({200, "text/plain", "unheard", {}});
  kept.reset();
}

TEST(HttpServer, StreamsEvents) {
  std::shared_ptr<EventStream> stream;
  BareServer server([&](const ExchangePtr& exchange) {
    stream = exchange->stream();
    stream->send("token", "one\ntwo", "7");
    stream->send("token", "three");
    stream->close();
    EXPECT_FALSE(stream->send("token", "after the end"));
  });
  HttpClient client(server.port());
  client.send(HttpClient::format("GET", "/events"));
  const HttpResponse head = client.read_response();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-type"), "text/event-stream");
  std::string text;
  for (std::string chunk = client.read_chunk(); !chunk.empty(); chunk = client.read_chunk()) text += chunk;
  EXPECT_EQ(text, "id: 7\nevent: token\ndata: one\ndata: two\n\nevent: token\ndata: three\n\n");
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, KeepsLineEndsOutOfEventFields) {
  BareServer server([&](const ExchangePtr& exchange) {
    const auto stream = exchange->stream();
    stream->send("a\nevent: forged", "x\r\ny", "1\n2");
  });
  HttpClient client(server.port());
  client.send(HttpClient::format("GET", "/events"));
  client.read_response();
  EXPECT_EQ(client.read_chunk(), "id: 12\nevent: aevent: forged\ndata: x\ndata: y\n\n");
}

TEST(HttpServer, EndsAStreamWhoseClientIsGone) {
  std::shared_ptr<EventStream> stream;
  std::atomic<bool> there{false};
  ExchangePtr kept;
  BareServer server([&](const ExchangePtr& exchange) {
    kept = exchange;
    stream = exchange->stream();
    there = true;
  });
  {
    HttpClient client(server.port());
    client.send(HttpClient::format("GET", "/events"));
    client.read_response();
    ASSERT_TRUE(eventually([&] { return there.load(); }));
    EXPECT_TRUE(stream->send("a", "1"));
  }
  EXPECT_TRUE(eventually([&] { return !stream->send("a", "2"); }));
  EXPECT_TRUE(kept->stop().requested());
  kept.reset();
}

TEST(HttpServer, DropsAStreamThatNobodyReads) {
  std::shared_ptr<EventStream> stream;
  std::atomic<bool> there{false};
  BareServer server([&](const ExchangePtr& exchange) {
    stream = exchange->stream();
    there = true;
  });
  HttpClient client(server.port());
  client.send(HttpClient::format("GET", "/events"));
  ASSERT_TRUE(eventually([&] { return there.load(); }));
  const std::string line(100'000, 'x');
  // Neither the socket's buffers nor the server's megabyte take all of this.
  bool taken = true;
  for (int i = 0; taken && i < 2000; ++i) taken = stream->send("a", line);
  EXPECT_FALSE(taken);
}

TEST(HttpServer, RefusesAPortInUse) {
  BareServer server(describe_request);
  HttpOptions options;
  options.port = server.port();
  HttpServer second(
      options, [](const Request&) { return HeadVerdict{}; }, describe_request);
  try {
    second.start();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "serve.port_in_use");
    EXPECT_NE(error.text().remedy.find("--port 0"), std::string::npos);
  }
}

TEST(HttpServer, RefusesAnAddressThatIsNone) {
  HttpOptions options;
  options.address = "localhost:80";
  HttpServer server(
      options, [](const Request&) { return HeadVerdict{}; }, describe_request);
  EXPECT_THROW(server.start(), Error);
}

TEST(HttpServer, SpreadsConnectionsOverIoThreads) {
  HttpOptions options;
  options.io_threads = 3;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  HttpServer server(
      options,
      [](const Request&) { return HeadVerdict{}; },
      [&](const ExchangePtr& exchange) {
        {
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
        }
        describe_request(exchange);
      });
  server.start();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(HttpClient(server.port()).get("/x").status, 200);
  EXPECT_EQ(threads.size(), 3u);
}

class GateObserver final : public HttpObserver {
 public:
  void connections_changed(int by) override {
    if (by > 0 && ++begun == 3) gate.pass();
  }
  std::atomic<int> begun{0};
  Gate gate;
};

// Two loops: connections 1 and 3 live in the first, which also accepts, 2 and 4 in the second. The fourth has been accepted
// and not begun when the second loop closes its connections.
TEST(HttpServer, StopClosesAConnectionThatIsBeingAccepted) {
  GateObserver observer;
  Gate handler;
  HttpOptions options;
  options.io_threads = 2;
  options.limits.idle = 3600.0;
  HttpServer server(
      options,
      [](const Request&) { return HeadVerdict{}; },
      [&](const ExchangePtr& exchange) {
        handler.pass();
        describe_request(exchange);
      },
      &observer);
  server.start();
  HttpClient first(server.port()), second(server.port());
  EXPECT_EQ(first.get("/").status + second.get("/").status, 400);
  handler.close();
  observer.gate.close();
  first.send(HttpClient::format("GET", "/wait"));
  ASSERT_TRUE(eventually([&] { return handler.waiting() == 1; }));
  HttpClient third(server.port()), fourth(server.port());
  handler.open();
  ASSERT_TRUE(eventually([&] { return observer.gate.waiting() == 1; }));
  std::atomic<bool> stopped{false};
  std::thread stopper([&] {
    server.stop();
    stopped = true;
  });
  EXPECT_TRUE(second.at_end());
  observer.gate.open();
  EXPECT_TRUE(eventually([&] { return stopped.load(); }, std::chrono::seconds(5)));
  fourth.close();
  stopper.join();
}

TEST(HttpServer, CountsTheRequestsThatAreCutOff) {
  std::vector<ExchangePtr> kept;
  std::mutex mutex;
  BareServer server([&](const ExchangePtr& exchange) {
    const std::lock_guard lock(mutex);
    kept.push_back(exchange);
  });
  HttpClient a(server.port()), b(server.port()), silent(server.port());
  a.send(HttpClient::format("GET", "/a"));
  b.send(HttpClient::format("GET", "/b"));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return kept.size() == 2;
  }));
  server.http().close_all();
  EXPECT_EQ(server.http().lost(), 2);
  EXPECT_TRUE(kept[0]->stop().requested());
  EXPECT_TRUE(a.at_end() && b.at_end() && silent.at_end());
  server.http().stop();
  kept[0]->respond({200, "text/plain", "late", {}});
  kept.clear();
}

TEST(HttpServer, DrainAnswersOpenConnectionsAndRefusesNewOnes) {
  Gate gate;
  gate.close();
  BareServer server([&](const ExchangePtr& exchange) {
    if (exchange->request().path != "/wait") return describe_request(exchange);
    std::thread([exchange, &gate] {
      gate.pass();
      describe_request(exchange);
    }).detach();
  });
  HttpClient waiting(server.port()), open(server.port()), silent(server.port());
  EXPECT_EQ(open.get("/before").headers.at("connection"), "keep-alive");
  silent.get("/before");
  waiting.send(HttpClient::format("GET", "/wait"));
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  server.http().drain(std::chrono::milliseconds(300));
  EXPECT_TRUE(eventually([&] { return open.get("/during").headers["connection"] != "keep-alive"; }));
  EXPECT_FALSE(HttpClient(server.port()).connected()) << "whoever was told to go elsewhere is refused here";
  EXPECT_TRUE(silent.at_end()) << "closed after the grace";
  gate.open();
  const HttpResponse last = waiting.read_response();
  EXPECT_EQ(last.body, "GET /wait 0");
  EXPECT_EQ(last.headers.at("connection"), "close");
  EXPECT_TRUE(eventually([&] { return server.http().open_connections() == 0; }));
}

}  // namespace
}  // namespace tenfold::serve
