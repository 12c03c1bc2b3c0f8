// SPDX-License-Identifier: Apache-2.0
// A trained or fitted model as others use it: batch in, batch out, by named tensors. `run`, `serve` and tests know a model
// only through this. No LibTorch here; an implementation wraps Tensor::data without a copy (torch::from_blob).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/config/field.h"

namespace tenfold::systems {

// Element types under the names of the Open Inference Protocol v2.
enum class TensorType : std::uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp32,
  kFp64,
  kBytes,  // texts: UTF-8
};
std::string_view to_string(TensorType type);  // "FP32"
std::optional<TensorType> parse_tensor_type(std::string_view name);
std::size_t element_size(TensorType type);  // bytes; 0 for kBytes

template <typename T>
constexpr TensorType tensor_type_of();

// A dense tensor in row-major order. Bool elements are bytes 0 or 1.
struct Tensor {
  std::string name;
  TensorType type = TensorType::kFp32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;     // all types but kBytes; aligned for every element type
  std::vector<std::string> texts;  // kBytes

  std::size_t elements() const;  // product of the shape; 1 for a scalar
  // Throws Error(kInternal) when T is not the type.
  template <typename T>
  std::span<const T> values() const;
  template <typename T>
  std::span<T> values();

  static Tensor zeros(std::string name, TensorType type, std::vector<std::int64_t> shape);
  template <typename T>
  static Tensor of(std::string name, std::vector<std::int64_t> shape, std::span<const T> values);
  static Tensor of_texts(std::string name, std::vector<std::int64_t> shape, std::vector<std::string> texts);
};

struct TensorSpec {
  std::string name;
  TensorType type = TensorType::kFp32;
  std::vector<std::int64_t> shape;  // of one row, without the batch axis; -1: any size
  std::string help;                 // one line
};

// Options of one request (how many answers, temperature, ...): a struct with visit_fields, behind its fields.
struct ParameterSet {
  std::shared_ptr<void> options;
  config::Fields fields;
};
template <typename Options>
std::function<ParameterSet()> parameters_of() {
  return [] {
    auto options = std::make_shared<Options>();
    return ParameterSet{options, config::Fields(*options)};
  };
}

struct PredictorInfo {
  std::string name;      // in URLs: lower-case letters, digits, '-', '_' and '.'
  std::string system;    // "dsi"
  std::string platform;  // "tenfold_dsi"
  std::string version = "1";
  std::string summary;  // one line
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::function<ParameterSet()> parameters;  // empty: none
  std::size_t max_batch = 16;                // rows of one call; 1: rows gain nothing from company
  double max_delay = 0.002;                  // s a request may wait for company
};

// One row: the inputs in the order of PredictorInfo::inputs, each with the shape of its spec and every -1 filled in.
struct PredictItem {
  std::vector<Tensor> inputs;
  std::shared_ptr<const void> parameters;  // the options struct; null when the predictor has none
};

struct PredictAnswer {
  std::vector<Tensor> outputs;  // in the order of PredictorInfo::outputs, of one row
  std::optional<Error> error;   // instead of outputs
};

class Predictor {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~Predictor() = default;
  virtual const PredictorInfo& info() const = 0;

  // Runs once before the first request, so that it is not slower than the others.
  virtual void warm_up() {}

  // One answer an item, in order. All items have inputs of equal shapes and equal parameters. Called by several threads at
  // once. An item that is wrong gets an answer with an error; the others are not affected. Work that would end after the
  // deadline may be given up with Error(kResource). Throws only when no item can be answered.
  virtual std::vector<PredictAnswer> predict(std::span<const PredictItem> items, Deadline deadline) = 0;
};

// Checks what every implementation would have to: number, names, types and shapes. Throws Error(kData): "predict.inputs",
// "predict.shape", "predict.type".
void check_item(const PredictorInfo& info, const PredictItem& item);

template <typename T>
constexpr TensorType tensor_type_of() {
  if constexpr (std::is_same_v<T, float>) {
    return TensorType::kFp32;
  } else if constexpr (std::is_same_v<T, double>) {
    return TensorType::kFp64;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return TensorType::kInt64;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return TensorType::kInt32;
  } else if constexpr (std::is_same_v<T, std::int16_t>) {
    return TensorType::kInt16;
  } else if constexpr (std::is_same_v<T, std::int8_t>) {
    return TensorType::kInt8;
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return TensorType::kUint64;
  } else if constexpr (std::is_same_v<T, std::uint32_t>) {
    return TensorType::kUint32;
  } else if constexpr (std::is_same_v<T, std::uint16_t>) {
    return TensorType::kUint16;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>, "no tensor type for this C++ type");
    return TensorType::kUint8;
  }
}

template <typename T>
std::span<const T> Tensor::values() const {
  check_internal(type == tensor_type_of<T>() || (type == TensorType::kBool && sizeof(T) == 1),
                 "a tensor is read as another type");
  return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
}

template <typename T>
std::span<T> Tensor::values() {
  const std::span<const T> view = static_cast<const Tensor*>(this)->values<T>();
  return {const_cast<T*>(view.data()), view.size()};
}

template <typename T>
// They are moved, which clang-tidy does not see in a template. NOLINTNEXTLINE(performance-unnecessary-value-param)
Tensor Tensor::of(std::string name, std::vector<std::int64_t> shape, std::span<const T> values) {
  Tensor tensor = zeros(std::move(name), tensor_type_of<T>(), std::move(shape));
  check_internal(tensor.elements() == values.size(), "a tensor's values do not fit its shape");
  std::copy(values.begin(), values.end(), tensor.values<T>().begin());
  return tensor;
}

}  // namespace tenfold::systems
