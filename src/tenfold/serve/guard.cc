// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/guard.h"

#include <algorithm>

#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

// "localhost:8010" -> "localhost", "[::1]:80" -> "[::1]". Empty when the rest is not a port.
std::string_view without_port(std::string_view host) {
  const std::size_t bracket = host.starts_with("[") ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return {};
  const std::size_t colon = host.find(':', bracket);
  if (colon == std::string_view::npos) return host;
  const auto port = parse_integer(host.substr(colon + 1));
  return port && *port > 0 && *port < 65536 ? host.substr(0, colon) : std::string_view();
}

std::string_view cookie_value(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    const std::string_view pair = trim(cookies.substr(0, end));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
  }
  return {};
}

[[noreturn]] void refuse_origin(std::string_view seen) {
  throw HttpError(403,
                  "http.cross_origin",
                  {.what = "another web site may not use this server",
                   .seen = printable(seen),
                   .wanted = "a request of the page that this server sent",
                   .remedy = "open the address of the server itself"});
}

}  // namespace

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1";
}

std::vector<std::string> allowed_hosts(const std::string& address, const std::vector<std::string>& more) {
  std::vector<std::string> hosts;
  if (is_loopback(address)) hosts = {"localhost", "127.0.0.1", "[::1]"};
  const bool all = address == "0.0.0.0" || address == "::";
  if (!all) hosts.push_back(address.find(':') == std::string::npos ? address : "[" + address + "]");
  for (const std::string& host : more) hosts.push_back(to_lower(host));
  return hosts;
}

Guard::Guard(GuardOptions options) : options_(std::move(options)) {
  const std::string& token = options_.token;
  if (!token.empty() && token.size() < kLeastTokenBytes) {
    throw Error(ErrorClass::kUsage,
                "serve.short_token",
                {.what = "the token is too short",
                 .seen = std::to_string(token.size()) + " characters",
                 .wanted = "at least " + std::to_string(kLeastTokenBytes),
                 .remedy = "make one with: openssl rand -hex 16"});
  }
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
  if (!plain) {
    throw Error(ErrorClass::kUsage,
                "serve.bad_token",
                {.what = "the token has characters that cannot be sent everywhere",
                 .wanted = "letters, digits, - and _",
                 .remedy = "make one with: openssl rand -hex 16"});
  }
}

bool Guard::is_own_host(std::string_view host) const {
  const std::string name = to_lower(without_port(host));
  return std::find(options_.hosts.begin(), options_.hosts.end(), name) != options_.hosts.end();
}

void Guard::check_origin(const Request& request) const {
  const std::string_view host = request.header("host");
  if (host.empty()) {
    throw HttpError(400,
                    "http.bad_host",
                    {.what = "the request does not name its host", .remedy = "send the header Host"});
  }
  if (!is_own_host(host)) {
    throw HttpError(403,
                    "http.wrong_host",
                    {.what = "the request is meant for another host",
                     .seen = printable(host),
                     .wanted = "one of " + join(options_.hosts, ", "),
                     .remedy = "use the address of the server, or start it with --allow-host NAME"});
  }
  const std::string_view origin = request.header("origin");
  if (!origin.empty()) {
    const bool http = origin.starts_with("http://") || origin.starts_with("https://");
    const std::string_view from = http ? origin.substr(origin.find("//") + 2) : std::string_view();
    if (to_lower(from) != to_lower(host)) refuse_origin(origin);
  }
  // Browsers say where a request comes from even where they send no Origin (images, scripts, links). A link to the page
  // itself is fine.
  const std::string_view site = request.header("sec-fetch-site");
  const bool link = request.header("sec-fetch-mode") == "navigate" && request.path == "/";
  if (!site.empty() && site != "same-origin" && site != "none" && !link) refuse_origin(site);
  const std::string_view range = request.header("range");
  if (!range.empty() && range != "bytes=0-") {
    throw HttpError(416,
                    "http.range",
                    {.what = "parts of a resource are not served",
                     .seen = printable(range),
                     .wanted = "no header Range",
                     .remedy = "ask for the whole"});
  }
}

bool Guard::is_token(std::string_view text) const {
  // Of hashes, so that the time of the comparison says nothing about the token.
  return sha256_hex(text) == sha256_hex(options_.token);
}

void Guard::check_token(const Request& request) const {
  if (options_.token.empty()) return;
  const std::string_view authorization = request.header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  const bool bearer = to_lower(authorization.substr(0, kBearer.size())) == kBearer;
  if (bearer && is_token(authorization.substr(kBearer.size()))) return;
  const std::string_view cookie = cookie_value(request.header("cookie"), kTokenCookie);
  if (!cookie.empty() && is_token(cookie)) return;
  throw HttpError(
      401,
      "http.token",
      {.what = "this server asks for a token",
       .wanted = "the header Authorization: Bearer TOKEN",
       .remedy = "use the token that the server was started with; in a browser open /?token=TOKEN once"});
}

bool Guard::is_login(const Request& request) const {
  if (options_.token.empty() || request.path != "/") return false;
  const std::string* token = request.parameter("token");
  return token != nullptr && is_token(*token);
}

std::string Guard::login_cookie() const {
  return std::string(kTokenCookie) + "=" + options_.token + "; HttpOnly; SameSite=Strict; Path=/";
}

std::vector<TextPair> security_headers() {
  return {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
       "media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
       "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"}};
}

}  // namespace tenfold::serve
