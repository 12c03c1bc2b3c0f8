// SPDX-License-Identifier: Apache-2.0
// Moves parameters along a direction in place, for central differences and for populations of evolution strategies.
#pragma once

#include <vector>

#include "tenfold/train/directions.h"

namespace tenfold::train {

// While it lives, parameters are theta + shift v; v is drawn anew for each move, so it takes no memory.
class ParameterShift {
 public:
  enum class Restore : std::uint8_t {
    kExact,  // from a copy of the perturbed tensors: they come back to the bit
    kInPlace,  // by moving back: no memory, each entry within a few units in the last place of |theta| + |shift v|
  };
  ParameterShift(const Direction& direction, Restore restore);
  ~ParameterShift();
  ParameterShift(const ParameterShift&) = delete;
  ParameterShift& operator=(const ParameterShift&) = delete;

  void move_to(double shift);

 private:
  const Direction& direction_;
  Restore restore_;
  std::vector<torch::Tensor> saved_;  // kExact
  double shift_ = 0.0;
};

}  // namespace tenfold::train
