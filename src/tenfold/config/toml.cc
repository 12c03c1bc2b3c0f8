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

[[noreturn]] void throw_too_deep(std::string_view origin) {
  throw Error(ErrorClass::kConfig,
              "config.too_deep",
              {.what = std::string(origin) + ": a key has too many parts",
               .seen = fmt::format("more than {} dots", kDepthLimit),
               .wanted = fmt::format("at most {}", kDepthLimit),
               .remedy = "see --print-config for all keys"});
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
                 std::string_view origin) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    // "a.b" in quotes is one key, not b of table a: taken as the latter it could stand beside a.b and win.
    if (key.str().find('.') != std::string_view::npos) throw_unknown_key(fields, path, place(origin, node));
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
      apply_table(fields, *inner, path + ".", origin);
    } else {
      throw_unknown_key(fields, path, place(origin, node));
    }
  }
}

// Bytes of the string that starts at `text` (its first byte is a quote), closing quotes included. One that is
// not closed ends with its line, or with the text when it may have many lines: there the parser stops too.
std::size_t string_length(std::string_view text) {
  const char quote = text.front();
  const bool multi_line = text.size() >= 3 && text[1] == quote && text[2] == quote;
  std::size_t i = multi_line ? 3 : 1;
  for (; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (!multi_line && (text[i] == quote || text[i] == '\n')) {
      return i + 1;
    } else if (multi_line && text.substr(i, 3) == std::string(3, quote)) {
      i += 3;
      // Up to two quotes may stand before the closing three.
      for (int extra = 0; extra < 2 && i < text.size() && text[i] == quote; ++extra) ++i;
      return i;
    }
  }
  return text.size();
}

// toml++ 3.3 nests one table a dot and frees them by recursion: a key of a hundred thousand dots would
// overflow the stack. So dots are counted before parsing. Arrays and inline tables it limits itself.
void check_key_depth(std::string_view text, std::string_view origin) {
  int dots = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i += string_length(text.substr(i)) - 1;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      dots = 0;
    } else if (c == '.') {
      if (++dots > kDepthLimit) throw_too_deep(origin);
    } else if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) {
      dots = 0;
    }
  }
}

toml::table parse(std::string_view text, std::string_view origin) {
  if (!is_valid_utf8(text)) {
    throw Error(ErrorClass::kConfig,
                "config.not_utf8",
                {.what = std::string(origin) + " is not UTF-8 text", .remedy = "save it as UTF-8"});
  }
  check_key_depth(text, origin);
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
  if (const toml::table* values = root[table].as_table()) apply_table(fields, *values, "", origin);
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
