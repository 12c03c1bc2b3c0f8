// SPDX-License-Identifier: Apache-2.0
// Updates of SGD, Adam and LAMB in one pass over the arrays: each value is read and written once. In place, for float and double.
// All results are per value, so they do not depend on how arrays are split.
#pragma once

#include <cstddef>
#include <span>

namespace tenfold::kernels {

// g <- g + decay p;  momentum: v <- momentum v + g;  p <- p - rate d, where d = g without momentum, v with it, g + momentum v
// for Nesterov's.
struct SgdUpdate {
  double learning_rate = 0.0;
  double momentum = 0.0;
  bool nesterov = false;
  double decay = 0.0;
};

// Kingma & Ba 2015, algorithm 1, with either kind of weight decay:
//   g <- g + decay p;  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
//   p <- shrink p - rate (m / c1) / (sqrt(v) / sqrt(c2) + epsilon),  c_i = 1 - beta_i^t
struct AdamUpdate {
  double learning_rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0.0;        // Adam
  double shrink = 1.0;       // AdamW: 1 - rate x weight decay
  double correction1 = 1.0;  // c1
  double correction2 = 1.0;  // c2
};

// The arrays of one parameter, or a part of them; all of the same size.
template <typename T>
struct SgdArrays {
  T* value = nullptr;
  const T* gradient = nullptr;
  T* velocity = nullptr;  // nullptr without momentum
  std::size_t size = 0;
};
template <typename T>
struct AdamArrays {
  T* value = nullptr;
  const T* gradient = nullptr;
  T* moment1 = nullptr;
  T* moment2 = nullptr;
  std::size_t size = 0;
};

void sgd_update(const SgdUpdate& update, const SgdArrays<float>& arrays);
void sgd_update(const SgdUpdate& update, const SgdArrays<double>& arrays);
void adam_update(const AdamUpdate& update, const AdamArrays<float>& arrays);
void adam_update(const AdamUpdate& update, const AdamArrays<double>& arrays);

// LAMB (You et al. 2020, algorithm 2) needs two norms between its passes. The first updates the moments and returns the sums of
// squares of p and of u = (m / c1) / (sqrt(v) / sqrt(c2) + epsilon) + decay p; the second does p <- p - rate u. (`shrink` is
// not used.) Value i is added to partial sum i mod 16, then those from 0 to 15.
struct LambSums {
  double value = 0.0;
  double update = 0.0;
};
LambSums lamb_moments(const AdamUpdate& update, const AdamArrays<float>& arrays);
LambSums lamb_moments(const AdamUpdate& update, const AdamArrays<double>& arrays);
void lamb_apply(const AdamUpdate& update, const AdamArrays<float>& arrays);  // does not read the gradient
void lamb_apply(const AdamUpdate& update, const AdamArrays<double>& arrays);

// The same in plain C++: the oracles of the tests.
template <typename T>
void sgd_update_plain(const SgdUpdate& update, const SgdArrays<T>& arrays);
template <typename T>
void adam_update_plain(const AdamUpdate& update, const AdamArrays<T>& arrays);
template <typename T>
LambSums lamb_moments_plain(const AdamUpdate& update, const AdamArrays<T>& arrays);
template <typename T>
void lamb_apply_plain(const AdamUpdate& update, const AdamArrays<T>& arrays);

}  // namespace tenfold::kernels
