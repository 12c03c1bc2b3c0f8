// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/target.h"

#include <algorithm>

#include "tenfold/base/strings.h"
#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

constexpr std::size_t kMostParameters = 64;

[[noreturn]] void fail(std::string code, std::string what, std::string_view seen) {
  throw HttpError(400,
                  std::move(code),
                  {.what = std::move(what),
                   .seen = printable(seen),
                   .wanted = "a path such as /api/trends/fit?until=2010",
                   .remedy = "see /api/openapi.json for all paths"});
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

std::string decode_path(std::string_view raw) {
  std::string path;
  std::size_t begin = 1;  // behind the leading slash
  while (true) {
    const std::size_t end = std::min(raw.find('/', begin), raw.size());
    const std::string segment = percent_decode(raw.substr(begin, end - begin), false);
    const bool root = segment.empty() && raw.size() == 1;
    if (root) return "/";
    if (segment.empty() || segment == "." || segment == ".." ||
        segment.find_first_of("/\\") != std::string::npos || has_control(segment) ||
        !is_valid_utf8(segment)) {
      fail("http.bad_path", "the path of the request is not accepted", raw);
    }
    path += "/" + segment;
    if (end == raw.size()) return path;
    begin = end + 1;
  }
}

std::vector<TextPair> decode_query(std::string_view raw) {
  std::vector<TextPair> query;
  for (const std::string& part : split(raw, '&')) {
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    TextPair pair{percent_decode(part.substr(0, equals), true),
                  equals == std::string::npos ? "" : percent_decode(part.substr(equals + 1), true)};
    if (pair.first.empty() || has_control(pair.first) || has_control(pair.second) ||
        !is_valid_utf8(pair.first) || !is_valid_utf8(pair.second) || query.size() == kMostParameters) {
      fail("http.bad_query", "the query of the request is not accepted", raw);
    }
    query.push_back(std::move(pair));
  }
  return query;
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const bool whole = i + 2 < text.size();
      const int high = whole ? hex_digit(text[i + 1]) : -1;
      const int low = whole ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) fail("http.bad_escape", "an escape of the path is not complete", text);
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> parts;
  std::size_t begin = 1;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void parse_target(Request& request) {
  const std::string_view target = request.target;
  if (target.empty() || target.front() != '/') {
    fail("http.bad_target", "the target of the request is not a path", target);
  }
  if (target.find('#') != std::string_view::npos) {
    fail("http.bad_target", "the target of the request has a fragment", target);
  }
  const std::size_t question = target.find('?');
  request.path = decode_path(target.substr(0, question));
  if (question != std::string_view::npos) request.query = decode_query(target.substr(question + 1));
}

}  // namespace tenfold::serve
