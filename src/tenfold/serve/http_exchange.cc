// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/http_exchange.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

constexpr std::size_t kMostWaitingBytes = std::size_t{1}
                                          << 20;  // a client that reads slower loses the stream

// A field of an event must not hold a line end.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (char c : value) {
    if (c != '\n' && c != '\r' && c != '\0') out += c;
  }
  out += '\n';
}

std::string format_event(std::string_view event, std::string_view data, std::string_view id) {
  std::string text;
  text.reserve(data.size() + event.size() + id.size() + 32);
  if (!id.empty()) append_field(text, "id", id);
  if (!event.empty()) append_field(text, "event", event);
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(data.find('\n', begin), data.size());
    append_field(text, "data", data.substr(begin, end - begin));
    if (end == data.size()) break;
    begin = end + 1;
  }
  text += '\n';
  return text;
}

// Ends the stream when the last user lets go of it.
class StreamHandle final : public EventStream {
 public:
  explicit StreamHandle(std::shared_ptr<SessionStream> stream) : stream_(std::move(stream)) {}
  ~StreamHandle() override { stream_->close(); }
  bool send(std::string_view event, std::string_view data, std::string_view id) override {
    return stream_->send(event, data, id);
  }
  void close() override { stream_->close(); }

 private:
  std::shared_ptr<SessionStream> stream_;
};

}  // namespace

SessionStream::SessionStream(std::shared_ptr<Session> session) : session_(std::move(session)) {
  ++session_->shared().streams;
}

SessionStream::~SessionStream() = default;

bool SessionStream::send(std::string_view event, std::string_view data, std::string_view id) {
  std::string text = format_event(event, data, id);
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr || closed_) return false;
  if (waiting_.size() + text.size() > kMostWaitingBytes) {
    closed_ = true;
    wake();
    return false;
  }
  waiting_ += text;
  wake();
  return true;
}

void SessionStream::close() {
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr || closed_) return;
  closed_ = true;
  wake();
}

void SessionStream::wake() {
  if (woken_) return;
  woken_ = true;
  if (session_->shared().stopped) return;
  boost::asio::post(session_->executor(), [session = session_] { session->pump_stream(); });
}

std::string SessionStream::take(bool& finished) {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  finished = closed_;
  return std::exchange(waiting_, {});
}

void SessionStream::client_gone() {
  std::shared_ptr<Session> last;  // released outside of the lock
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr) return;
  --session_->shared().streams;
  last = std::move(session_);
  session_ = nullptr;
}

std::shared_ptr<EventStream> SessionStream::make_handle(std::shared_ptr<SessionStream> stream) {
  return std::make_shared<StreamHandle>(std::move(stream));
}

SessionExchange::SessionExchange(std::shared_ptr<Session> session, Request request, BodyShare share)
    : session_(std::move(session)),
      request_(std::move(request)),
      share_(std::move(share)),
      deadline_(request_.deadline.time_since_epoch().count()) {}

SessionExchange::~SessionExchange() {
  if (answered_.exchange(true) || session_->shared().stopped) return;
  Response response = error_response(
      Error(ErrorClass::kInternal, "internal.no_answer", {.what = "the server gave no answer"}),
      request_.path);
  boost::asio::post(session_->executor(), [session = session_, answer = std::move(response)]() mutable {
    session->answer(nullptr, std::move(answer));
  });
}

void SessionExchange::respond(Response response) {
  if (answered_.exchange(true) || session_->shared().stopped) return;
  boost::asio::dispatch(session_->executor(),
                        [self = shared_from_this(), answer = std::move(response)]() mutable {
                          self->session_->answer(self, std::move(answer));
                        });
}

std::shared_ptr<EventStream> SessionExchange::stream() {
  HttpShared& shared = session_->shared();
  if (shared.streams >= shared.options.limits.streams || shared.draining) {
    respond(error_response(HttpError(503,
                                     "serve.too_many_streams",
                                     {.what = "too many clients receive events",
                                      .wanted = "at most " + std::to_string(shared.options.limits.streams),
                                      .remedy = "close another page, or try again later"}),
                           request_.path));
    return nullptr;
  }
  if (answered_.exchange(true) || shared.stopped) return nullptr;
  auto stream = std::make_shared<SessionStream>(session_);
  boost::asio::dispatch(session_->executor(),
                        [self = shared_from_this(), stream] { self->session_->begin_stream(self, stream); });
  return SessionStream::make_handle(std::move(stream));
}

void SessionExchange::limit_deadline(Clock::time_point when) {
  if (when >= deadline() || session_->shared().stopped) return;
  deadline_ = when.time_since_epoch().count();
  boost::asio::dispatch(session_->executor(),
                        [self = shared_from_this(), when] { self->session_->limit_deadline(self, when); });
}

void SessionExchange::on_stop(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

void SessionExchange::request_stop(bool answered) {
  if (answered) answered_ = true;
  stop_.request();
  std::vector<std::function<void()>> callbacks;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    callbacks.swap(callbacks_);
  }
  for (const auto& callback : callbacks) callback();
}

}  // namespace tenfold::serve
