// SPDX-License-Identifier: Apache-2.0
// Builds the value from nlohmann's event interface, where duplicate keys and depth are still visible.
#include "tenfold/io/json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

using nlohmann::json;

// "line 3, column 14" of a byte position, both counted from 1.
std::string position_text(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  std::size_t line = 1;
  std::size_t line_begin = 0;
  for (std::size_t i = before.find('\n'); i != std::string_view::npos; i = before.find('\n', i + 1)) {
    ++line;
    line_begin = i + 1;
  }
  return fmt::format("line {}, column {}", line, before.size() - line_begin + 1);
}

class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view text, std::string_view place, const JsonLimits& limits)
      : text_(text), place_(place), limits_(limits) {}

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(value) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }  // does not occur in text

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (stack_.back()->contains(name)) {
      fail("json.duplicate_key",
           {.what = "an object has the same key twice",
            .seen = printable(name),
            .wanted = "every key once",
            .remedy = "remove or rename one of them"});
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& token, const json::exception& error) override {
    if (error.id == 406) {
      fail("json.number_too_large",
           {.what = "a number is too large", .seen = printable(token), .wanted = "at most 1.8e308"});
    }
    fail("json.syntax",
         {.what = position_text(text_, position == 0 ? 0 : position - 1) + ": not valid JSON",
          .seen = token.empty() ? "the end of the text" : printable(token, 60),
          .remedy = "check the text with a JSON tool, for instance: python3 -m json.tool"});
  }

  json take() { return std::move(root_); }

  [[noreturn]] void fail(std::string code, ErrorText text) const {
    text.what = fmt::format("{}: {}", place_, text.what);
    throw Error(limits_.error_class, std::move(code), std::move(text));
  }

 private:
  json* add(json value) {
    if (++nodes_ > limits_.max_nodes) {
      fail("json.too_many_nodes",
           {.what = "the JSON has too many values",
            .seen = fmt::format("more than {}", limits_.max_nodes),
            .wanted = fmt::format("at most {}", limits_.max_nodes),
            .remedy = "split it"});
    }
    if (stack_.empty()) return &(root_ = std::move(value));
    json& parent = *stack_.back();
    if (parent.is_array()) return &parent.emplace_back(std::move(value));
    return &(parent[key_] = std::move(value));
  }

  bool open(json container) {
    if (stack_.size() >= limits_.max_depth) {
      fail("json.too_deep",
           {.what = "the JSON is nested too deeply",
            .seen = fmt::format("more than {} levels", limits_.max_depth),
            .wanted = fmt::format("at most {} levels", limits_.max_depth)});
    }
    stack_.push_back(add(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view place_;
  const JsonLimits& limits_;
  json root_;
  std::vector<json*> stack_;  // open containers; a parent does not grow while a child is open
  std::string key_;
  std::size_t nodes_ = 0;
};

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits) {
  Builder builder(text, place, limits);
  if (text.size() > limits.max_bytes) {
    builder.fail("json.too_large",
                 {.what = "the JSON text is too long",
                  .seen = fmt::format("{} bytes", text.size()),
                  .wanted = fmt::format("at most {} bytes", limits.max_bytes)});
  }
  if (!is_valid_utf8(text)) {
    builder.fail("json.bad_utf8",
                 {.what = "the JSON text is not valid UTF-8", .remedy = "save it with the encoding UTF-8"});
  }
  // The library takes a NUL byte for the end of the text and skips a byte order mark; neither is JSON.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    builder.fail("json.syntax",
                 {.what = position_text(text, nul) + ": not valid JSON",
                  .seen = "a NUL byte",
                  .remedy = "check how the text was made"});
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    builder.fail(
        "json.syntax",
        {.what = "the JSON text begins with a byte order mark", .remedy = "save it as UTF-8 without one"});
  }
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace tenfold::io
