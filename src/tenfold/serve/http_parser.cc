// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/http_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "tenfold/base/strings.h"

namespace tenfold::serve {
namespace {

namespace http = boost::beast::http;

// Headers whose repetition changes what a request means.
constexpr std::string_view kOnce[] = {"host", "content-type", "authorization", "origin", "content-length"};

std::string text_of(boost::beast::string_view text) {
  return std::string(text.data(), text.size());
}

}  // namespace

bool BodyBudget::take(std::int64_t bytes) {
  if (used_.fetch_add(bytes) + bytes <= limit_) return true;
  used_ -= bytes;
  return false;
}

BodyShare::BodyShare(BodyShare&& other) noexcept
    : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}

bool BodyShare::grow(std::int64_t bytes) {
  if (!budget_->take(bytes)) return false;
  bytes_ += bytes;
  return true;
}

RequestParser::RequestParser(const Limits& limits, BodyBudget& budget) : limits_(limits), share_(budget) {
  header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  body_limit(static_cast<std::uint64_t>(std::max(limits.json_bytes, limits.media_bytes)));
}

std::size_t RequestParser::feed(std::string_view bytes) {
  error_code failure;
  std::size_t used = 0;
  while (used < bytes.size() && !done()) {
    if (waits_for_last_chunk(bytes.substr(used))) break;
    const bool head_was_done = head_done();
    const std::size_t step = put({bytes.data() + used, bytes.size() - used}, failure);
    used += step;
    if (!head_was_done) check_head_size(step, head_done() ? 0 : bytes.size() - used);
    if (failure == http::error::need_more) break;
    if (failure) fail(failure);
    if (!head_was_done && head_done()) break;  // the caller decides about the body
    if (step == 0) break;
  }
  return used;
}

// Beast asserts that a last chunk comes with at least five bytes, which is so of a whole one ("0", two line ends) and not
// of one that is on its way.
bool RequestParser::waits_for_last_chunk(std::string_view bytes) const {
  constexpr std::size_t kLastChunk = 5;
  return head_done() && chunked() && bytes.size() < kLastChunk &&
         bytes.find_first_not_of("0\r\n") == std::string_view::npos;
}

// Beast limits the bytes that wait to be parsed, not the sum of the lines it has taken.
void RequestParser::check_head_size(std::size_t parsed, std::size_t waiting) {
  head_bytes_ += static_cast<std::int64_t>(parsed);
  if (head_bytes_ + static_cast<std::int64_t>(waiting) > limits_.header_bytes)
    fail(http::error::header_limit);
}

void RequestParser::set_body_limit(std::size_t bytes) {
  const boost::optional<std::uint64_t> length = content_length();
  if (length && *length > bytes) {
    fail(RejectReason::kBody,
         HttpError(413,
                   "http.body_too_large",
                   {.what = "the body of the request is too large",
                    .seen = fmt::format("{} bytes", *length),
                    .wanted = fmt::format("at most {} bytes", bytes),
                    .remedy = "send less at once"}));
  }
  body_limit(bytes);
  eager(true);
}

bool RequestParser::has_body() const {
  const boost::optional<std::uint64_t> length = content_length();
  return chunked() || (length && *length > 0);
}

void RequestParser::on_request_impl(http::verb, text method, text target, int version, error_code&) {
  http11_ = version >= 11;
  request_.method = text_of(method);
  request_.target = text_of(target);
}

void RequestParser::on_field_impl(http::field, text name, text value, error_code& failure) {
  if (++lines_ > limits_.header_lines) {
    over_lines_ = true;
    failure = http::error::header_limit;
    return;
  }
  if (head_done()) return;  // a trailer
  std::string lower = to_lower(std::string_view(name.data(), name.size()));
  const bool once = std::find(std::begin(kOnce), std::end(kOnce), lower) != std::end(kOnce);
  if (once && std::any_of(request_.headers.begin(), request_.headers.end(), [&](const TextPair& header) {
        return header.first == lower;
      })) {
    failure = http::error::bad_field;
    return;
  }
  if (lower == "expect")
    wants_continue_ = to_lower(std::string_view(value.data(), value.size())) == "100-continue";
  request_.headers.emplace_back(std::move(lower), text_of(value));
}

std::size_t RequestParser::on_body_impl(text bytes, error_code& failure) {
  if (!share_.grow(static_cast<std::int64_t>(bytes.size()))) {
    over_memory_ = true;
    failure = http::error::buffer_overflow;
    return 0;
  }
  std::string& body = request_.body;
  const boost::optional<std::uint64_t> length = content_length();
  // Grows with what arrives, never with what was announced; the last step ends exactly.
  if (length && body.size() + bytes.size() > body.capacity()) {
    body.reserve(std::min<std::size_t>(*length, std::max(2 * body.capacity(), body.size() + bytes.size())));
  }
  body.append(bytes.data(), bytes.size());
  return bytes.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, text bytes, error_code& failure) {
  return on_body_impl(bytes, failure);
}

void RequestParser::fail(RejectReason reason, HttpError error) {
  reason_ = reason;
  throw error;
}

void RequestParser::fail(const error_code& failure) {
  if (over_memory_) {
    fail(RejectReason::kMemory,
         HttpError(503,
                   "http.memory",
                   {.what = "the server holds as many request bytes as it may",
                    .wanted = fmt::format("at most {} bytes together", limits_.memory_bytes),
                    .remedy = "try again in a moment"}));
  }
  if (failure == http::error::body_limit) {
    fail(RejectReason::kBody,
         HttpError(413,
                   "http.body_too_large",
                   {.what = "the body of the request is too large",
                    .wanted = fmt::format("at most {} bytes of JSON, {} bytes of other content",
                                          limits_.json_bytes,
                                          limits_.media_bytes),
                    .remedy = "send less at once"}));
  }
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
    fail(RejectReason::kHeaders,
         HttpError(431,
                   over_lines_ ? "http.too_many_headers" : "http.headers_too_large",
                   {.what = "the headers of the request are too large",
                    .seen = over_lines_ ? fmt::format("more than {} lines", limits_.header_lines) : "",
                    .wanted = fmt::format(
                        "at most {} bytes in {} lines", limits_.header_bytes, limits_.header_lines),
                    .remedy = "send fewer or shorter headers"}));
  }
  fail(RejectReason::kMalformed,
       HttpError(400,
                 "http.malformed",
                 {.what = "the request is not HTTP/1.1",
                  .seen = failure.message(),
                  .wanted = "a request by RFC 9112",
                  .remedy = "use an HTTP client"}));
}

}  // namespace tenfold::serve
