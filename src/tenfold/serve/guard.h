// SPDX-License-Identifier: Apache-2.0
// Who may ask: defences against other pages in the user's browser (Host, Origin, Sec-Fetch-Site) and a token for everyone
// who is not on this machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/serve/http.h"

namespace tenfold::serve {

inline constexpr std::size_t kLeastTokenBytes = 16;
inline constexpr std::string_view kTokenCookie = "tenfold_token";

struct GuardOptions {
  std::vector<std::string>
      hosts;          // names this server answers to, without port: "localhost", "127.0.0.1", "[::1]"
  std::string token;  // empty: none is asked for
};

bool is_loopback(std::string_view address);  // 127.0.0.0/8 or ::1

// The hosts of a server on `address`: loopback has three names; `more` are allowed too. An address of all interfaces
// (0.0.0.0, ::) has no name of its own.
std::vector<std::string> allowed_hosts(const std::string& address, const std::vector<std::string>& more);

class Guard {
 public:
  // Throws Error(kUsage): "serve.short_token", "serve.bad_token" (characters that no header can carry).
  explicit Guard(GuardOptions options);

  // Throws HttpError: 400 "http.bad_host" or 403 "http.wrong_host" (DNS rebinding), 403 "http.cross_origin", 416
  // "http.range".
  void check_origin(const Request& request) const;
  // Throws HttpError(401, "http.token"). The token comes as "Authorization: Bearer ..." or in the cookie.
  void check_token(const Request& request) const;
  // For the page: `?token=...` with the right token. The caller then sets the cookie.
  bool is_login(const Request& request) const;
  std::string login_cookie() const;
  bool has_token() const { return !options_.token.empty(); }

 private:
  bool is_own_host(std::string_view host) const;
  bool is_token(std::string_view text) const;

  GuardOptions options_;
};

// Sent with every response: CSP without inline script, no sniffing, no framing, no referrer.
std::vector<TextPair> security_headers();

}  // namespace tenfold::serve
