// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tenfold/kernels/transformer_ops.h"

namespace tenfold::kernels::plain {
namespace {

std::ptrdiff_t signed_of(std::size_t value) {
  return static_cast<std::ptrdiff_t>(value);
}

}  // namespace

void rms_norm(ConstRows x, std::size_t rows, const RmsNorm& norm, FloatRows out) {
  for (std::size_t i = 0; i < rows; ++i) {
    const float* row = x.data + signed_of(i) * x.stride;
    double squares = 0;
    for (std::size_t j = 0; j < norm.size; ++j) squares += double{row[j]} * double{row[j]};
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(norm.size) + static_cast<double>(norm.epsilon));
    float* to = out.data + signed_of(i) * out.stride;
    for (std::size_t j = 0; j < (norm.size + 15) / 16 * 16; ++j)
      to[j] = j < norm.size ? static_cast<float>(double{row[j]} * scale * double{norm.weight[j]}) : 0.0F;
  }
}

void gated_gelu(FloatRows x, Extent extent) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    float* row = x.data + signed_of(i) * x.stride;
    for (std::size_t j = 0; j < extent.columns; ++j) {
      const double v = row[j];
      const double inner = std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v);
      row[j] = static_cast<float>(0.5 * v * (1 + std::tanh(inner)) * double{row[extent.columns + j]});
    }
  }
}

void softmax_rows(FloatRows scores, Extent extent, ConstRows bias) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    float* row = scores.data + signed_of(i) * scores.stride;
    const float* add = bias.data == nullptr ? nullptr : bias.data + signed_of(i) * bias.stride;
    const auto logit = [&](std::size_t j) {
      return double{row[j]} + (add == nullptr ? 0.0 : double{add[j]});
    };
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t j = 0; j < extent.columns; ++j) largest = std::max(largest, logit(j));
    for (std::size_t j = 0; j < extent.columns; ++j) sum += std::exp(logit(j) - largest);
    for (std::size_t j = 0; j < extent.columns; ++j)
      row[j] = static_cast<float>(std::exp(logit(j) - largest) / sum);
    for (std::size_t j = extent.columns; j % 16 != 0; ++j) row[j] = 0.0F;
  }
}

float log_sum_exp(const float* x, std::size_t count) {
  const double largest = *std::max_element(x, x + count);
  if (largest == -std::numeric_limits<double>::infinity()) return static_cast<float>(largest);
  double sum = 0;
  for (std::size_t j = 0; j < count; ++j) sum += std::exp(double{x[j]} - largest);
  return static_cast<float>(largest + std::log(sum));
}

void attend_path(const float* query, const PathAttention& attention, float* scores, float* out) {
  for (std::size_t head = 0; head < attention.heads; ++head) {
    const std::size_t first = head * attention.width;
    for (std::size_t p = 0; p < attention.positions; ++p) {
      const float* key = attention.keys + attention.path[p] * attention.stride + first;
      double sum = 0;
      for (std::size_t j = 0; j < attention.width; ++j) sum += double{query[first + j]} * double{key[j]};
      scores[p] = static_cast<float>(sum);
    }
    softmax_rows(
        {scores, 0}, {1, attention.positions}, {attention.bias + signed_of(head) * attention.bias_stride, 0});
    for (std::size_t j = 0; j < attention.width; ++j) {
      double sum = 0;
      for (std::size_t p = 0; p < attention.positions; ++p)
        sum += double{scores[p]} *
               double{attention.values[attention.path[p] * attention.stride + signed_of(first + j)]};
      out[first + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace tenfold::kernels::plain
