// SPDX-License-Identifier: Apache-2.0
// Softmax cross entropy: loss, its derivative along a direction, and its gradient, row by row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tenfold/kernels/activation.h"

namespace tenfold::kernels {

struct CrossEntropyInput {
  ConstRows logits;  // [rows, classes]
  std::size_t rows = 0;
  std::size_t classes = 0;                // at least 1; rows x stride below 2^31
  const std::int64_t* targets = nullptr;  // [rows], each in [0, classes)
  // Tangent of logit c of row i: tangents[i, c] + outer_row[i * outer_stride] x outer_column[c] + tangent_bias[c], where what is
  // null is left out.
  ConstRows tangents;
  const float* outer_row = nullptr;
  std::ptrdiff_t outer_stride = 1;
  const float* outer_column = nullptr;
  const float* tangent_bias = nullptr;
};

// With p = softmax(logits) and target t. Null: not computed.
struct CrossEntropyOutput {
  float* loss = nullptr;         // [rows]: -log p_t
  float* directional = nullptr;  // [rows]: sum over c of (p_c - [c = t]) x tangent_c
  FloatRows gradient;            // [rows, classes]: scale x (p_c - [c = t])
  float scale = 1.0f;
  std::uint8_t* correct = nullptr;  // [rows]: 1 where no logit is above the target's
};

// Run-time dispatch (Highway).
void cross_entropy(const CrossEntropyInput& in, const CrossEntropyOutput& out);

// The same in plain C++ with sums in double: the oracle of the tests.
void cross_entropy_plain(const CrossEntropyInput& in, const CrossEntropyOutput& out);

}  // namespace tenfold::kernels
