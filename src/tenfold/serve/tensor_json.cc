// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/tensor_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tenfold/base/checked.h"
#include "tenfold/base/strings.h"
#include "tenfold/config/toml.h"
#include "tenfold/serve/errors.h"
#include "tenfold/serve/json_fields.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using systems::PredictorInfo;
using systems::Tensor;
using systems::TensorSpec;
using systems::TensorType;

constexpr std::size_t kLongestId = 256;

[[noreturn]] void fail(std::string code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              std::move(code),
              {.what = "infer: " + std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "see GET /v2/models/NAME for the inputs"});
}

std::string brief(const json& value) {
  if (value.is_structured()) return value.type_name();
  return printable(value.dump(-1, ' ', true), 60);
}

void check_keys(const json& object, std::initializer_list<std::string_view> known, const std::string& place) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail(
          "infer.field", place + " has an unknown field", printable(key, 60), "one of the protocol's fields");
    }
  }
}

const json& member(const json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end()) fail("infer.field", place + " lacks a field", "no " + std::string(key), key);
  return *found;
}

std::string text_member(const json& object, const char* key, const std::string& place) {
  const json& value = member(object, key, place);
  if (!value.is_string()) fail("infer.field", place + ": " + key + " is no text", brief(value), "a text");
  return value.get<std::string>();
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// [batch, ...] as the client states it, checked against the spec. Elements of one row in `row_elements`.
std::vector<std::int64_t> read_shape(const json& value, const TensorSpec& spec, std::size_t& row_elements) {
  std::vector<std::int64_t> shape;
  if (!value.is_array() || value.size() != spec.shape.size() + 1) {
    fail("infer.shape",
         "the shape of " + spec.name + " has the wrong number of axes",
         value.is_array() ? std::to_string(value.size()) : brief(value),
         fmt::format("{}: the batch first", spec.shape.size() + 1));
  }
  for (const json& size : value) {
    const bool good = size.is_number_integer() && size.get<std::int64_t>() >= 1 &&
                      size.get<std::int64_t>() <= std::numeric_limits<std::int32_t>::max();
    if (!good)
      fail("infer.shape",
           "the shape of " + spec.name + " has a bad size",
           brief(size),
           "an integer of 1 or more");
    shape.push_back(size.get<std::int64_t>());
  }
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    if (spec.shape[i] < 0 || spec.shape[i] == shape[i + 1]) continue;
    fail("infer.shape",
         "the shape of " + spec.name + " is not that of the model",
         shape_text(shape),
         fmt::format("axis {} of size {}", i + 1, spec.shape[i]));
  }
  std::vector<std::size_t> row(shape.begin() + 1, shape.end());
  const auto elements = checked::product<std::size_t>(row);
  if (!elements)
    fail("infer.shape", "the shape of " + spec.name + " is too large", shape_text(shape), "fewer elements");
  row_elements = *elements;
  return shape;
}

// Writes the elements of one input into the rows' tensors, in order.
class ElementWriter {
 public:
  ElementWriter(const TensorSpec& spec, std::vector<Tensor*> rows, std::size_t row_elements)
      : spec_(spec), rows_(std::move(rows)), row_elements_(row_elements) {}

  // Flat, or nested as the shape says.
  void read(const json& data, std::span<const std::int64_t> shape) {
    if (!data.is_array())
      fail("infer.data", "the data of " + spec_.name + " is no list", brief(data), "a list");
    const bool nested = shape.size() > 1 && !data.empty() && data.front().is_array();
    if (nested) {
      read_nested(data, shape);
    } else {
      for (const json& element : data) put(element);
    }
    if (count_ == rows_.size() * row_elements_) return;
    fail("infer.data",
         "the data of " + spec_.name + " has the wrong number of elements",
         std::to_string(count_),
         fmt::format("{} for the shape {}", rows_.size() * row_elements_, shape_text(shape)));
  }

 private:
  void read_nested(const json& data, std::span<const std::int64_t> shape) {
    if (!data.is_array() || data.size() != static_cast<std::size_t>(shape.front())) {
      fail("infer.data",
           "the nesting of " + spec_.name + " is not its shape",
           data.is_array() ? fmt::format("a list of {}", data.size()) : brief(data),
           fmt::format("a list of {}", shape.front()));
    }
    for (const json& part : data) {
      if (shape.size() == 1) {
        put(part);
      } else {
        read_nested(part, shape.subspan(1));
      }
    }
  }

  template <typename T>
  void store(T value) {
    rows_[count_ / row_elements_]->template values<T>()[count_ % row_elements_] = value;
  }

  template <typename T>
  void put_integer(const json& element) {
    const bool integer = element.is_number_integer();
    bool fits = false;
    if (element.is_number_unsigned()) {
      fits = element.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    } else if (integer) {
      const auto value = element.get<std::int64_t>();
      fits = std::is_signed_v<T> && value >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
    }
    if (!fits) bad(element);
    store(element.get<T>());
  }

  template <typename T>
  void put_float(const json& element) {
    if (!element.is_number()) bad(element);
    const double value = element.get<double>();
    if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<T>::max()))) bad(element);
    store(static_cast<T>(value));
  }

  void put_text(const json& element) {
    if (!element.is_string()) bad(element);
    rows_[count_ / row_elements_]->texts[count_ % row_elements_] = element.get<std::string>();
  }

  void put(const json& element) {
    if (count_ == rows_.size() * row_elements_) {
      fail("infer.data",
           "the data of " + spec_.name + " has too many elements",
           fmt::format("more than {}", count_),
           fmt::format("{} by the shape", count_));
    }
    put_element(element);
    ++count_;
  }

  void put_element(const json& element) {
    switch (spec_.type) {
      case TensorType::kBool:
        if (!element.is_boolean()) bad(element);
        return store<std::uint8_t>(element.get<bool>() ? 1 : 0);
      case TensorType::kUint8:
        return put_integer<std::uint8_t>(element);
      case TensorType::kUint16:
        return put_integer<std::uint16_t>(element);
      case TensorType::kUint32:
        return put_integer<std::uint32_t>(element);
      case TensorType::kUint64:
        return put_integer<std::uint64_t>(element);
      case TensorType::kInt8:
        return put_integer<std::int8_t>(element);
      case TensorType::kInt16:
        return put_integer<std::int16_t>(element);
      case TensorType::kInt32:
        return put_integer<std::int32_t>(element);
      case TensorType::kInt64:
        return put_integer<std::int64_t>(element);
      case TensorType::kFp32:
        return put_float<float>(element);
      case TensorType::kFp64:
        return put_float<double>(element);
      case TensorType::kBytes:
        return put_text(element);
    }
  }

  [[noreturn]] void bad(const json& element) {
    fail("infer.data",
         fmt::format("element {} of {} is not of its type", count_, spec_.name),
         brief(element),
         std::string(to_string(spec_.type)));
  }

  const TensorSpec& spec_;
  std::vector<Tensor*> rows_;
  std::size_t row_elements_;
  std::size_t count_ = 0;
};

const json& find_input(const json& inputs, const TensorSpec& spec) {
  const json* found = nullptr;
  for (const json& input : inputs) {
    if (!input.is_object()) fail("infer.field", "an input is no object", brief(input), "an object");
    if (text_member(input, "name", "an input") != spec.name) continue;
    if (found != nullptr) fail("infer.input", "an input occurs twice", spec.name, "each input once");
    found = &input;
  }
  if (found == nullptr) fail("infer.input", "an input is missing", "no " + spec.name, spec.name);
  return *found;
}

void check_batch(std::int64_t rows, const PredictorInfo& info, const Limits& limits) {
  if (rows <= limits.batch) return;
  throw HttpError(413,
                  "serve.batch_too_large",
                  {.what = info.name + ": the request has too many rows",
                   .seen = std::to_string(rows),
                   .wanted = fmt::format("at most {}", limits.batch),
                   .remedy = "split it into several requests"});
}

void read_input(const json& input,
                std::size_t index,
                const PredictorInfo& info,
                const Limits& limits,
                InferRequest& request) {
  const TensorSpec& spec = info.inputs[index];
  check_keys(input, {"name", "shape", "datatype", "data", "parameters"}, "the input " + spec.name);
  const std::string datatype = text_member(input, "datatype", "the input " + spec.name);
  if (datatype != to_string(spec.type)) {
    fail("infer.datatype",
         "the input " + spec.name + " has another type",
         printable(datatype, 40),
         std::string(to_string(spec.type)));
  }
  std::size_t row_elements = 0;
  const std::vector<std::int64_t> shape =
      read_shape(member(input, "shape", "the input " + spec.name), spec, row_elements);
  check_batch(shape.front(), info, limits);
  const json& data = member(input, "data", "the input " + spec.name);
  // An element takes at least two bytes of JSON: a shape beyond that is a lie, found before any memory is taken.
  const auto total = checked::mul(row_elements, static_cast<std::size_t>(shape.front()));
  if (!total || *total > static_cast<std::size_t>(limits.json_bytes)) {
    fail("infer.shape",
         "the shape of " + spec.name + " is larger than a request can be",
         shape_text(shape),
         "fewer elements");
  }
  const auto rows = static_cast<std::size_t>(shape.front());
  if (index == 0) request.items.resize(rows);
  if (rows != request.items.size()) {
    fail("infer.shape",
         "the inputs differ in their batch",
         std::to_string(rows),
         std::to_string(request.items.size()));
  }
  std::vector<Tensor*> tensors;
  for (systems::PredictItem& item : request.items) {
    item.inputs.push_back(Tensor::zeros(spec.name, spec.type, {shape.begin() + 1, shape.end()}));
  }
  for (systems::PredictItem& item : request.items) tensors.push_back(&item.inputs.back());
  ElementWriter(spec, std::move(tensors), row_elements).read(data, shape);
  request.group += shape_text(std::span(shape).subspan(1));
}

void read_outputs(const json& root, const PredictorInfo& info, InferRequest& request) {
  const auto outputs = root.find("outputs");
  if (outputs == root.end()) {
    for (std::size_t i = 0; i < info.outputs.size(); ++i) request.outputs.push_back(i);
    return;
  }
  if (!outputs->is_array() || outputs->empty() || outputs->size() > info.outputs.size()) {
    fail("infer.output", "outputs is no list of this model's outputs", brief(*outputs), "a list of names");
  }
  for (const json& output : *outputs) {
    if (!output.is_object())
      fail("infer.output", "an output is no object", brief(output), "an object with name");
    check_keys(output, {"name", "parameters"}, "an output");
    const std::string name = text_member(output, "name", "an output");
    const auto spec = std::find_if(
        info.outputs.begin(), info.outputs.end(), [&](const TensorSpec& each) { return each.name == name; });
    if (spec == info.outputs.end()) {
      fail("infer.output", "the model has no such output", printable(name, 60), "an output of its metadata");
    }
    const auto index = static_cast<std::size_t>(spec - info.outputs.begin());
    if (std::find(request.outputs.begin(), request.outputs.end(), index) != request.outputs.end()) {
      fail("infer.output", "an output occurs twice", name, "each output once");
    }
    request.outputs.push_back(index);
  }
}

void read_parameters(const json& root, const PredictorInfo& info, InferRequest& request) {
  json values = json::object();
  if (const auto found = root.find("parameters"); found != root.end()) {
    if (!found->is_object()) fail("infer.field", "parameters is no object", brief(*found), "an object");
    values = *found;
  }
  if (const auto timeout = values.find("timeout"); timeout != values.end()) {
    if (!timeout->is_number_integer() || timeout->get<std::int64_t>() < 1) {
      fail("infer.field", "timeout is no time", brief(*timeout), "microseconds, 1 or more");
    }
    request.timeout = static_cast<double>(timeout->get<std::int64_t>()) * 1e-6;
    values.erase(timeout);
  }
  if (!info.parameters) {
    if (values.empty()) return;
    fail("infer.field", "the model takes no parameters", printable(values.begin().key(), 60), "none");
  }
  const systems::ParameterSet set = info.parameters();
  apply_json(set.fields, values, {});
  check_served(set.fields);
  for (systems::PredictItem& item : request.items) item.parameters = set.options;
  request.group += config::to_toml(set.fields, "p");
}

template <typename T>
void append_numbers(std::string& out, const Tensor& tensor) {
  for (const T value : tensor.values<T>()) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) {
        throw Error(ErrorClass::kData,
                    "predict.not_finite",
                    {.what = "the model's output " + tensor.name + " is not finite",
                     .seen = fmt::format("{}", value),
                     .remedy = "check the input for extreme values"});
      }
    }
    fmt::format_to(std::back_inserter(out), "{},", value);
  }
}

void append_elements(std::string& out, const Tensor& tensor) {
  switch (tensor.type) {
    case TensorType::kBool:
      for (const std::uint8_t value : tensor.values<std::uint8_t>()) out += value != 0 ? "true," : "false,";
      return;
    case TensorType::kUint8:
      return append_numbers<std::uint8_t>(out, tensor);
    case TensorType::kUint16:
      return append_numbers<std::uint16_t>(out, tensor);
    case TensorType::kUint32:
      return append_numbers<std::uint32_t>(out, tensor);
    case TensorType::kUint64:
      return append_numbers<std::uint64_t>(out, tensor);
    case TensorType::kInt8:
      return append_numbers<std::int8_t>(out, tensor);
    case TensorType::kInt16:
      return append_numbers<std::int16_t>(out, tensor);
    case TensorType::kInt32:
      return append_numbers<std::int32_t>(out, tensor);
    case TensorType::kInt64:
      return append_numbers<std::int64_t>(out, tensor);
    case TensorType::kFp32:
      return append_numbers<float>(out, tensor);
    case TensorType::kFp64:
      return append_numbers<double>(out, tensor);
    case TensorType::kBytes:
      for (const std::string& text : tensor.texts) {
        out += json(text).dump(-1, ' ', false, json::error_handler_t::replace) + ",";
      }
      return;
  }
}

std::string quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

json specs_json(const std::vector<TensorSpec>& specs) {
  json list = json::array();
  for (const TensorSpec& spec : specs) {
    std::vector<std::int64_t> shape = {-1};
    shape.insert(shape.end(), spec.shape.begin(), spec.shape.end());
    list.push_back({{"name", spec.name}, {"datatype", to_string(spec.type)}, {"shape", shape}});
  }
  return list;
}

}  // namespace

InferRequest parse_infer_request(std::string_view body, const PredictorInfo& info, const Limits& limits) {
  const json root = parse_request_json(body, limits);
  if (!root.is_object()) fail("infer.field", "the body is no object", brief(root), "an object with inputs");
  check_keys(root, {"id", "inputs", "outputs", "parameters"}, "the request");
  InferRequest request;
  if (root.contains("id")) request.id = text_member(root, "id", "the request");
  if (request.id.size() > kLongestId)
    fail("infer.field", "id is too long", std::to_string(request.id.size()), "at most 256 bytes");
  const json& inputs = member(root, "inputs", "the request");
  if (!inputs.is_array() || inputs.size() != info.inputs.size()) {
    fail("infer.input",
         "the request has the wrong number of inputs",
         inputs.is_array() ? std::to_string(inputs.size()) : brief(inputs),
         std::to_string(info.inputs.size()));
  }
  for (std::size_t i = 0; i < info.inputs.size(); ++i) {
    read_input(find_input(inputs, info.inputs[i]), i, info, limits, request);
  }
  read_outputs(root, info, request);
  read_parameters(root, info, request);
  return request;
}

std::string format_infer_response(const InferRequest& request,
                                  const PredictorInfo& info,
                                  std::span<const systems::PredictAnswer> answers) {
  std::string out =
      fmt::format(R"({{"model_name":{},"model_version":{},)", quoted(info.name), quoted(info.version));
  if (!request.id.empty()) out += R"("id":)" + quoted(request.id) + ",";
  out += R"("outputs":[)";
  for (const std::size_t index : request.outputs) {
    const Tensor& first = answers.front().outputs.at(index);
    std::vector<std::int64_t> shape = {static_cast<std::int64_t>(answers.size())};
    shape.insert(shape.end(), first.shape.begin(), first.shape.end());
    fmt::format_to(std::back_inserter(out),
                   R"({{"name":{},"datatype":"{}","shape":[{}],"data":[)",
                   quoted(info.outputs[index].name),
                   to_string(first.type),
                   fmt::join(shape, ","));
    for (const systems::PredictAnswer& answer : answers) {
      const Tensor& tensor = answer.outputs.at(index);
      check_internal(tensor.shape == first.shape && tensor.type == first.type,
                     "a model's rows differ in shape");
      append_elements(out, tensor);
    }
    if (out.back() == ',') out.pop_back();
    out += "]},";
  }
  if (out.back() == ',') out.pop_back();
  return out + "]}";
}

std::string format_metadata(const PredictorInfo& info) {
  const json object = {{"name", info.name},
                       {"versions", {info.version}},
                       {"platform", info.platform},
                       {"inputs", specs_json(info.inputs)},
                       {"outputs", specs_json(info.outputs)}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tenfold::serve
