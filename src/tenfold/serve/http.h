// SPDX-License-Identifier: Apache-2.0
// Requests, responses and the server that exchanges them, free of any HTTP library's types: Boost.Beast stays behind
// http_parser.h and http_session.cc.
//
// Threads: each connection lives in one of the io threads, which read, parse and enforce limits only. A handler is
// called there and must return at once; work goes to a Dispatcher (dispatcher.h), whose threads answer through the
// Exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/serve/limits.h"

namespace tenfold::serve {

using TextPair = std::pair<std::string, std::string>;

struct Request {
  std::string method;  // "GET"; HEAD arrives as GET
  std::string target;  // as it was sent
  std::string
      path;  // decoded: begins with '/', valid UTF-8, no control characters, no empty, "." or ".." segment
  std::vector<TextPair> query;    // decoded, in order
  std::vector<TextPair> headers;  // names in lower case, in order
  std::string body;
  std::string client;          // who asks, for fairness: the address; on loopback the connection
  Clock::time_point begun;     // its first byte
  Clock::time_point deadline;  // as its arrival set it; see Exchange::deadline()

  std::string_view header(std::string_view name) const;  // first value; empty when absent
  const std::string* parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<TextPair>
      headers;         // beside Content-Type, Content-Length, Connection, Date and the security headers
  bool close = false;  // end the connection after this response
};

// Server-sent events (HTML standard, section 9.2). Thread-safe.
class EventStream {
 public:
  virtual ~EventStream() = default;
  // Queues one event; `data` may have line breaks. False when the client is gone or does not read: stop sending.
  virtual bool send(std::string_view event, std::string_view data, std::string_view id = {}) = 0;
  virtual void close() = 0;  // ends the response after what was queued; also done by the destructor
};

// One request and its single answer. Thread-safe; the first answer counts, later ones are dropped. When the last
// reference goes without an answer, the client gets "internal.no_answer" (500).
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  virtual std::string take_body() = 0;  // the body, moved out; once
  virtual void respond(Response response) = 0;
  // 200 with text/event-stream. Null when the request was answered or cancelled before.
  virtual std::shared_ptr<EventStream> stream() = 0;
  virtual Clock::time_point deadline() const = 0;
  virtual void limit_deadline(Clock::time_point when) = 0;  // may only make it earlier
  // Set when the deadline passes or the client closes the connection: whoever works on the answer may stop.
  virtual const StopToken& stop() const = 0;
  // Called once, in the io thread, at that moment; at once when it has passed already.
  virtual void on_stop(std::function<void()> callback) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;
using Handler = std::function<void(const ExchangePtr&)>;

// What is known when the headers are complete and no byte of the body has been kept.
struct HeadVerdict {
  std::optional<Response>
      refusal;                 // sent at once, then the connection is closed unless the request has no body
  std::size_t body_limit = 0;  // bytes
  std::optional<double> deadline;  // seconds, instead of Limits::deadline
};
using HeadCheck = std::function<HeadVerdict(const Request&)>;

enum class RejectReason { kConnections, kHeaders, kBody, kMemory, kTimeout, kMalformed, kRefused };
std::string_view to_string(RejectReason reason);  // "connections", "headers", "body", "memory", ...

// Told of everything that is counted. Called in io threads; must be quick and thread-safe.
class HttpObserver {
 public:
  virtual ~HttpObserver() = default;
  virtual void connections_changed(int /*by*/) {}
  virtual void rejected(RejectReason /*reason*/) {}
  virtual void responded(int /*status*/, double /*seconds*/) {}
};

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the system chooses
  int io_threads = 1;
  Limits limits;
  std::vector<TextPair> headers;  // of every response
};

class HttpServer {
 public:
  // `check` and `handler` are called in io threads. `observer` must outlive the server; may be null.
  HttpServer(HttpOptions options, HeadCheck check, Handler handler, HttpObserver* observer = nullptr);
  ~HttpServer();  // stops at once
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens and begins to answer. Throws Error(kUsage, "serve.bad_address"), Error(kResource, "serve.port_in_use") or
  // Error(kResource, "serve.cannot_listen").
  void start();
  std::uint16_t port() const;  // after start()

  // Takes no new connections, accepts those that clients have made already and closes the listener; only then do answers
  // say "Connection: close", so that a client that comes again is refused instead of cut off. Requests that arrive on open
  // connections are still answered; connections that stay silent for `grace` are closed.
  void drain(Clock::duration grace);
  int open_connections() const;  // without those that have had their last answer
  bool is_drained() const;       // after drain(): nobody listens, and no connection is open
  // Closes all connections, also those that are being accepted; requests in work are told to stop. Returns when that is
  // done. Not for handlers.
  void close_all();
  int lost() const;  // accepted requests that close_all() left without their whole answer
  // close_all(), then joins the threads. Answers that come later are dropped.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::serve
