// SPDX-License-Identifier: Apache-2.0
// A state machine per connection: wait, read under limits, hand over, write, and again.
#include "tenfold/serve/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <ctime>
#include <exception>
#include <iterator>

#include "tenfold/serve/http_exchange.h"
#include "tenfold/serve/target.h"

namespace tenfold::serve {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kBufferBytes = std::size_t{16} << 10;
constexpr std::size_t kMostDiscarded = std::size_t{32} << 20;
constexpr Clock::duration kLinger = std::chrono::seconds(2);
constexpr Clock::duration kHeartbeat = std::chrono::seconds(10);

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

// RFC 9110 section 5.6.7, made once a second a thread.
const std::string& date_header() {
  thread_local std::time_t last = -1;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != last) {
    last = now;
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char buffer[64];
    std::strftime(buffer, sizeof buffer, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    text = buffer;
  }
  return text;
}

std::string response_head(
    const Response& response, const HttpShared& shared, bool keep, bool stream, bool chunked) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  if (!response.content_type.empty()) head += "Content-Type: " + response.content_type + "\r\n";
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!stream) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.body.size());
  }
  head += keep ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  for (const auto& [name, value] : response.headers)
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  head += date_header();
  head += shared.fixed_headers;
  head += "\r\n";
  return head;
}

}  // namespace

Session::Session(Socket socket,
                 std::shared_ptr<IoLoop> loop,
                 std::shared_ptr<HttpShared> shared,
                 bool counted)
    : socket_(std::move(socket)),
      loop_(std::move(loop)),
      shared_(std::move(shared)),
      counted_(counted),
      timer_(loop_->context.get_executor()),
      buffer_(std::max<std::size_t>(kBufferBytes,
                                    2 * static_cast<std::size_t>(shared_->options.limits.header_bytes))) {}

void Session::start() {
  loop_->sessions.insert(this);
  if (counted_ && shared_->observer != nullptr) shared_->observer->connections_changed(+1);
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  const auto peer = socket_.remote_endpoint(ignored);
  client_ = peer.address().to_string();
  if (peer.address().is_loopback()) client_ += fmt::format(":{}", peer.port());
  if (shared_->closing) return close();
  if (counted_) {
    wait_for_request();
    return;
  }
  begun_ = Clock::now();
  refuse(RejectReason::kConnections,
         HttpError(503,
                   "serve.too_many_connections",
                   {.what = "too many connections are open",
                    .wanted = fmt::format("at most {}", shared_->options.limits.connections),
                    .remedy = "try again in a moment"}));
}

void Session::wait_for_request() {
  state_ = State::kWaiting;
  parser_.emplace(shared_->options.limits, shared_->budget);
  head_judged_ = false;
  accepted_ = false;
  head_request_ = false;
  Clock::duration idle = to_duration(shared_->options.limits.idle);
  if (shared_->draining) idle = std::min(idle, Clock::duration(shared_->drain_grace));
  arm(Clock::now() + idle);
  if (filled_ > 0) {
    process_buffer();
  } else {
    read();
  }
}

// Waits for bytes instead of reading into the buffer at once: while a request is handled the buffer may move.
void Session::read() {
  if (reading_ || state_ == State::kClosed || filled_ == buffer_.size()) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& failure) {
    self->reading_ = false;
    if (self->state_ == State::kClosed) return;
    if (failure) return self->close();
    self->on_readable();
  });
}

void Session::on_readable() {
  error_code failure;
  const std::size_t count =
      socket_.read_some(asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_), failure);
  if (failure == asio::error::would_block || failure == asio::error::interrupted) return read();
  if (failure) {
    // The end of what the client sends is taken for its end, except while its answer is on the way out.
    if (state_ != State::kWriting) close();
    return;
  }
  switch (state_) {
    case State::kWaiting:
    case State::kReading:
      filled_ += count;
      process_buffer();
      return;
    case State::kHandling:
    case State::kWriting:
      filled_ += count;  // the next request; with a full buffer the watch for the client's end pauses
      if (state_ == State::kHandling) read();
      return;
    case State::kStreaming:
      read();
      return;
    case State::kLingering:
      discarded_ += count;
      if (discarded_ > kMostDiscarded) return close();
      read();
      return;
    case State::kClosed:
      return;
  }
}

void Session::process_buffer() {
  try {
    while (filled_ > 0 && !parser_->done()) {
      if (state_ == State::kWaiting) {
        state_ = State::kReading;
        begun_ = Clock::now();
        arm(begun_ + to_duration(shared_->options.limits.deadline));
      }
      const std::size_t used = parser_->feed({buffer_.data(), filled_});
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(used),
                buffer_.begin() + static_cast<std::ptrdiff_t>(filled_),
                buffer_.begin());
      filled_ -= used;
      if (parser_->head_done() && !head_judged_) {
        if (!judge_head()) return;
      } else if (used == 0) {
        break;
      }
    }
    if (parser_->done()) return dispatch();
    if (filled_ == buffer_.size()) {  // one line of a chunked body that does not end
      throw HttpError(400,
                      "http.malformed",
                      {.what = "the request is not HTTP/1.1",
                       .seen = "a line without an end",
                       .remedy = "use an HTTP client"});
    }
    read();
  } catch (const Error& error) {
    refuse(parser_->reason(), error);
  } catch (const std::bad_alloc&) {
    refuse(
        RejectReason::kMemory,
        HttpError(
            503, "http.memory", {.what = "not enough memory for the request", .remedy = "try again later"}));
  }
}

// After the headers: who may ask, for what, with how large a body. False: it was refused.
bool Session::judge_head() {
  head_judged_ = true;
  Request& request = parser_->request();
  request.begun = begun_;
  request.client = client_;
  if (request.method == "HEAD") {
    head_request_ = true;
    request.method = "GET";
  }
  parse_target(request);
  HeadVerdict verdict = shared_->check(request);
  if (verdict.refusal) {
    if (shared_->observer != nullptr) shared_->observer->rejected(RejectReason::kRefused);
    const bool keep = !parser_->has_body() && parser_->done() && parser_->keep_alive();
    write(std::move(*verdict.refusal), keep);
    return false;
  }
  request.deadline = begun_ + to_duration(verdict.deadline.value_or(shared_->options.limits.deadline));
  if (parser_->done()) return true;
  parser_->set_body_limit(verdict.body_limit);
  if (parser_->wants_continue()) {
    error_code ignored;  // a client that does not get it sends its body after a moment anyway
    socket_.write_some(asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25), ignored);
  }
  return true;
}

void Session::dispatch() {
  state_ = State::kHandling;
  accepted_ = true;
  Request request = std::move(parser_->request());
  arm(request.deadline);
  auto exchange =
      std::make_shared<SessionExchange>(shared_from_this(), std::move(request), parser_->take_share());
  exchange_ = exchange;
  try {
    shared_->handler(exchange);
  } catch (...) {
    exchange->respond(error_response(std::current_exception(), exchange->request().path, Scrubber()));
  }
  exchange.reset();
  if (state_ == State::kHandling) read();  // notices when the client goes
}

void Session::answer(const std::shared_ptr<SessionExchange>& exchange, Response response) {
  if (state_ != State::kHandling || (exchange != nullptr && exchange_.lock() != exchange)) return;
  write(std::move(response), parser_->keep_alive());
}

void Session::limit_deadline(const std::shared_ptr<SessionExchange>& exchange, Clock::time_point when) {
  if (state_ == State::kHandling && exchange_.lock() == exchange) arm(std::min(due_, when));
}

void Session::refuse(RejectReason reason, const Error& error) {
  if (shared_->observer != nullptr) shared_->observer->rejected(reason);
  const std::string path = parser_ ? parser_->request().path : "";
  write(error_response(error, path), false);
}

void Session::count_request(int status) {
  if (shared_->observer == nullptr) return;
  shared_->observer->responded(status, std::chrono::duration<double>(Clock::now() - begun_).count());
}

void Session::write(Response response, bool keep) {
  keep = keep && !response.close && !shared_->draining;
  state_ = State::kWriting;
  count_request(response.status);
  out_head_ = response_head(response, *shared_, keep, false, false);
  out_body_ = head_request_ ? std::string() : std::move(response.body);
  arm(Clock::now() +
      to_duration(shared_->options.limits.deadline +
                  static_cast<double>(out_body_.size()) / shared_->options.limits.reading_rate));
  asio::async_write(socket_,
                    std::array{asio::buffer(out_head_), asio::buffer(out_body_)},
                    [self = shared_from_this(), keep](const error_code& failure, std::size_t) {
                      self->on_written(failure, keep);
                    });
}

void Session::on_written(const error_code& failure, bool keep) {
  if (state_ == State::kClosed) return;
  if (failure) return close();
  std::string().swap(out_body_);
  if (keep) return wait_for_request();
  linger();
}

// Closing with unread bytes would make the system send a reset, which can destroy the answer on its way: so the rest is
// read and thrown away for a moment.
void Session::linger() {
  state_ = State::kLingering;
  if (counted_) ++shared_->lingering;
  parser_.reset();
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  filled_ = 0;
  arm(Clock::now() + kLinger);
  read();
}

void Session::begin_stream(const std::shared_ptr<SessionExchange>& exchange,
                           std::shared_ptr<SessionStream> stream) {
  if (state_ != State::kHandling || exchange_.lock() != exchange) {
    stream->client_gone();
    return;
  }
  state_ = State::kStreaming;
  stream_ = std::move(stream);
  chunked_ = parser_->http11();
  Response response{200, "text/event-stream", "", {{"Cache-Control", "no-store"}}};
  count_request(200);
  filled_ = 0;
  write_stream(response_head(response, *shared_, false, true, chunked_), false);
}

void Session::pump_stream() {
  if (state_ != State::kStreaming || stream_writing_) return;
  bool finished = false;
  const std::string bytes = stream_->take(finished);
  if (bytes.empty() && !finished) {
    arm(Clock::now() + kHeartbeat);
    return;
  }
  std::string out;
  if (!bytes.empty()) out = chunked_ ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : bytes;
  if (finished && chunked_) out += "0\r\n\r\n";
  write_stream(std::move(out), finished);
}

void Session::write_stream(std::string bytes, bool last) {
  stream_writing_ = true;
  out_body_ = std::move(bytes);
  arm(Clock::now() + to_duration(shared_->options.limits.idle));
  asio::async_write(socket_,
                    asio::buffer(out_body_),
                    [self = shared_from_this(), last](const error_code& failure, std::size_t) {
                      self->stream_writing_ = false;
                      if (self->state_ != State::kStreaming) return;
                      if (failure) return self->close();
                      if (!last) {
                        self->read();
                        return self->pump_stream();
                      }
                      self->stream_->client_gone();
                      self->stream_.reset();
                      self->linger();
                    });
}

// The timer is not moved on each request: it fires at the earliest time that was asked for and looks again.
void Session::arm(Clock::time_point when) {
  due_ = when;
  if (armed_ && *armed_ <= when) return;
  armed_ = when;
  timer_.expires_at(when);
  timer_.async_wait([self = shared_from_this(), when](const error_code& failure) {
    if (failure || self->armed_ != when) return;
    self->armed_.reset();
    self->on_timer();
  });
}

void Session::on_timer() {
  if (state_ == State::kClosed) return;
  if (Clock::now() < due_) return arm(due_);
  on_timeout();
}

void Session::on_timeout() {
  switch (state_) {
    case State::kReading:
      return refuse(
          RejectReason::kTimeout,
          HttpError(408,
                    "http.timeout",
                    {.what = "the request did not arrive in time",
                     .wanted = fmt::format("all of it within {} s", shared_->options.limits.deadline),
                     .remedy = "send it faster"}));
    case State::kHandling: {
      const auto exchange = exchange_.lock();
      std::string path = exchange ? exchange->request().path : "";
      if (exchange) exchange->request_stop(true);
      if (shared_->observer != nullptr) shared_->observer->rejected(RejectReason::kTimeout);
      return write(
          error_response(HttpError(503,
                                   "serve.deadline",
                                   {.what = "the answer was not ready within the deadline of the request",
                                    .remedy = "ask for less, or try again when the server is less busy"}),
                         path),
          parser_->keep_alive());
    }
    case State::kStreaming:
      if (stream_writing_) return close();  // the client does not read
      return write_stream(chunked_ ? "c\r\n: heartbeat\n\r\n" : ": heartbeat\n", false);
    default:
      return close();
  }
}

void Session::drain(Clock::duration grace) {
  if (state_ == State::kWaiting) arm(std::min(due_, Clock::now() + grace));
}

void Session::abandon() {
  const bool open = state_ == State::kHandling || state_ == State::kWriting || state_ == State::kStreaming;
  if (open && accepted_) ++shared_->lost;
  close();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  if (counted_ && state_ == State::kLingering) --shared_->lingering;
  state_ = State::kClosed;
  loop_->sessions.erase(this);
  if (counted_) {
    --shared_->connections;
    if (shared_->observer != nullptr) shared_->observer->connections_changed(-1);
  } else {
    --shared_->refusals;
  }
  if (const auto exchange = exchange_.lock()) exchange->request_stop(true);
  if (stream_) {
    stream_->client_gone();
    stream_.reset();
  }
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

}  // namespace tenfold::serve
