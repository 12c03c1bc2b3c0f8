// SPDX-License-Identifier: Apache-2.0
// Strict JSON (RFC 8259) for text from outside: limits on bytes, depth and nodes, duplicate keys refused, UTF-8 checked.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "tenfold/base/error.h"

namespace tenfold::io {

struct JsonLimits {
  std::size_t max_bytes = std::size_t{16} << 20;
  std::size_t max_depth = 64;         // arrays and objects inside each other; a lone number has depth 0
  std::size_t max_nodes = 1'000'000;  // values, containers included; keys not counted
  ErrorClass error_class = ErrorClass::kData;  // of the errors thrown
};

// One JSON value and nothing after it but white space. `place` begins every message ("manifest.json").
// Throws Error(limits.error_class): "json.too_large", "json.bad_utf8", "json.syntax", "json.duplicate_key",
// "json.too_deep", "json.too_many_nodes", "json.number_too_large".
nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits = {});

}  // namespace tenfold::io
