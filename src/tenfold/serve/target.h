// SPDX-License-Identifier: Apache-2.0
// The request target (RFC 9112, origin form): decoded once, strictly. What could be read in two ways is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenfold/serve/http.h"

namespace tenfold::serve {

// Fills path and query of `request` from its target. Throws HttpError(400): "http.bad_target" (not in origin form),
// "http.bad_escape", "http.bad_path" (an empty, "." or ".." segment, an encoded slash, a backslash, a control character,
// not UTF-8), "http.bad_query".
void parse_target(Request& request);

// "%41+b" -> "A b" (`plus_is_space`). Throws as above.
std::string percent_decode(std::string_view text, bool plus_is_space);

// The segments of a decoded path: "/a/b" -> {"a", "b"}, "/" -> {}.
std::vector<std::string_view> segments(std::string_view path);

}  // namespace tenfold::serve
