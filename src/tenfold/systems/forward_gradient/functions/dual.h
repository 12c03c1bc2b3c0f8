// SPDX-License-Identifier: Apache-2.0
// Dual numbers x + x' e with e^2 = 0: forward-mode differentiation of plain C++ functions, exact to rounding. Dual<Dual<double>>
// gives second derivatives. For networks see train/forward_ad.h; this is for small functions written as templates.
#pragma once

#include <cmath>

namespace tenfold::forward_gradient {

template <typename T>
struct Dual {
  T value{};
  T tangent{};

  constexpr Dual() = default;
  constexpr Dual(double constant) : value(constant), tangent(0.0) {}  // NOLINT(google-explicit-constructor)
  constexpr Dual(T v, T t) : value(v), tangent(t) {}
};

template <typename T>
constexpr Dual<T> operator+(const Dual<T>& a, const Dual<T>& b) {
  return {a.value + b.value, a.tangent + b.tangent};
}
template <typename T>
constexpr Dual<T> operator-(const Dual<T>& a, const Dual<T>& b) {
  return {a.value - b.value, a.tangent - b.tangent};
}
template <typename T>
constexpr Dual<T> operator*(const Dual<T>& a, const Dual<T>& b) {
  return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
}
// With plain numbers on one side: templates do not convert by themselves.
template <typename T>
constexpr Dual<T> operator+(double a, const Dual<T>& b) {
  return Dual<T>(a) + b;
}
template <typename T>
constexpr Dual<T> operator-(double a, const Dual<T>& b) {
  return Dual<T>(a) - b;
}
template <typename T>
constexpr Dual<T> operator*(double a, const Dual<T>& b) {
  return Dual<T>(a) * b;
}

}  // namespace tenfold::forward_gradient
