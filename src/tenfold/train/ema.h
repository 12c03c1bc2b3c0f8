// SPDX-License-Identifier: Apache-2.0
// Exponential moving average of weights, and a scope in which the average stands in their place.
#pragma once

#include <cstdint>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// After t updates with weights x_1 ... x_t the average is
//   (1 - d) sum_i d^(t-i) x_i / (1 - d^t),
// the mean of all weights seen with exponentially falling shares: the weights from before training have none, so that short
// runs can use a long decay. (Correction as for Adam's moments, Kingma & Ba 2015, section 3.) Before the first update it is a
// copy of the weights. One more copy of the weights in memory; an update is one pass. Not thread-safe.
class Ema {
 public:
  // `weights`: parameters, and floating-point buffers if they shall be averaged too. 0 <= decay < 1, else
  // Error(kConfig, "ema.bad_decay").
  Ema(double decay, std::vector<NamedParameter> weights);

  void update();  // after each optimiser step
  std::int64_t updates() const { return updates_; }

  // "ema/NAME" and the counter "ema_updates"; the averages share memory. load_state() throws Error(kFile,
  // "optimizer.bad_state") as optimisers do. Not inside an EmaScope.
  TensorMap state() const;
  void load_state(const TensorMap& state);

 private:
  friend class EmaScope;
  void exchange();  // in place, without memory of its own: also a destructor may call it

  double decay_;
  std::vector<NamedParameter> weights_;
  std::vector<torch::Tensor> averages_;
  std::int64_t updates_ = 0;
  bool exchanged_ = false;
};

// While it lives, the weights hold the averages, in place; then what they held before, also when an exception leaves. No
// training step and no second scope of the same Ema meanwhile.
class EmaScope {
 public:
  explicit EmaScope(Ema& ema);
  ~EmaScope();
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  Ema& ema_;
};

}  // namespace tenfold::train
