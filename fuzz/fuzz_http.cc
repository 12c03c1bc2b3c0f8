// SPDX-License-Identifier: Apache-2.0
// Requests as they come from a socket: in one piece and in small ones they give the same request, within the limits, and
// all memory is given back.
#include <algorithm>
#include <optional>

#include "fuzz/harness.h"
#include "tenfold/serve/http_parser.h"
#include "tenfold/serve/target.h"

using namespace tenfold;  // NOLINT: a harness is one file
using fuzz::require;

namespace {

constexpr std::size_t kBodyLimit = 300;

serve::Limits small_limits() {
  serve::Limits limits;
  limits.header_bytes = 600;
  limits.header_lines = 10;
  limits.memory_bytes = 500;
  return limits;
}

// The request in `bytes`, fed in pieces as http_session.cc does; nullopt while it is not whole.
std::optional<serve::Request> read(std::string_view bytes, std::size_t piece, serve::BodyBudget& budget) {
  const serve::Limits limits = small_limits();
  serve::RequestParser parser(limits, budget);
  std::string buffer;
  bool judged = false;
  while (!parser.done()) {
    if (bytes.empty()) return std::nullopt;
    buffer += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (bool moved = true; moved && !buffer.empty() && !parser.done();) {
      const std::size_t used = parser.feed(buffer);
      require(used <= buffer.size(), "no more is used than was given");
      buffer.erase(0, used);
      moved = used > 0;
      if (parser.head_done() && !judged) {
        judged = moved = true;
        serve::parse_target(parser.request());
        if (!parser.done()) parser.set_body_limit(kBodyLimit);
      }
    }
    if (buffer.size() > 4096) return std::nullopt;  // the session gives up
  }
  require(parser.request().headers.size() <= 10, "the lines are limited");
  require(parser.request().body.size() <= kBodyLimit, "the body is limited");
  return std::move(parser.request());
}

void check_path(const serve::Request& request) {
  require(request.path.starts_with("/"), "a path begins with a slash");
  for (std::string_view part : serve::segments(request.path))
    require(!part.empty() && part != "." && part != "..", "no segment leads elsewhere");
  for (char c : request.path)
    require(static_cast<unsigned char>(c) >= 0x20 && c != '\\', "a path is plain text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  const std::size_t piece = 1 + data[0] % 7;
  serve::BodyBudget budget(500);
  std::optional<serve::Request> whole, parts;
  const bool whole_good = fuzz::accepts([&] { whole = read(bytes, bytes.size() + 1, budget); });
  const bool parts_good = fuzz::accepts([&] { parts = read(bytes, piece, budget); });
  require(budget.used() == 0, "all memory is given back");
  if (whole) check_path(*whole);
  if (!whole_good || !parts_good || !whole || !parts) return 0;
  require(whole->method == parts->method && whole->target == parts->target, "pieces change no request line");
  require(whole->headers == parts->headers && whole->body == parts->body,
          "pieces change no header and no body");
  return 0;
}
