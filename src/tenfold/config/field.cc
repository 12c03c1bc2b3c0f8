// SPDX-License-Identifier: Apache-2.0
#include "tenfold/config/field.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"

namespace tenfold::config {
namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;  // clang 14 does not deduce aggregates

[[noreturn]] void throw_bad_value(const BoundField& field, std::string_view text, std::string_view origin) {
  throw Error(
      ErrorClass::kConfig,
      "config.bad_value",
      {.what = fmt::format("{}: the value of {} cannot be read", origin, field.path),
       .seen = printable(text),
       .wanted = type_name(field.ref),
       .remedy = field.info.help.empty() ? "" : fmt::format("{} is: {}", field.path, field.info.help)});
}

std::string range_text(const FieldInfo& info) {
  const bool low = std::isfinite(info.min), high = std::isfinite(info.max);
  if (low && high) return fmt::format("{} to {}", info.min, info.max);
  if (low) return fmt::format("at least {}", info.min);
  return fmt::format("at most {}", info.max);
}

void check_number(const BoundField& field, double value, std::string_view origin) {
  // Written so that NaN fails; an infinite limit means "no limit", for which NaN is still no number.
  if (value >= field.info.min && value <= field.info.max) return;
  const bool unlimited = !std::isfinite(field.info.min) && !std::isfinite(field.info.max);
  throw Error(ErrorClass::kConfig,
              "config.out_of_range",
              {.what = fmt::format("{}: {} is out of range", origin, field.path),
               .seen = fmt::format("{}", value),
               .wanted = (unlimited ? "a number" : range_text(field.info)) +
                         (field.info.unit.empty() ? "" : " " + field.info.unit),
               .remedy = "choose a value inside the range"});
}

void check_choice(const BoundField& field, const std::string& value, std::string_view origin) {
  const std::vector<std::string>& choices = field.info.choices;
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw unknown_name({.error_class = ErrorClass::kConfig,
                      .code = "config.not_a_choice",
                      .what = fmt::format("{}: {} does not know this choice", origin, field.path),
                      .name = value,
                      .known = choices,
                      .remedy = "choose one of them"});
}

void check_present(const BoundField& field, bool present) {
  if (present || !field.info.required) return;
  throw Error(ErrorClass::kConfig,
              "config.missing_value",
              {.what = fmt::format("{} is needed", field.path),
               .seen = "nothing",
               .wanted = type_name(field.ref),
               .remedy = field.info.rest ? fmt::format("write it after -- ({})", field.info.help)
                                         : fmt::format("pass --{} ({})", field.path, field.info.help)});
}

std::string quote_toml(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\r':
        quoted += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          quoted += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
        } else {
          quoted += c;
        }
    }
  }
  return quoted + "\"";
}

// TOML wants a point or an exponent in a float, and spells infinities and NaN in lower case.
std::string number_toml(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <typename List, typename Format>
std::string list_toml(const List& list, Format format) {
  std::vector<std::string> parts;
  for (const auto& item : list) parts.push_back(format(item));
  return "[" + join(parts, ", ") + "]";
}

std::optional<bool> parse_bool(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return std::nullopt;
}

template <typename Item, typename Parse>
std::optional<std::vector<Item>> parse_list(std::string_view text, Parse parse) {
  std::vector<Item> items;
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  if (trim(text).empty()) return items;
  for (const std::string& part : split(text, ',')) {
    const auto item = parse(trim(part));
    if (!item) return std::nullopt;
    items.push_back(static_cast<Item>(*item));
  }
  return items;
}

// Stores `parsed` or reports false.
template <typename Target, typename Parsed>
bool store(Target* target, const std::optional<Parsed>& parsed) {
  if (!parsed) return false;
  *target = static_cast<Target>(*parsed);
  return true;
}

bool assign(const FieldRef& ref, std::string_view text) {
  return std::visit(
      Overloaded{
          [&](bool* value) { return store(value, parse_bool(text)); },
          [&](std::int64_t* value) { return store(value, parse_integer(text)); },
          [&](double* value) { return store(value, parse_double(text)); },
          [&](std::string* value) { return store(value, std::optional<std::string>(text)); },
          [&](std::optional<double>* value) {
            if (text.empty()) {
              value->reset();
              return true;
            }
            return store(value, parse_double(text));
          },
          [&](std::vector<std::int64_t>* value) {
            return store(value, parse_list<std::int64_t>(text, parse_integer));
          },
          [&](std::vector<double>* value) { return store(value, parse_list<double>(text, parse_double)); },
          [&](std::vector<std::string>* value) {
            const auto keep = [](std::string_view part) { return std::optional<std::string>(part); };
            return store(value, parse_list<std::string>(text, keep));
          },
      },
      ref);
}

}  // namespace

std::vector<std::string> Fields::paths() const {
  std::vector<std::string> names;
  names.reserve(fields_.size());
  for (const BoundField& field : fields_) names.push_back(field.path);
  return names;
}

const BoundField* Fields::find(std::string_view path) const {
  const auto found = std::find_if(
      fields_.begin(), fields_.end(), [&](const BoundField& field) { return field.path == path; });
  return found == fields_.end() ? nullptr : &*found;
}

std::string type_name(const FieldRef& ref) {
  static constexpr std::string_view kNames[] = {"true or false",
                                                "an integer",
                                                "a number",
                                                "text",
                                                "a number or nothing",
                                                "a list of integers",
                                                "a list of numbers",
                                                "a list of texts"};
  static_assert(std::size(kNames) == std::variant_size_v<FieldRef>);
  return std::string(kNames[ref.index()]);
}

std::string to_toml_value(const FieldRef& ref) {
  const auto integer = [](std::int64_t value) { return fmt::format("{}", value); };
  return std::visit(
      Overloaded{
          [](const bool* value) { return std::string(*value ? "true" : "false"); },
          [&](const std::int64_t* value) { return integer(*value); },
          [](const double* value) { return number_toml(*value); },
          [](const std::string* value) { return quote_toml(*value); },
          [](const std::optional<double>* value) { return *value ? number_toml(**value) : std::string(); },
          [&](const std::vector<std::int64_t>* value) { return list_toml(*value, integer); },
          [](const std::vector<double>* value) { return list_toml(*value, number_toml); },
          [](const std::vector<std::string>* value) { return list_toml(*value, quote_toml); },
      },
      ref);
}

void set_from_text(const BoundField& field, std::string_view text, std::string_view origin) {
  if (!is_valid_utf8(text) || !assign(field.ref, text)) throw_bad_value(field, text, origin);
  check(field, origin);
}

void check(const BoundField& field, std::string_view origin) {
  std::visit(Overloaded{
                 [](const bool*) {},
                 [&](const std::int64_t* value) { check_number(field, static_cast<double>(*value), origin); },
                 [&](const double* value) { check_number(field, *value, origin); },
                 [&](const std::string* value) {
                   if (!value->empty()) check_choice(field, *value, origin);
                 },
                 [&](const std::optional<double>* value) {
                   if (*value) check_number(field, **value, origin);
                 },
                 [&](const std::vector<std::int64_t>* list) {
                   for (std::int64_t value : *list) check_number(field, static_cast<double>(value), origin);
                 },
                 [&](const std::vector<double>* list) {
                   for (double value : *list) check_number(field, value, origin);
                 },
                 [&](const std::vector<std::string>* list) {
                   for (const std::string& value : *list) check_choice(field, value, origin);
                 },
             },
             field.ref);
}

void check_all(const Fields& fields) {
  for (const BoundField& field : fields.all()) {
    check(field, "configuration");
    const bool present = std::visit(Overloaded{
                                        [](const std::string* value) { return !value->empty(); },
                                        [](const std::optional<double>* value) { return value->has_value(); },
                                        [](const std::vector<std::int64_t>* list) { return !list->empty(); },
                                        [](const std::vector<double>* list) { return !list->empty(); },
                                        [](const std::vector<std::string>* list) { return !list->empty(); },
                                        [](const auto*) { return true; },
                                    },
                                    field.ref);
    check_present(field, present);
  }
}

void throw_unknown_key(const Fields& fields, std::string_view key, std::string_view origin) {
  const std::vector<std::string> names = fields.paths();
  throw unknown_name({.error_class = ErrorClass::kConfig,
                      .code = "config.unknown_key",
                      .what = fmt::format("{}: unknown key", origin),
                      .name = key,
                      .known = names,
                      .none_known = "no key at all",
                      .remedy = "see --print-config for all keys"});
}

}  // namespace tenfold::config
