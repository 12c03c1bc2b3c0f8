// SPDX-License-Identifier: Apache-2.0
// The plain versions of the optimiser updates: one formula a line.
#include <cmath>

#include "tenfold/kernels/optimizer_update.h"

namespace tenfold::kernels {
namespace {

template <typename T>
T lamb_direction(const AdamUpdate& update, T p, T m, T v) {
  const T m_hat = m / static_cast<T>(update.correction1);
  const T v_hat = v / static_cast<T>(update.correction2);
  return m_hat / (std::sqrt(v_hat) + static_cast<T>(update.epsilon)) + static_cast<T>(update.decay) * p;
}

}  // namespace

template <typename T>
void sgd_update_plain(const SgdUpdate& update, const SgdArrays<T>& arrays) {
  const T rate = static_cast<T>(update.learning_rate);
  const T momentum = static_cast<T>(update.momentum);
  for (std::size_t i = 0; i < arrays.size; ++i) {
    const T g = arrays.gradient[i] + static_cast<T>(update.decay) * arrays.value[i];
    T direction = g;
    if (arrays.velocity != nullptr) {
      T& v = arrays.velocity[i];
      v = momentum * v + g;
      direction = update.nesterov ? g + momentum * v : v;
    }
    arrays.value[i] -= rate * direction;
  }
}

template <typename T>
void adam_update_plain(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  for (std::size_t i = 0; i < arrays.size; ++i) {
    T &p = arrays.value[i], &m = arrays.moment1[i], &v = arrays.moment2[i];
    const T g = arrays.gradient[i] + static_cast<T>(update.decay) * p;
    m = static_cast<T>(update.beta1) * m + static_cast<T>(1.0 - update.beta1) * g;
    v = static_cast<T>(update.beta2) * v + static_cast<T>(1.0 - update.beta2) * (g * g);
    const T m_hat = m / static_cast<T>(update.correction1);
    const T v_hat = v / static_cast<T>(update.correction2);
    p = static_cast<T>(update.shrink) * p -
        static_cast<T>(update.learning_rate) * m_hat / (std::sqrt(v_hat) + static_cast<T>(update.epsilon));
  }
}

template <typename T>
LambSums lamb_moments_plain(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  LambSums sums;
  for (std::size_t i = 0; i < arrays.size; ++i) {
    const T p = arrays.value[i], g = arrays.gradient[i];
    T &m = arrays.moment1[i], &v = arrays.moment2[i];
    m = static_cast<T>(update.beta1) * m + static_cast<T>(1.0 - update.beta1) * g;
    v = static_cast<T>(update.beta2) * v + static_cast<T>(1.0 - update.beta2) * (g * g);
    const auto u = static_cast<double>(lamb_direction(update, p, m, v));
    sums.value += static_cast<double>(p) * static_cast<double>(p);
    sums.update += u * u;
  }
  return sums;
}

template <typename T>
void lamb_apply_plain(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  for (std::size_t i = 0; i < arrays.size; ++i) {
    const T u = lamb_direction(update, arrays.value[i], arrays.moment1[i], arrays.moment2[i]);
    arrays.value[i] -= static_cast<T>(update.learning_rate) * u;
  }
}

template void sgd_update_plain(const SgdUpdate&, const SgdArrays<float>&);
template void sgd_update_plain(const SgdUpdate&, const SgdArrays<double>&);
template void adam_update_plain(const AdamUpdate&, const AdamArrays<float>&);
template void adam_update_plain(const AdamUpdate&, const AdamArrays<double>&);
template LambSums lamb_moments_plain(const AdamUpdate&, const AdamArrays<float>&);
template LambSums lamb_moments_plain(const AdamUpdate&, const AdamArrays<double>&);
template void lamb_apply_plain(const AdamUpdate&, const AdamArrays<float>&);
template void lamb_apply_plain(const AdamUpdate&, const AdamArrays<double>&);

}  // namespace tenfold::kernels
