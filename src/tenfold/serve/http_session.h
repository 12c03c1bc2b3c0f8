// SPDX-License-Identifier: Apache-2.0
// One connection. Everything of a Session happens in its io thread; Exchange and EventStream bring calls of other threads
// there. Only http_server.cc includes this.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tenfold/serve/http.h"
#include "tenfold/serve/http_parser.h"

namespace tenfold::serve {

class Session;

// What all connections of a server share.
struct HttpShared {
  HttpOptions options;
  HeadCheck check;
  Handler handler;
  HttpObserver* observer = nullptr;
  BodyBudget budget;
  std::string fixed_headers;  // of every response, with line ends
  std::atomic<int> connections{0};
  std::atomic<int> refusals{0};   // connections beyond the limit that are being told
  std::atomic<int> lingering{0};  // answered for the last time, waiting for the client to close
  std::atomic<int> streams{0};
  std::atomic<bool> draining{false};
  std::atomic<Clock::rep> drain_grace{0};  // before `draining`
  std::atomic<bool> closing{false};        // a connection that begins now ends at once
  std::atomic<bool> stopped{false};        // no io thread runs any more: nothing may be handed to one
  std::atomic<int> lost{0};                // accepted requests whose connection abandon() has closed
};

// An io thread's loop and the connections that live in it.
struct IoLoop {
  boost::asio::io_context context{1};
  std::set<Session*> sessions;  // touched in the loop's thread only
};

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

class SessionExchange;
class SessionStream;

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `counted`: the connection is one of Limits::connections; otherwise it is only told why it is refused.
  Session(Socket socket, std::shared_ptr<IoLoop> loop, std::shared_ptr<HttpShared> shared, bool counted);

  void start();
  void drain(Clock::duration grace);
  void close();
  void abandon();  // close(), and counts a request that was accepted and has not got all of its answer

  // By Exchange and EventStream, in the io thread.
  void answer(const std::shared_ptr<SessionExchange>& exchange, Response response);
  void limit_deadline(const std::shared_ptr<SessionExchange>& exchange, Clock::time_point when);
  void begin_stream(const std::shared_ptr<SessionExchange>& exchange, std::shared_ptr<SessionStream> stream);
  void pump_stream();

  Executor executor() { return loop_->context.get_executor(); }
  HttpShared& shared() { return *shared_; }

 private:
  enum class State { kWaiting, kReading, kHandling, kWriting, kStreaming, kLingering, kClosed };

  void wait_for_request();
  void read();
  void on_readable();
  void process_buffer();
  bool judge_head();
  void dispatch();
  void refuse(RejectReason reason, const Error& error);
  void write(Response response, bool keep);
  void on_written(const boost::system::error_code& failure, bool keep);
  void linger();
  void arm(Clock::time_point when);
  void on_timer();
  void on_timeout();
  void write_stream(std::string bytes, bool last);
  void count_request(int status);

  Socket socket_;
  std::shared_ptr<IoLoop> loop_;
  std::shared_ptr<HttpShared> shared_;
  const bool counted_;
  Timer timer_;
  std::optional<Clock::time_point> armed_;  // when the running timer fires
  Clock::time_point due_;                   // when something must happen; the timer may fire earlier
  State state_ = State::kWaiting;

  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  bool reading_ = false;
  std::size_t discarded_ = 0;

  std::optional<RequestParser> parser_;
  bool head_judged_ = false;
  bool accepted_ = false;      // the request was handed over
  bool head_request_ = false;  // HEAD: a response without its body
  Clock::time_point begun_;
  std::string client_;
  std::string peer_;

  std::weak_ptr<SessionExchange> exchange_;
  std::shared_ptr<SessionStream> stream_;
  bool stream_writing_ = false;
  bool chunked_ = false;
  std::string out_head_, out_body_;
};

}  // namespace tenfold::serve
