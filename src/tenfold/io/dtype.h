// SPDX-License-Identifier: Apache-2.0
// Element types of stored tensors, under the names that safetensors gives them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tenfold::io {

// In the order of the safetensors reference implementation, which sorts tensors by it when writing.
enum class DType : std::uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64,
};

inline constexpr std::size_t kDTypeCount = 15;

std::string_view to_string(DType dtype);                  // "F32"
std::optional<DType> parse_dtype(std::string_view name);  // nullopt for an unknown name
std::size_t element_size(DType dtype);                    // bytes: 1, 2, 4 or 8

// shape -> bytes; nullopt when the product does not fit 64 bits. An empty shape is a scalar.
std::optional<std::uint64_t> byte_count(DType dtype, std::span<const std::uint64_t> shape);

// The element type that holds a C++ type exactly; does not compile for others.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::same_as<T, bool>) {
    return DType::kBool;
  } else if constexpr (std::same_as<T, std::uint8_t>) {
    return DType::kU8;
  } else if constexpr (std::same_as<T, std::int8_t>) {
    return DType::kI8;
  } else if constexpr (std::same_as<T, std::int16_t>) {
    return DType::kI16;
  } else if constexpr (std::same_as<T, std::uint16_t>) {
    return DType::kU16;
  } else if constexpr (std::same_as<T, std::int32_t>) {
    return DType::kI32;
  } else if constexpr (std::same_as<T, std::uint32_t>) {
    return DType::kU32;
  } else if constexpr (std::same_as<T, float>) {
    return DType::kF32;
  } else if constexpr (std::same_as<T, double>) {
    return DType::kF64;
  } else if constexpr (std::same_as<T, std::int64_t>) {
    return DType::kI64;
  } else {
    static_assert(std::same_as<T, std::uint64_t>, "no element type for this C++ type");
    return DType::kU64;
  }
}

}  // namespace tenfold::io
