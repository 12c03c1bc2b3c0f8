// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/parameter_shift.h"

#include <c10/core/GradMode.h>

namespace tenfold::train {

ParameterShift::ParameterShift(const Direction& direction, Restore restore)
    : direction_(direction), restore_(restore) {
  if (restore_ == Restore::kInPlace) return;
  const c10::AutoGradMode no_tape(false);
  for (const Perturbed& tensor : direction_.tensors()) saved_.push_back(tensor.value.detach().clone());
}

ParameterShift::~ParameterShift() {
  move_to(0.0);
}

void ParameterShift::move_to(double shift) {
  if (shift == shift_) return;
  const c10::AutoGradMode no_tape(false);
  for (std::size_t i = 0; i < direction_.tensors().size(); ++i) {
    torch::Tensor value = direction_.tensors()[i].value;
    if (restore_ == Restore::kInPlace) {
      direction_.add_to(i, value, shift - shift_);
    } else {
      if (shift_ != 0.0) value.copy_(saved_[i]);
      if (shift != 0.0) direction_.add_to(i, value, shift);
    }
  }
  shift_ = shift;
}

}  // namespace tenfold::train
