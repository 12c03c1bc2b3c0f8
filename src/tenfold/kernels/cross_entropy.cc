// SPDX-License-Identifier: Apache-2.0
// Plain version of kernels/cross_entropy.h.
#include "tenfold/kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenfold::kernels {

void cross_entropy_plain(const CrossEntropyInput& in, const CrossEntropyOutput& out) {
  for (std::size_t i = 0; i < in.rows; ++i) {
    const auto row = static_cast<std::ptrdiff_t>(i);
    const float* z = in.logits.data + row * in.logits.stride;
    const auto target = static_cast<std::size_t>(in.targets[i]);
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < in.classes; ++c) largest = std::max(largest, double{z[c]});
    double sum = 0.0;
    for (std::size_t c = 0; c < in.classes; ++c) sum += std::exp(double{z[c]} - largest);
    double directional = 0.0;
    for (std::size_t c = 0; c < in.classes; ++c) {
      const double p = std::exp(double{z[c]} - largest) / sum - (c == target ? 1.0 : 0.0);
      double tangent = in.tangents.data != nullptr ? in.tangents.data[row * in.tangents.stride + c] : 0.0;
      if (in.outer_row != nullptr) {
        tangent += double{in.outer_row[row * in.outer_stride]} * double{in.outer_column[c]};
      }
      if (in.tangent_bias != nullptr) tangent += double{in.tangent_bias[c]};
      directional += p * tangent;
      if (out.gradient.data != nullptr) {
        out.gradient.data[row * out.gradient.stride + c] = static_cast<float>(double{out.scale} * p);
      }
    }
    if (out.loss != nullptr) out.loss[i] = static_cast<float>(std::log(sum) + largest - double{z[target]});
    if (out.directional != nullptr) out.directional[i] = static_cast<float>(directional);
    if (out.correct != nullptr) out.correct[i] = double{z[target]} >= largest ? 1 : 0;
  }
}

}  // namespace tenfold::kernels
