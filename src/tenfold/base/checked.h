// SPDX-License-Identifier: Apache-2.0
// Overflow-checked integer arithmetic for values that came from a file or a request.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>

namespace tenfold::checked {

// Each returns nullopt instead of wrapping.
template <std::integral T>
constexpr std::optional<T> add(T a, T b) {
  T result{};
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
constexpr std::optional<T> sub(T a, T b) {
  T result{};
  if (__builtin_sub_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
constexpr std::optional<T> mul(T a, T b) {
  T result{};
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// Product of all factors; 1 for none. A zero factor gives 0 even when another product would wrap.
template <std::integral T>
constexpr std::optional<T> product(std::span<const T> factors) {
  for (T factor : factors) {
    if (factor == 0) return T{0};
  }
  T result{1};
  for (T factor : factors) {
    if (__builtin_mul_overflow(result, factor, &result)) return std::nullopt;
  }
  return result;
}

// Value-preserving conversion between integer types.
template <std::integral To, std::integral From>
constexpr std::optional<To> cast(From value) {
  To result{};
  if (__builtin_add_overflow(value, From{0}, &result)) return std::nullopt;
  return result;
}

}  // namespace tenfold::checked
