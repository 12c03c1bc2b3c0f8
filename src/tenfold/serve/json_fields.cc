// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/json_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/strings.h"
#include "tenfold/config/schema.h"
#include "tenfold/io/json.h"
#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

using config::BoundField;
using config::FileUse;
using nlohmann::json;

constexpr std::size_t kLongestKey = 128;
constexpr std::string_view kOrigin = "request";

[[noreturn]] void throw_type(const BoundField& field, const json& value) {
  throw Error(ErrorClass::kConfig,
              "config.bad_value",
              {.what = fmt::format("{}: {} has the wrong type", kOrigin, field.path),
               .seen = printable(value.dump(-1, ' ', true), 60),
               .wanted = config::type_name(field.ref),
               .remedy = fmt::format("{} is: {}", field.path, field.info.help)});
}

bool read(const json& value, bool& target) {
  if (!value.is_boolean()) return false;
  target = value.get<bool>();
  return true;
}
bool read(const json& value, std::int64_t& target) {
  // 1e3 is an integer as JSON schema has it; 2^63 and more is none here.
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) return false;
    target = static_cast<std::int64_t>(number);
    return true;
  }
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) return false;
  target = value.get<std::int64_t>();
  return true;
}
bool read(const json& value, double& target) {
  if (!value.is_number()) return false;
  target = value.get<double>();
  return true;
}
bool read(const json& value, std::string& target) {
  if (!value.is_string()) return false;
  target = value.get<std::string>();
  return true;
}
bool read(const json& value, std::optional<double>& target) {
  if (value.is_null()) {
    target.reset();
    return true;
  }
  double number = 0.0;
  if (!read(value, number)) return false;
  target = number;
  return true;
}
template <typename Item>
bool read(const json& value, std::vector<Item>& target) {
  if (!value.is_array()) return false;
  std::vector<Item> items;
  for (const json& element : value) {
    Item item{};
    if (!read(element, item)) return false;
    items.push_back(std::move(item));
  }
  target = std::move(items);
  return true;
}

// What a client may write for a field that names a file, for messages.
std::string file_form(FileUse use) {
  if (use == FileUse::kRead) return "upload:ID of a file sent to /api/uploads";
  if (use == FileUse::kRunFolder) return "run:NAME of a run of /api/runs";
  if (use == FileUse::kWrite) return "a name without folders";
  return "no value";
}

[[noreturn]] void throw_file(const BoundField& field) {
  throw HttpError(403,
                  "serve.file_field",
                  {.what = fmt::format("{} names a file of the server", field.path),
                   .seen = "a value from a client",
                   .wanted = file_form(field.info.file),
                   .remedy = "leave it out, or write what is wanted"});
}

// Lets `resolve` turn the client's word into a path, or refuses. What the field held before (`own`: a default, or a value of
// the server) may be sent back as it is.
void resolve_files(const BoundField& field, const std::string& own, const ResolveFile& resolve) {
  if (field.info.file == FileUse::kNone || config::to_toml_value(field.ref) == own) return;
  const bool closed = field.info.file == FileUse::kRuns || field.info.file == FileUse::kRunProgram;
  if (!resolve || closed) throw_file(field);
  if (auto* const* one = std::get_if<std::string*>(&field.ref)) {
    if (!(*one)->empty()) **one = resolve(field, **one);
  } else if (auto* const* list = std::get_if<std::vector<std::string>*>(&field.ref)) {
    for (std::string& value : **list) value = resolve(field, value);
  } else {
    throw_file(field);
  }
}

[[noreturn]] void throw_unknown(const config::Fields& fields, const std::string& path) {
  config::throw_unknown_key(fields, std::string_view(path).substr(0, kLongestKey), kOrigin);
}

void apply_object(const config::Fields& fields,
                  const json& object,
                  const std::string& prefix,
                  const ResolveFile& resolve) {
  for (const auto& [key, value] : object.items()) {
    const std::string path = prefix + key;
    if (path.size() > kLongestKey) throw_unknown(fields, path);
    if (const BoundField* field = fields.find(path)) {
      const std::string own = config::to_toml_value(field->ref);
      const bool fits =
          std::visit([&value = value](auto* target) { return read(value, *target); }, field->ref);
      if (!fits) throw_type(*field, value);
      config::check(*field, kOrigin);
      resolve_files(*field, own, resolve);
      continue;
    }
    const std::vector<std::string> names = fields.paths();
    const bool table =
        value.is_object() && std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return name.starts_with(path + ".");
        });
    if (!table) throw_unknown(fields, path);
    apply_object(fields, value, path + ".", resolve);
  }
}

void check_most(const BoundField& field, double value) {
  if (value <= field.info.served_max) return;
  throw Error(ErrorClass::kConfig,
              "config.out_of_range",
              {.what = fmt::format("{}: {} is more than a server takes", kOrigin, field.path),
               .seen = fmt::format("{}", value),
               .wanted = fmt::format("at most {}", field.info.served_max),
               .remedy = "use the command line for more"});
}

std::string file_pattern(FileUse use) {
  if (use == FileUse::kRead) return "^(upload:[0-9a-f]{32})?$";
  if (use == FileUse::kRunFolder) return "^run:.+$";
  return "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
}

// What a client may do with a field, as schema; false: nothing.
bool describe_file(const BoundField& field, json& schema) {
  if (field.info.file == FileUse::kNone) return true;
  if (field.info.file == FileUse::kRuns || field.info.file == FileUse::kRunProgram) return false;
  json& element = schema.contains("items") ? schema["items"] : schema;
  element["pattern"] = file_pattern(field.info.file);
  return true;
}

json* find_property(json& schema, const std::string& path, json** parent, std::string& name) {
  json* node = &schema;
  const std::vector<std::string> parts = split(path, '.');
  for (const std::string& part : parts) {
    *parent = &(*node)["properties"];
    node = &(**parent)[part];
    name = part;
  }
  return node;
}

}  // namespace

json parse_request_json(std::string_view body, const Limits& limits) {
  io::JsonLimits json_limits;
  json_limits.max_bytes = static_cast<std::size_t>(limits.json_bytes);
  json_limits.max_depth = static_cast<std::size_t>(limits.json_depth);
  try {
    return io::parse_json(body, "request", json_limits);
  } catch (const Error& error) {
    const bool size = error.code() == "json.too_large" || error.code() == "json.too_deep" ||
                      error.code() == "json.too_many_nodes";
    if (size) throw HttpError(413, error.code(), error.text());
    throw;
  }
}

void apply_json(const config::Fields& fields, const json& object, const ResolveFile& resolve) {
  if (!object.is_object()) {
    throw Error(ErrorClass::kConfig,
                "config.bad_value",
                {.what = "the body of the request is not an object",
                 .seen = object.type_name(),
                 .wanted = "one JSON object of options",
                 .remedy = "see /api/openapi.json"});
  }
  apply_object(fields, object, "", resolve);
}

void apply_query(const config::Fields& fields,
                 const std::vector<TextPair>& query,
                 const ResolveFile& resolve) {
  for (const auto& [key, value] : query) {
    const BoundField* field = key.size() > kLongestKey ? nullptr : fields.find(key);
    if (field == nullptr) throw_unknown(fields, key);
    const std::string own = config::to_toml_value(field->ref);
    config::set_from_text(*field, value, kOrigin);
    config::check(*field, kOrigin);
    resolve_files(*field, own, resolve);
  }
}

void check_served(const config::Fields& fields) {
  config::check_all(fields);
  for (const BoundField& field : fields.all()) {
    std::visit(
        [&](const auto* value) {
          using Value = std::decay_t<decltype(*value)>;
          if constexpr (std::is_same_v<Value, std::int64_t> || std::is_same_v<Value, double>) {
            check_most(field, static_cast<double>(*value));
          } else if constexpr (std::is_same_v<Value, std::optional<double>>) {
            if (*value) check_most(field, **value);
          } else if constexpr (std::is_same_v<Value, std::vector<std::int64_t>> ||
                               std::is_same_v<Value, std::vector<double>>) {
            for (const auto item : *value) check_most(field, static_cast<double>(item));
          }
        },
        field.ref);
  }
}

std::string served_schema(const config::Fields& fields, std::string_view title) {
  json schema = json::parse(config::to_json_schema(fields, title));
  schema.erase("$schema");
  for (const BoundField& field : fields.all()) {
    json* parent = nullptr;
    std::string name;
    json* property = find_property(schema, field.path, &parent, name);
    if (!describe_file(field, *property)) {
      parent->erase(name);
      continue;
    }
    if (std::isfinite(field.info.served_max)) {
      json& element = property->contains("items") ? (*property)["items"] : *property;
      element["maximum"] = std::min(field.info.served_max, element.value("maximum", field.info.served_max));
    }
  }
  return schema.dump();
}

}  // namespace tenfold::serve
