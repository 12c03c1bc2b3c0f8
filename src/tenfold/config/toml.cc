// SPDX-License-Identifier: Apache-2.0
#include "tenfold/config/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::config {
namespace {

constexpr int kDepthLimit = 16;

std::string place(std::string_view origin, const toml::node& node) {
  return fmt::format("{} line {}", origin, node.source().begin.line);
}

[[noreturn]] void throw_type(const BoundField& field, const toml::node& node, std::string_view origin) {
  std::ostringstream kind;
  kind << node.type();
  throw Error(ErrorClass::kConfig,
              "config.bad_value",
              {.what = fmt::format("{}: {} has the wrong type", place(origin, node), field.path),
               .seen = kind.str(),
               .wanted = type_name(field.ref),
               .remedy = fmt::format("{} is: {}", field.path, field.info.help)});
}

// A number field accepts 3 and 3.0; an integer field accepts 3 only.
bool read_scalar(const toml::node& node, bool& value) {
  if (const auto typed = node.value_exact<bool>()) return value = *typed, true;
  return false;
}
bool read_scalar(const toml::node& node, std::int64_t& value) {
  if (const auto typed = node.value_exact<std::int64_t>()) return value = *typed, true;
  return false;
}
bool read_scalar(const toml::node& node, double& value) {
  if (const auto typed = node.value_exact<double>()) return value = *typed, true;
  if (const auto typed = node.value_exact<std::int64_t>()) return value = static_cast<double>(*typed), true;
  return false;
}
bool read_scalar(const toml::node& node, std::string& value) {
  if (const auto typed = node.value_exact<std::string>()) return value = *typed, true;
  return false;
}
bool read_scalar(const toml::node& node, std::optional<double>& value) {
  double number = 0.0;
  if (!read_scalar(node, number)) return false;
  value = number;
  return true;
}

template <typename Item>
bool read_value(const toml::node& node, std::vector<Item>& list) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return false;
  std::vector<Item> items;
  for (const toml::node& element : *array) {
    Item item{};
    if (!read_scalar(element, item)) return false;
    items.push_back(std::move(item));
  }
  list = std::move(items);
  return true;
}
template <typename Scalar>
bool read_value(const toml::node& node, Scalar& value) {
  return read_scalar(node, value);
}

void apply_table(const Fields& fields,
                 const toml::table& table,
                 const std::string& prefix,
                 std::string_view origin,
                 int depth) {
  if (depth > kDepthLimit) {
    throw Error(ErrorClass::kConfig,
                "config.too_deep",
                {.what = std::string(origin) + ": tables are nested too deeply",
                 .wanted = fmt::format("at most {} levels", kDepthLimit)});
  }
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    if (const BoundField* field = fields.find(path)) {
      const bool read =
          std::visit([&node = node](auto* value) { return read_value(node, *value); }, field->ref);
      if (!read) throw_type(*field, node, origin);
      check(*field, place(origin, node));
    } else if (const toml::table* inner = node.as_table()) {
      const std::vector<std::string> names = fields.paths();
      const bool known = std::any_of(
          names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(path + "."); });
      if (!known) throw_unknown_key(fields, path, place(origin, node));
      apply_table(fields, *inner, path + ".", origin, depth + 1);
    } else {
      throw_unknown_key(fields, path, place(origin, node));
    }
  }
}

toml::table parse(std::string_view text, std::string_view origin) {
  if (!is_valid_utf8(text)) {
    throw Error(ErrorClass::kConfig,
                "config.not_utf8",
                {.what = std::string(origin) + " is not UTF-8 text", .remedy = "save it as UTF-8"});
  }
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& failure) {
    throw Error(ErrorClass::kConfig,
                "config.syntax",
                {.what = fmt::format("{} line {} is not valid TOML", origin, failure.source().begin.line),
                 .seen = printable(failure.description(), 300),
                 .remedy = "correct the line; --print-config shows a valid file"});
  }
}

void check_tables(const toml::table& root,
                  std::string_view table,
                  const std::vector<std::string>& known_tables,
                  std::string_view origin) {
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    const bool known =
        name == table || std::find(known_tables.begin(), known_tables.end(), name) != known_tables.end();
    if (known && node.is_table()) continue;
    std::vector<std::string> names = known_tables;
    if (std::find(names.begin(), names.end(), table) == names.end()) names.emplace_back(table);
    const auto nearest = nearest_name(name, names);
    throw Error(ErrorClass::kConfig,
                "config.unknown_table",
                {.what = fmt::format("{}: {}",
                                     place(origin, node),
                                     node.is_table() ? "unknown table" : "a key stands outside of any table"),
                 .seen = printable(name),
                 .wanted = "a table: [" + join(names, "], [") + "]",
                 .remedy = nearest ? fmt::format("did you mean [{}]?", *nearest)
                                   : fmt::format("put the keys under [{}]", table)});
  }
}

}  // namespace

void apply_toml(const Fields& fields,
                std::string_view text,
                std::string_view table,
                const std::vector<std::string>& known_tables,
                std::string_view origin) {
  const toml::table root = parse(text, origin);
  check_tables(root, table, known_tables, origin);
  if (const toml::table* values = root[table].as_table()) apply_table(fields, *values, "", origin, 0);
}

std::string to_toml(const Fields& fields, std::string_view table) {
  std::string text = fmt::format("[{}]\n", table);
  for (const BoundField& field : fields.all()) {
    std::string comment = field.info.help;
    if (!field.info.unit.empty()) comment += " [" + field.info.unit + "]";
    if (!field.info.choices.empty()) comment += "; one of " + join(field.info.choices, ", ");
    if (std::isfinite(field.info.min)) comment += fmt::format("; at least {}", field.info.min);
    if (std::isfinite(field.info.max)) comment += fmt::format("; at most {}", field.info.max);
    const std::string value = to_toml_value(field.ref);
    text += fmt::format("# {}\n", comment);
    // TOML has no empty value: an unset optional stays as a comment.
    text += value.empty() ? fmt::format("# {} =\n", field.path) : fmt::format("{} = {}\n", field.path, value);
  }
  return text;
}

}  // namespace tenfold::config
