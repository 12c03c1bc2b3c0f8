// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/jsonl_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/jsonl.h"

namespace tenfold::data {
namespace {

constexpr std::size_t kMaxRank = 8;
constexpr std::int64_t kMaxTextBytes = 1'000'000;

[[noreturn]] void refuse(ErrorClass error_class, std::string_view code, ErrorText text) {
  if (text.remedy.empty()) text.remedy = "correct the file, or name other fields";
  throw Error(error_class, fmt::format("jsonl_dataset.{}", code), std::move(text));
}

std::string shown(const nlohmann::json& value) {
  return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 60);
}

using UseLine = std::function<void(const nlohmann::json& object, const std::string& place)>;

// Calls `use` for each object of the file; at least one.
void for_each_line(const Path& path, std::uint64_t max_bytes, const UseLine& use) {
  io::FileSource source(path, max_bytes);
  io::JsonlReader reader(source);
  nlohmann::json object;
  std::int64_t count = 0;
  for (; reader.next(object); ++count) {
    use(object, fmt::format("{} line {}", printable(path.string(), 400), reader.line()));
  }
  if (count > 0) return;
  refuse(ErrorClass::kData,
         "no_lines",
         {.what = printable(path.string(), 400) + " has no lines",
          .wanted = "one JSON object a line",
          .remedy = "check how the file was made"});
}

const nlohmann::json& member(const nlohmann::json& object,
                             const std::string& field,
                             const std::string& place) {
  const auto found = object.find(field);
  if (found != object.end()) return *found;
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(printable(name, 40));
  refuse(ErrorClass::kData,
         "missing_field",
         {.what = fmt::format("{} has no field '{}'", place, printable(field, 60)),
          .seen = printable(join(names, ", "), 200),
          .wanted = "the same fields in each line"});
}

std::string text_of(const nlohmann::json& object, const std::string& field, const std::string& place) {
  const nlohmann::json& value = member(object, field, place);
  if (value.is_string()) return value.get<std::string>();
  refuse(ErrorClass::kData,
         "wrong_type",
         {.what = fmt::format("{}: the field '{}' is no text", place, printable(field, 60)),
          .seen = shown(value),
          .wanted = "a text"});
}

// nullopt for all but whole numbers that fit 64 bits with a sign, and truth values.
std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number_unsigned()) return checked::cast<std::int64_t>(value.get<std::uint64_t>());
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return std::nullopt;
}

// The values of one field over all lines.
class Column {
 public:
  explicit Column(std::string field) : field_(std::move(field)) {}

  void add(const nlohmann::json& object, const std::string& place) {
    const nlohmann::json& value = member(object, field_, place);
    if (rows_++ == 0) measure(value, place);
    add_values(value, 0, place);
  }

  at::Tensor tensor() const {
    std::vector<std::int64_t> sizes = shape_;
    sizes.insert(sizes.begin(), rows_);
    if (!whole_) return at::tensor(decimals_, at::kFloat).reshape(sizes);
    return at::tensor(at::ArrayRef<std::int64_t>(wholes_), at::kLong).reshape(sizes);
  }

 private:
  [[noreturn]] void wrong_shape(const nlohmann::json& value, const std::string& place) const {
    refuse(ErrorClass::kData,
           "shape",
           {.what = fmt::format(
                "{}: the field '{}' has another shape than in the first line", place, printable(field_, 60)),
            .seen = shown(value),
            .wanted = fmt::format("[{}], not empty, at most {} deep", fmt::join(shape_, ", "), kMaxRank)});
  }

  // The shape by the first elements; whether the others fit is seen when they are added.
  void measure(const nlohmann::json& first, const std::string& place) {
    const nlohmann::json* value = &first;
    while (value->is_array()) {
      if (value->empty() || shape_.size() == kMaxRank) wrong_shape(first, place);
      shape_.push_back(static_cast<std::int64_t>(value->size()));
      value = &value->front();
    }
  }

  void add_values(const nlohmann::json& value, std::size_t depth, const std::string& place) {
    if (value.is_array()) {
      const bool fits = depth < shape_.size() && static_cast<std::int64_t>(value.size()) == shape_[depth];
      if (!fits) wrong_shape(value, place);
      for (const nlohmann::json& element : value) add_values(element, depth + 1, place);
      return;
    }
    if (depth < shape_.size()) wrong_shape(value, place);
    const std::optional<std::int64_t> number = whole_number(value);
    if (!number && !(value.is_number_float() && std::isfinite(value.get<float>()))) {
      refuse(ErrorClass::kData,
             "wrong_type",
             {.what = fmt::format("{}: the field '{}' is not made of numbers", place, printable(field_, 60)),
              .seen = shown(value),
              .wanted = "a number within 64 bits or float32, or an array of such numbers"});
    }
    if (whole_ && number) {
      wholes_.push_back(*number);
      return;
    }
    if (std::exchange(whole_, false)) {  // the first decimal: what came before becomes decimal too
      decimals_.assign(wholes_.begin(), wholes_.end());
      wholes_ = {};
    }
    decimals_.push_back(number ? static_cast<float>(*number) : value.get<float>());
  }

  std::string field_;
  std::vector<std::int64_t> shape_;  // of one row
  std::int64_t rows_ = 0;
  bool whole_ = true;
  std::vector<std::int64_t> wholes_;
  std::vector<float> decimals_;
};

// Labels as they come: numbers, or texts that get their numbers at the end.
class Labels {
 public:
  Labels(std::string field, std::vector<std::string> classes)
      : field_(std::move(field)), classes_(std::move(classes)) {
    number_classes();
  }

  void add(const nlohmann::json& object, const std::string& place) {
    const nlohmann::json& value = member(object, field_, place);
    const std::optional<std::int64_t> number = value.is_boolean() ? std::nullopt : whole_number(value);
    const bool fits =
        value.is_string() ? numbers_.empty() : number && *number >= 0 && texts_.empty() && classes_.empty();
    if (!fits) {
      refuse(ErrorClass::kData,
             "wrong_type",
             {.what = fmt::format("{}: the label '{}' is of the wrong kind", place, printable(field_, 60)),
              .seen = shown(value),
              .wanted = "texts in all lines, or whole numbers from 0 on in all lines"});
    }
    if (number) {
      numbers_.push_back(*number);
      return;
    }
    texts_.push_back(value.get<std::string>());
    if (!classes_.empty() && !numbers_of_classes_.contains(texts_.back())) {
      refuse(ErrorClass::kData,
             "unknown_class",
             {.what = fmt::format("{}: the label is a class that the training data do not have", place),
              .seen = shown(value),
              .wanted = fmt::format("one of {} classes", classes_.size())});
    }
  }

  std::vector<std::string> classes() {
    if (classes_.empty()) {
      classes_ = texts_;
      std::sort(classes_.begin(), classes_.end());
      classes_.erase(std::unique(classes_.begin(), classes_.end()), classes_.end());
      number_classes();
    }
    return classes_;
  }

  // After classes().
  at::Tensor tensor() const {
    std::vector<std::int64_t> values = numbers_;
    for (const std::string& text : texts_) values.push_back(numbers_of_classes_.at(text));
    return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong);
  }

 private:
  void number_classes() {
    for (const std::string& name : classes_) {
      numbers_of_classes_.emplace(name, static_cast<std::int64_t>(numbers_of_classes_.size()));
    }
  }

  std::string field_;
  std::vector<std::string> classes_;
  std::map<std::string, std::int64_t> numbers_of_classes_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> numbers_;
};

void append_tokens(const std::string& text, std::size_t length, std::vector<std::int16_t>& tokens) {
  const std::size_t kept = std::min(length, text.size());
  for (std::size_t i = 0; i < kept; ++i) tokens.push_back(static_cast<unsigned char>(text[i]));
  tokens.insert(tokens.end(), length - kept, static_cast<std::int16_t>(kPaddingToken));
}

}  // namespace

std::vector<at::Tensor> read_jsonl_fields(const Path& path,
                                          const std::vector<std::string>& fields,
                                          std::uint64_t max_bytes) {
  if (fields.empty()) {
    refuse(ErrorClass::kConfig,
           "bad_option",
           {.what = "no fields are named for " + printable(path.string(), 400),
            .wanted = "the fields that hold inputs and targets",
            .remedy = "set fields, for example fields = [\"x\", \"y\"]"});
  }
  std::vector<Column> columns;
  for (const std::string& field : fields) columns.emplace_back(field);
  for_each_line(path, max_bytes, [&](const nlohmann::json& object, const std::string& place) {
    for (Column& column : columns) column.add(object, place);
  });
  std::vector<at::Tensor> tensors;
  for (const Column& column : columns) tensors.push_back(column.tensor());
  return tensors;
}

LabelledTexts read_labelled_texts(const Path& path,
                                  const LabelledTextOptions& options,
                                  const std::vector<std::string>& classes,
                                  std::uint64_t max_bytes) {
  if (options.text_bytes < 1 || options.text_bytes > kMaxTextBytes) {
    refuse(ErrorClass::kConfig,
           "bad_option",
           {.what = "the option text_bytes is out of range",
            .seen = std::to_string(options.text_bytes),
            .wanted = fmt::format("1 to {}", kMaxTextBytes),
            .remedy = "set text_bytes within the range"});
  }
  const auto length = static_cast<std::size_t>(options.text_bytes);
  std::vector<std::int16_t> tokens;
  Labels labels(options.label_field, classes);
  for_each_line(path, max_bytes, [&](const nlohmann::json& object, const std::string& place) {
    if ((tokens.size() + length) * sizeof(std::int16_t) > max_bytes) {
      refuse(ErrorClass::kResource,
             "too_large",
             {.what = place + ": the texts take more memory than the limit",
              .seen = fmt::format("{} bytes a text", length),
              .wanted = fmt::format("at most {} bytes in all", max_bytes),
              .remedy = "lower text_bytes or split the file"});
    }
    append_tokens(text_of(object, options.text_field, place), length, tokens);
    labels.add(object, place);
  });
  LabelledTexts texts;
  texts.classes = labels.classes();
  texts.labels = labels.tensor();
  texts.tokens = at::tensor(at::ArrayRef<std::int16_t>(tokens), at::kShort).reshape({-1, options.text_bytes});
  return texts;
}

std::string read_jsonl_texts(const Path& path, const std::string& field, std::uint64_t max_bytes) {
  std::string all;
  bool first = true;
  for_each_line(path, max_bytes, [&](const nlohmann::json& object, const std::string& place) {
    if (!std::exchange(first, false)) all += "\n\n";
    all += text_of(object, field, place);
  });
  return all;
}

std::vector<std::string> first_jsonl_fields(const Path& path, std::uint64_t max_bytes) {
  io::FileSource source(path, max_bytes);
  io::JsonlReader reader(source);
  nlohmann::json object;
  std::vector<std::string> names;
  if (!reader.next(object)) return names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

}  // namespace tenfold::data
