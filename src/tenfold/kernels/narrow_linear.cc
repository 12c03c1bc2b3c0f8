// SPDX-License-Identifier: Apache-2.0
// Plain versions of kernels/narrow_linear.h.
#include "tenfold/kernels/narrow_linear.h"

namespace tenfold::kernels::plain {
namespace {

std::ptrdiff_t at(std::size_t row, std::ptrdiff_t stride, std::size_t column) {
  return static_cast<std::ptrdiff_t>(row) * stride + static_cast<std::ptrdiff_t>(column);
}

}  // namespace

void narrow_forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out) {
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t n = 0; n < (weights.outputs + 3) / 4 * 4; ++n) {
      double sum = 0.0;
      for (std::size_t k = 0; n < weights.outputs && k < weights.inputs; ++k) {
        sum += double{x.data[at(m, x.stride, k)]} * double{weights.data[at(n, weights.stride, k)]};
      }
      out.data[at(m, out.stride, n)] = static_cast<float>(sum);
    }
  }
}

void narrow_backward(
    ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out) {
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t k = 0; k < (weights.inputs + 15) / 16 * 16; ++k) {
      double sum = 0.0;
      for (std::size_t n = 0; n < weights.outputs; ++n) {
        sum += double{g.data[at(m, g.stride, n)]} * double{weights.data[at(n, weights.stride, k)]};
      }
      const bool passes = mask.data == nullptr || mask.data[at(m, mask.stride, k)] > 0.0f;
      out.data[at(m, out.stride, k)] = passes ? static_cast<float>(sum) : 0.0f;
    }
  }
}

void narrow_update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights) {
  for (std::size_t n = 0; n < weights.outputs; ++n) {
    for (std::size_t k = 0; k < weights.inputs; ++k) {
      double sum = 0.0;
      for (std::size_t m = 0; m < rows; ++m) {
        sum += double{g.data[at(m, g.stride, n)]} * double{x.data[at(m, x.stride, k)]};
      }
      float& w = weights.data[at(n, weights.stride, k)];
      w = static_cast<float>(double{w} + double{alpha} * sum);
    }
  }
}

void narrow_rank1(const float* a, const float* b, const NarrowWeights& weights) {
  for (std::size_t n = 0; n < weights.outputs; ++n) {
    for (std::size_t k = 0; k < weights.inputs; ++k) weights.data[at(n, weights.stride, k)] += a[n] * b[k];
  }
}

void row_dots(const SegmentedRows& x, std::size_t rows, const float* v, float offset, float* out) {
  for (std::size_t i = 0; i < rows; ++i) {
    double sum = double{offset};
    for (std::size_t s = 0; s < x.segments; ++s) {
      for (std::size_t k = 0; k < x.steps; ++k) {
        const std::ptrdiff_t from =
            at(i, x.row_stride, k) + static_cast<std::ptrdiff_t>(s) * x.segment_stride;
        sum += double{x.data[from]} * double{v[s * x.steps + k]};
      }
    }
    out[i] = static_cast<float>(sum);
  }
}

}  // namespace tenfold::kernels::plain
