// SPDX-License-Identifier: Apache-2.0
// One request from bytes: Boost.Beast's parser filling a Request, with limits on lines and on memory while reading.
// Only http_session.cc and the fuzz harness include this.
#pragma once

#include <atomic>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "tenfold/serve/errors.h"
#include "tenfold/serve/http.h"

namespace tenfold::serve {

// Bytes of request bodies in the process. A body is counted from its first byte until the request is gone.
class BodyBudget {
 public:
  explicit BodyBudget(std::int64_t limit = 0) : limit_(limit) {}
  void set_limit(std::int64_t bytes) { limit_ = bytes; }  // before use
  bool take(std::int64_t bytes);                          // false: over the limit, nothing taken
  void give(std::int64_t bytes) { used_ -= bytes; }
  std::int64_t used() const { return used_; }

 private:
  std::int64_t limit_;
  std::atomic<std::int64_t> used_{0};
};

// A part of the budget, given back by the destructor.
class BodyShare {
 public:
  explicit BodyShare(BodyBudget& budget) : budget_(&budget) {}
  BodyShare(BodyShare&& other) noexcept;
  BodyShare& operator=(BodyShare&&) = delete;
  ~BodyShare() { budget_->give(bytes_); }
  bool grow(std::int64_t bytes);

 private:
  BodyBudget* budget_;
  std::int64_t bytes_ = 0;
};

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  RequestParser(const Limits& limits, BodyBudget& budget);
  ~RequestParser() override = default;

  // Feeds bytes; returns how many were used. Stops after the headers (head_done()) and at the end (done()). Throws
  // HttpError with the status of the limit or 400 "http.malformed".
  std::size_t feed(std::string_view bytes);

  bool head_done() const { return is_header_done(); }
  bool done() const { return is_done(); }
  // After the headers: at most so many bytes of body. Throws HttpError(413) when the announced length is beyond it.
  void set_body_limit(std::size_t bytes);
  bool has_body() const;  // after the headers: some was announced

  bool wants_continue() const { return wants_continue_; }
  bool http11() const { return http11_; }
  Request& request() { return request_; }
  BodyShare take_share() { return std::move(share_); }
  RejectReason reason() const { return reason_; }  // of the error thrown

 private:
  using error_code = boost::beast::error_code;
  using text = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, text method, text target, int version, error_code&) override;
  void on_response_impl(int, text, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field, text name, text value, error_code& failure) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(text bytes, error_code& failure) override;
  void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text bytes, error_code& failure) override;
  void on_finish_impl(error_code&) override {}

  bool waits_for_last_chunk(std::string_view bytes) const;
  void check_head_size(std::size_t parsed, std::size_t waiting);
  [[noreturn]] void fail(const error_code& failure);
  [[noreturn]] void fail(RejectReason reason, HttpError error);

  const Limits& limits_;
  BodyShare share_;
  Request request_;
  std::int64_t lines_ = 0;
  std::int64_t head_bytes_ = 0;
  bool wants_continue_ = false;
  bool http11_ = false;
  bool over_memory_ = false;
  bool over_lines_ = false;
  RejectReason reason_ = RejectReason::kMalformed;
};

}  // namespace tenfold::serve
