// SPDX-License-Identifier: Apache-2.0
#include "tenfold/config/schema.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"

namespace tenfold::config {
namespace {

using Json = nlohmann::ordered_json;

Json value_json(const FieldRef& ref) {
  return std::visit(
      [](const auto* value) -> Json {
        if constexpr (std::is_same_v<decltype(value), const std::optional<double>*>) {
          return *value ? Json(**value) : Json(nullptr);
        } else {
          return Json(*value);
        }
      },
      ref);
}

// JSON type of one element and whether the field is a list of them.
std::pair<std::string, bool> json_type(const FieldRef& ref) {
  static constexpr std::pair<std::string_view, bool> kTypes[] = {{"boolean", false},
                                                                 {"integer", false},
                                                                 {"number", false},
                                                                 {"string", false},
                                                                 {"number", false},
                                                                 {"integer", true},
                                                                 {"number", true},
                                                                 {"string", true}};
  static_assert(std::size(kTypes) == std::variant_size_v<FieldRef>);
  return {std::string(kTypes[ref.index()].first), kTypes[ref.index()].second};
}

Json property(const BoundField& field) {
  const auto [type, is_list] = json_type(field.ref);
  Json element;
  element["type"] = type;
  if (std::holds_alternative<std::optional<double>*>(field.ref)) element["type"] = {type, "null"};
  if (std::isfinite(field.info.min)) element["minimum"] = field.info.min;
  if (std::isfinite(field.info.max)) element["maximum"] = field.info.max;
  if (!field.info.choices.empty()) {
    element["enum"] = field.info.choices;
    // An empty text means "not chosen" when the field is not required.
    if (!is_list && !field.info.required) element["enum"].push_back("");
  }
  Json result;
  if (is_list) {
    result["type"] = "array";
    result["items"] = element;
  } else {
    result = element;
  }
  result["description"] =
      field.info.unit.empty() ? field.info.help : field.info.help + " [" + field.info.unit + "]";
  result["default"] = value_json(field.ref);
  return result;
}

Json& nested(Json& root, const std::string& path, std::string_view children) {
  Json* node = &root;
  const std::vector<std::string> parts = split(path, '.');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    Json& child = children.empty() ? (*node)[parts[i]] : (*node)[std::string(children)][parts[i]];
    if (!children.empty() && child.is_null()) {
      child["type"] = "object";
      child["additionalProperties"] = false;
    }
    node = &child;
  }
  return children.empty() ? (*node)[parts.back()] : (*node)[std::string(children)][parts.back()];
}

// Puts the field, and each table it stands in, into the list "required" of the object around it.
void require(Json& schema, const std::string& path) {
  Json* node = &schema;
  for (const std::string& part : split(path, '.')) {
    Json& required = (*node)["required"];
    const bool listed = std::any_of(required.begin(), required.end(), [&](const Json& name) {
      return name.get_ref<const std::string&>() == part;
    });
    if (!listed) required.push_back(part);
    node = &(*node)["properties"][part];
  }
}

// A text that is not UTF-8 (set by a program, no parser lets it in) must not end in a foreign exception.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_json_schema(const Fields& fields, std::string_view title) {
  Json schema;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = title;
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  schema["properties"] = Json::object();
  for (const BoundField& field : fields.all()) nested(schema, field.path, "properties") = property(field);
  for (const BoundField& field : fields.all()) {
    if (field.info.required) require(schema, field.path);
  }
  return dump(schema);
}

std::string to_json(const Fields& fields) {
  Json values = Json::object();
  for (const BoundField& field : fields.all()) nested(values, field.path, "") = value_json(field.ref);
  return dump(values);
}

std::string hash(const Fields& fields) {
  std::vector<std::string> lines;
  for (const BoundField& field : fields.all()) {
    if (field.info.affects_result) lines.push_back(field.path + "=" + to_toml_value(field.ref));
  }
  std::sort(lines.begin(), lines.end());
  return sha256_hex(join(lines, "\n")).substr(0, 16);
}

}  // namespace tenfold::config
