// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/tensor_file.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

using io::DType;

constexpr std::array kTypes = {std::pair{DType::kBool, torch::kBool},
                               std::pair{DType::kU8, torch::kUInt8},
                               std::pair{DType::kI8, torch::kInt8},
                               std::pair{DType::kI16, torch::kInt16},
                               std::pair{DType::kI32, torch::kInt32},
                               std::pair{DType::kI64, torch::kInt64},
                               std::pair{DType::kF16, torch::kFloat16},
                               std::pair{DType::kBF16, torch::kBFloat16},
                               std::pair{DType::kF32, torch::kFloat32},
                               std::pair{DType::kF64, torch::kFloat64}};

constexpr const char* kTypeNames =
    "bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32 or float64";

DType stored_type(const std::string& name, torch::ScalarType type) {
  for (const auto& [stored, ours] : kTypes) {
    if (ours == type) return stored;
  }
  throw Error(ErrorClass::kData,
              "tensor_file.dtype",
              {.what = fmt::format("tensor {} cannot be stored", printable(name)),
               .seen = c10::toString(type),
               .wanted = kTypeNames,
               .remedy = "convert it; a complex tensor can be stored as at::view_as_real() of it"});
}

torch::ScalarType memory_type(const io::TensorInfo& info) {
  for (const auto& [stored, ours] : kTypes) {
    if (stored == info.dtype) return ours;
  }
  throw Error(ErrorClass::kFile,
              "tensor_file.dtype",
              {.what = fmt::format("tensor {} has an element type that LibTorch lacks", printable(info.name)),
               .seen = std::string(to_string(info.dtype)),
               .wanted = kTypeNames,
               .remedy = "convert the file"});
}

std::span<std::byte> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

std::vector<std::int64_t> memory_shape(const io::TensorInfo& info) {
  std::vector<std::int64_t> shape;
  std::int64_t stride = 1;
  for (const std::uint64_t extent : info.shape) {
    const std::optional<std::int64_t> length = checked::cast<std::int64_t>(extent);
    const auto product = length ? checked::mul(stride, std::max<std::int64_t>(1, *length)) : std::nullopt;
    // Only a tensor without elements can come here: the reader has compared shape and bytes.
    if (!product) {
      throw Error(ErrorClass::kFile,
                  "tensor_file.shape",
                  {.what = fmt::format("the shape of tensor {} is too large", printable(info.name)),
                   .seen = fmt::format("[{}]", fmt::join(info.shape, ", ")),
                   .wanted = "strides below 2^63",
                   .remedy = "get the file again"});
    }
    stride = *product;
    shape.push_back(*length);
  }
  return shape;
}

// Any other value than 0 and 1 in a bool is undefined behaviour when it is used.
void check_bools(const std::string& name, std::span<const std::byte> bytes) {
  const auto bad =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte value) { return value > std::byte{1}; });
  if (bad == bytes.end()) return;
  throw Error(ErrorClass::kFile,
              "tensor_file.bad_bool",
              {.what = fmt::format("tensor {}, element {}", printable(name), bad - bytes.begin()),
               .seen = fmt::format("the byte {}", static_cast<int>(*bad)),
               .wanted = "0 or 1",
               .remedy = "the file is damaged: get it again"});
}

}  // namespace

std::vector<io::TensorView> tensor_views(const TensorMap& tensors, std::vector<torch::Tensor>& copies) {
  std::vector<io::TensorView> views;
  views.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) {
      throw Error(ErrorClass::kData,
                  "tensor_file.undefined",
                  {.what = fmt::format("tensor {} is undefined", printable(name)),
                   .wanted = "a tensor with values",
                   .remedy = "leave it out"});
    }
    io::TensorView view{.name = name, .dtype = stored_type(name, tensor.scalar_type())};
    torch::Tensor plain = tensor.detach().cpu().resolve_neg().contiguous();
    for (const std::int64_t extent : plain.sizes()) view.shape.push_back(static_cast<std::uint64_t>(extent));
    view.data = bytes_of(plain);
    if (!plain.is_alias_of(tensor)) copies.push_back(std::move(plain));
    views.push_back(std::move(view));
  }
  return views;
}

std::uint64_t file_bytes(const TensorMap& tensors) {
  // {"name":{"dtype":"BF16","shape":[8 x 20 digits],"data_offsets":[2 x 20 digits]}, with a name of escapes
  constexpr std::uint64_t kHeaderEntry = 320;
  std::uint64_t bytes = 16;
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes() + 6 * name.size() + kHeaderEntry;
  return bytes;
}

TensorMap read_tensors(const io::SafetensorsReader& reader) {
  TensorMap tensors;
  for (const std::string& name : reader.names()) {
    const io::TensorInfo info = reader.info(name);
    torch::Tensor tensor = at::empty(memory_shape(info), memory_type(info));
    reader.read(name, bytes_of(tensor));
    if (info.dtype == DType::kBool) check_bools(name, bytes_of(tensor));
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

}  // namespace tenfold::train
