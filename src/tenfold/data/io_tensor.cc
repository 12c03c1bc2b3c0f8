// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/io_tensor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "tenfold/base/error.h"

namespace tenfold::data {
namespace {

std::optional<at::ScalarType> type_of(io::DType dtype) {
  switch (dtype) {
    case io::DType::kBool:
      return at::kBool;
    case io::DType::kU8:
      return at::kByte;
    case io::DType::kI8:
      return at::kChar;
    case io::DType::kI16:
      return at::kShort;
    case io::DType::kI32:
    case io::DType::kU16:
      return at::kInt;
    case io::DType::kI64:
    case io::DType::kU32:
      return at::kLong;
    case io::DType::kF16:
      return at::kHalf;
    case io::DType::kBF16:
      return at::kBFloat16;
    case io::DType::kF32:
      return at::kFloat;
    case io::DType::kF64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

template <typename From, typename To>
void widen(std::span<const std::byte> bytes, To* out) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
    From value{};
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    out[i] = value;
  }
}

}  // namespace

io::InputFile open_data_file(const Path& path) {
  std::error_code failure;
  const Path target = std::filesystem::canonical(path, failure);
  return io::InputFile::open(failure ? path : target);  // says what is wrong
}

at::Tensor to_tensor(io::DType dtype,
                     const std::vector<std::uint64_t>& shape,
                     std::span<const std::byte> bytes) {
  const auto type = type_of(dtype);
  if (!type) {
    throw Error(
        ErrorClass::kData,
        "data.unsupported_dtype",
        {.what = "the array has an element type that tensors do not have",
         .seen = std::string(io::to_string(dtype)),
         .wanted = "bool, integers up to 64 bits with sign or 32 bits without, floats of 16 to 64 bits",
         .remedy = "convert the array and save it again"});
  }
  check_internal(io::byte_count(dtype, shape) == bytes.size(), "to_tensor: the bytes do not fit the shape");
  if (bytes.empty()) {  // its other sizes may be anything
    throw Error(ErrorClass::kData,
                "data.no_values",
                {.what = "the array has no values",
                 .seen = fmt::format("[{}]", fmt::join(shape, ", ")),
                 .wanted = "at least one",
                 .remedy = "check how the file was made"});
  }
  const std::vector<std::int64_t> sizes(shape.begin(),
                                        shape.end());  // below the number of bytes each: they fit
  at::Tensor tensor = at::empty(sizes, *type);
  if (dtype == io::DType::kU16) {
    widen<std::uint16_t>(bytes, tensor.data_ptr<std::int32_t>());
  } else if (dtype == io::DType::kU32) {
    widen<std::uint32_t>(bytes, tensor.data_ptr<std::int64_t>());
  } else {
    std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  }
  return tensor;
}

at::Tensor to_model_type(const at::Tensor& tensor) {
  return tensor.to(at::isFloatingType(tensor.scalar_type()) ? at::kFloat : at::kLong);
}

}  // namespace tenfold::data
