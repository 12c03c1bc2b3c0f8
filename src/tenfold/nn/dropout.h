// SPDX-License-Identifier: Apache-2.0
// Dropout (Srivastava et al., JMLR 2014) whose mask comes from counters: at::dropout draws its mask number by number, which takes a third of
// a training step of a small transformer.
#pragma once

#include <torch/types.h>

namespace tenfold::nn {

// Each value is 0 with probability `share` (to 1/65536), else divided by the probability that it is kept. One number of LibTorch's default
// generator names the mask, so seeding it repeats all masks, for any number of threads. 0 <= share < 1. Types other than float on the CPU go
// through at::dropout.
torch::Tensor dropout(const torch::Tensor& x, double share);

}  // namespace tenfold::nn
