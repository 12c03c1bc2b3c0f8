// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/predictor.h"

#include <algorithm>

#include "tenfold/base/strings.h"

namespace tenfold::systems {
namespace {

struct TypeRow {
  std::string_view name;
  std::size_t bytes;
};

// In the order of TensorType.
constexpr TypeRow kTypes[] = {{"BOOL", 1},
                              {"UINT8", 1},
                              {"UINT16", 2},
                              {"UINT32", 4},
                              {"UINT64", 8},
                              {"INT8", 1},
                              {"INT16", 2},
                              {"INT32", 4},
                              {"INT64", 8},
                              {"FP32", 4},
                              {"FP64", 8},
                              {"BYTES", 0}};

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  for (std::int64_t size : shape) parts.push_back(size < 0 ? "any" : std::to_string(size));
  return "[" + join(parts, ", ") + "]";
}

bool fits(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& wanted) {
  return std::equal(
      shape.begin(), shape.end(), wanted.begin(), wanted.end(), [](std::int64_t a, std::int64_t b) {
        return a > 0 && (b < 0 || a == b);
      });
}

}  // namespace

std::string_view to_string(TensorType type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

std::optional<TensorType> parse_tensor_type(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].name == name) return static_cast<TensorType>(i);
  }
  return std::nullopt;
}

std::size_t element_size(TensorType type) {
  return kTypes[static_cast<std::size_t>(type)].bytes;
}

std::size_t Tensor::elements() const {
  std::size_t count = 1;
  for (std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

Tensor Tensor::zeros(std::string name, TensorType type, std::vector<std::int64_t> shape) {
  Tensor tensor{std::move(name), type, std::move(shape), {}, {}};
  if (type == TensorType::kBytes) {
    tensor.texts.resize(tensor.elements());
  } else {
    tensor.data.resize(tensor.elements() * element_size(type));
  }
  return tensor;
}

Tensor Tensor::of_texts(std::string name, std::vector<std::int64_t> shape, std::vector<std::string> texts) {
  Tensor tensor{std::move(name), TensorType::kBytes, std::move(shape), {}, std::move(texts)};
  check_internal(tensor.elements() == tensor.texts.size(), "a tensor's texts do not fit its shape");
  return tensor;
}

void check_item(const PredictorInfo& info, const PredictItem& item) {
  if (item.inputs.size() != info.inputs.size()) {
    throw Error(ErrorClass::kData,
                "predict.inputs",
                {.what = info.name + ": wrong number of inputs",
                 .seen = std::to_string(item.inputs.size()),
                 .wanted = std::to_string(info.inputs.size())});
  }
  for (std::size_t i = 0; i < info.inputs.size(); ++i) {
    const TensorSpec& spec = info.inputs[i];
    const Tensor& tensor = item.inputs[i];
    if (tensor.type != spec.type) {
      throw Error(ErrorClass::kData,
                  "predict.type",
                  {.what = info.name + ": the input " + spec.name + " has another element type",
                   .seen = std::string(to_string(tensor.type)),
                   .wanted = std::string(to_string(spec.type))});
    }
    if (!fits(tensor.shape, spec.shape)) {
      throw Error(ErrorClass::kData,
                  "predict.shape",
                  {.what = info.name + ": the input " + spec.name + " has another shape",
                   .seen = shape_text(tensor.shape),
                   .wanted = shape_text(spec.shape)});
    }
  }
}

}  // namespace tenfold::systems
