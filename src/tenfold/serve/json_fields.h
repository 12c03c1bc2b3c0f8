// SPDX-License-Identifier: Apache-2.0
// A client's JSON object or query into the fields of an options struct: strict types, ranges, unknown keys refused, and no
// path of the server within reach.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/serve/http.h"

namespace tenfold::serve {

inline constexpr std::string_view kUploadPrefix = "upload:";
inline constexpr std::string_view kRunPrefix = "run:";

// A request body: strict JSON (io/json.h) within the limits. Throws HttpError(413) for size, depth and number of values,
// Error(kData) with the code of parse_json otherwise.
nlohmann::json parse_request_json(std::string_view body, const Limits& limits);

// Turns what a client may write for a field that names a file into the path that the verb gets.
using ResolveFile = std::function<std::string(const config::BoundField& field, const std::string& value)>;

// Sets the fields named in `object`, nested or with dots. Throws Error(kConfig): "config.unknown_key", "config.bad_value",
// "config.out_of_range", "config.not_a_choice", and HttpError(403, "serve.file_field") for a field whose file a client may
// not choose. `resolve` may be empty: then no file field can be set.
void apply_json(const config::Fields& fields, const nlohmann::json& object, const ResolveFile& resolve);

// The same from texts, as on the command line.
void apply_query(const config::Fields& fields,
                 const std::vector<TextPair>& query,
                 const ResolveFile& resolve);

// Ranges with FieldInfo::served_max, required fields. Throws Error(kConfig).
void check_served(const config::Fields& fields);

// The JSON schema of what apply_json takes, for openapi.h. Fields that clients may not set are left out.
std::string served_schema(const config::Fields& fields, std::string_view title);

}  // namespace tenfold::serve
