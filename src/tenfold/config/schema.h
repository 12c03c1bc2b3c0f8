// SPDX-License-Identifier: Apache-2.0
// JSON schema (draft 2020-12), help text and hash from the field list of config/field.h.
#pragma once

#include <string>
#include <string_view>

#include "tenfold/config/field.h"

namespace tenfold::config {

// One JSON object with type, properties, default, minimum, maximum, enum, description; additionalProperties
// false.
std::string to_json_schema(const Fields& fields, std::string_view title);

// The values as one JSON object, nested by the dots of the paths.
std::string to_json(const Fields& fields);

// First 16 hex digits of the SHA-256 of all fields with affects_result, in order of path: the identity of a
// run.
std::string hash(const Fields& fields);

}  // namespace tenfold::config
