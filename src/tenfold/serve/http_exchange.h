// SPDX-License-Identifier: Apache-2.0
// The two objects through which other threads reach a Session: the one answer of a request, and a stream of events.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tenfold/serve/http.h"
#include "tenfold/serve/http_session.h"

namespace tenfold::serve {

class SessionStream final : public EventStream {
 public:
  explicit SessionStream(std::shared_ptr<Session> session);
  ~SessionStream() override;

  bool send(std::string_view event, std::string_view data, std::string_view id = {}) override;
  void close() override;

  // By the session, in its io thread.
  std::string take(bool& finished);  // what waits to be written
  void client_gone();

  // The handle that users hold: its end is the end of the stream. The session holds the stream itself.
  static std::shared_ptr<EventStream> make_handle(std::shared_ptr<SessionStream> stream);

 private:
  void wake();

  std::mutex mutex_;
  std::shared_ptr<Session> session_;  // null once the client is gone
  std::string waiting_;
  bool closed_ = false;
  bool woken_ = false;
};

class SessionExchange final : public Exchange, public std::enable_shared_from_this<SessionExchange> {
 public:
  SessionExchange(std::shared_ptr<Session> session, Request request, BodyShare share);
  ~SessionExchange() override;

  const Request& request() const override { return request_; }
  std::string take_body() override { return std::move(request_.body); }
  void respond(Response response) override;
  std::shared_ptr<EventStream> stream() override;
  Clock::time_point deadline() const override { return Clock::time_point(Clock::duration(deadline_.load())); }
  void limit_deadline(Clock::time_point when) override;
  const StopToken& stop() const override { return stop_; }
  void on_stop(std::function<void()> callback) override;

  // By the session, in its io thread. `answered`: no answer is taken any more.
  void request_stop(bool answered);

 private:
  const std::shared_ptr<Session> session_;
  Request request_;
  BodyShare share_;
  std::atomic<bool> answered_{false};
  std::atomic<Clock::rep> deadline_;
  StopToken stop_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::vector<std::function<void()>> callbacks_;
};

}  // namespace tenfold::serve
