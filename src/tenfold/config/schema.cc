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

}  // namespace

std::string to_json_schema(const Fields& fields, std::string_view title) {
  Json schema;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = title;
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  schema["properties"] = Json::object();
  for (const BoundField& field : fields.all()) nested(schema, field.path, "properties") = property(field);
  Json required = Json::array();
  for (const BoundField& field : fields.all()) {
    if (field.info.required && field.path.find('.') == std::string::npos) required.push_back(field.path);
  }
  if (!required.empty()) schema["required"] = required;
  return schema.dump(2);
}

std::string to_json(const Fields& fields) {
  Json values = Json::object();
  for (const BoundField& field : fields.all()) nested(values, field.path, "") = value_json(field.ref);
  return values.dump(2);
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
