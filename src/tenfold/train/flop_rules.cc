// SPDX-License-Identifier: Apache-2.0
// The arithmetic of appendix B of arXiv 2202.05924 on real shapes.
#include "tenfold/train/flop_rules.h"

#include <ATen/core/TensorBody.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tenfold::train {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;
using Count = std::optional<std::uint64_t>;

// Defined, dense and of plain shape; otherwise nullptr.
const at::Tensor* dense(Inputs inputs, std::size_t index) {
  if (index >= inputs.size() || !inputs[index].isTensor()) return nullptr;
  const at::Tensor& tensor = inputs[index].toTensor();
  if (!tensor.defined() || tensor.is_nested()) return nullptr;
  if (tensor.layout() != at::kStrided && tensor.layout() != at::kMkldnn) return nullptr;
  return &tensor;
}

// 1 for an argument with a tangent. Forward-mode differentiation computes one product more for each such factor, inside the
// operator, where nothing is counted.
std::uint64_t tangent(Inputs inputs, std::size_t index) {
  const at::Tensor* tensor = dense(inputs, index);
  return tensor != nullptr && tensor->_fw_grad(0).defined() ? 1 : 0;
}

std::uint64_t elements(const at::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel());
}
std::uint64_t extent(const at::Tensor& tensor, std::int64_t dim) {
  return static_cast<std::uint64_t>(tensor.size(dim));
}
// A complex multiply-add is four real ones.
std::uint64_t multiply_add(const at::Tensor& tensor) {
  return tensor.is_complex() ? 8 : 2;
}

std::optional<std::vector<std::int64_t>> integers(Inputs inputs, std::size_t index) {
  if (index >= inputs.size() || !inputs[index].isIntList()) return std::nullopt;
  return inputs[index].toIntVector();
}

// a [.., n, k] times b [.., k, m]: every element of `a` meets m columns.
Count product(Inputs inputs, std::size_t first, std::int64_t dims) {
  const at::Tensor* a = dense(inputs, first);
  const at::Tensor* b = dense(inputs, first + 1);
  if (a == nullptr || b == nullptr || a->dim() != dims || b->dim() != dims) return std::nullopt;
  return multiply_add(*a) * elements(*a) * extent(*b, dims - 1);
}

// dot and mv: one multiply-add for each element of the first factor.
Count reduce_product(Inputs inputs, std::size_t first) {
  const at::Tensor* a = dense(inputs, first);
  if (a == nullptr) return std::nullopt;
  return multiply_add(*a) * elements(*a);
}

Count outer_product(Inputs inputs, std::size_t first) {
  const at::Tensor* a = dense(inputs, first);
  const at::Tensor* b = dense(inputs, first + 1);
  if (a == nullptr || b == nullptr) return std::nullopt;
  return multiply_add(*a) * elements(*a) * elements(*b);
}

Count linear(Inputs inputs) {
  const at::Tensor* x = dense(inputs, 0);
  const at::Tensor* weight = dense(inputs, 1);
  if (x == nullptr || weight == nullptr || weight->dim() != 2) return std::nullopt;
  return multiply_add(*x) * elements(*x) * extent(*weight, 0);
}

struct ConvolutionSizes {
  std::vector<std::int64_t> stride, padding, dilation;
};

std::int64_t broadcast_at(const std::vector<std::int64_t>& values, std::size_t i) {
  return values.size() == 1 ? values[0] : values.at(i);
}

// Number of output positions per image and channel of a plain convolution.
Count output_positions(const at::Tensor& x, const at::Tensor& weight, const ConvolutionSizes& sizes) {
  std::uint64_t positions = 1;
  for (std::int64_t d = 2; d < x.dim(); ++d) {
    const auto i = static_cast<std::size_t>(d - 2);
    const std::int64_t reach = broadcast_at(sizes.dilation, i) * (weight.size(d) - 1) + 1;
    const std::int64_t room = x.size(d) + 2 * broadcast_at(sizes.padding, i) - reach;
    if (room < 0) return std::nullopt;
    positions *= static_cast<std::uint64_t>(room / broadcast_at(sizes.stride, i) + 1);
  }
  return positions;
}

// Weight is [C_out, C_in/g, k...] or, transposed, [C_in, C_out/g, k...]. Plain: every output element costs C_in/g k
// multiply-adds. Transposed: every input element costs C_out/g k.
Count convolution(const at::Tensor* x,
                  const at::Tensor* weight,
                  const ConvolutionSizes& sizes,
                  bool transposed) {
  if (x == nullptr || weight == nullptr || x->dim() != weight->dim() || weight->size(0) == 0)
    return std::nullopt;
  const std::uint64_t taps = elements(*weight) / extent(*weight, 0);
  if (transposed) return multiply_add(*x) * elements(*x) * taps;
  const Count positions = output_positions(*x, *weight, sizes);
  if (!positions) return std::nullopt;
  return multiply_add(*x) * extent(*x, 0) * extent(*weight, 0) * *positions * taps;
}

// convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
Count convolution_forward(Inputs inputs) {
  const auto stride = integers(inputs, 3);
  const auto padding = integers(inputs, 4);
  const auto dilation = integers(inputs, 5);
  if (!stride || !padding || !dilation || inputs.size() < 9 || !inputs[6].isBool()) return std::nullopt;
  return convolution(dense(inputs, 0), dense(inputs, 1), {*stride, *padding, *dilation}, inputs[6].toBool());
}

// mkldnn_convolution(input, weight, bias, padding, stride, dilation, groups)
Count convolution_mkldnn(Inputs inputs) {
  const auto padding = integers(inputs, 3);
  const auto stride = integers(inputs, 4);
  const auto dilation = integers(inputs, 5);
  if (!stride || !padding || !dilation) return std::nullopt;
  return convolution(dense(inputs, 0), dense(inputs, 1), {*stride, *padding, *dilation}, false);
}

// convolution_backward(grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding,
// groups, output_mask): one convolution's worth for the data gradient, one for the weight gradient, as the mask asks.
Count convolution_backward(Inputs inputs) {
  const at::Tensor* grad = dense(inputs, 0);
  const at::Tensor* x = dense(inputs, 1);
  const at::Tensor* weight = dense(inputs, 2);
  if (inputs.size() < 11 || grad == nullptr || x == nullptr || weight == nullptr) return std::nullopt;
  if (!inputs[7].isBool() || !inputs[10].isBoolList() || weight->size(0) == 0) return std::nullopt;
  const auto mask = inputs[10].toBoolList();
  const std::uint64_t of_data = 1 + tangent(inputs, 0) + tangent(inputs, 2);
  const std::uint64_t of_weight = 1 + tangent(inputs, 0) + tangent(inputs, 1);
  const std::uint64_t wanted = mask.get(0) * of_data + mask.get(1) * of_weight;
  const std::uint64_t taps = elements(*weight) / extent(*weight, 0);
  return wanted * multiply_add(*x) * taps * elements(inputs[7].toBool() ? *x : *grad);
}

// Queries [.., T, d], keys [.., S, d], values [.., S, d_v]: scores and weighted sum, full matrix.
Count attention(Inputs inputs, std::size_t first) {
  const at::Tensor* q = dense(inputs, first);
  const at::Tensor* k = dense(inputs, first + 1);
  const at::Tensor* v = dense(inputs, first + 2);
  if (q == nullptr || k == nullptr || v == nullptr || q->dim() < 2 || k->dim() < 2 || q->size(-1) == 0) {
    return std::nullopt;
  }
  const std::uint64_t rows = elements(*q) / extent(*q, -1);
  return 2 * rows * extent(*k, -2) * (extent(*q, -1) + extent(*v, -1));
}

// mkldnn_rnn_layer(input [T, B, in], weight_ih, weight_hh, ...): one layer, one direction.
Count rnn_layer(Inputs inputs) {
  const at::Tensor* x = dense(inputs, 0);
  const at::Tensor* input_weight = dense(inputs, 1);
  const at::Tensor* hidden_weight = dense(inputs, 2);
  if (x == nullptr || input_weight == nullptr || hidden_weight == nullptr || x->dim() != 3)
    return std::nullopt;
  return 2 * extent(*x, 0) * extent(*x, 1) * (elements(*input_weight) + elements(*hidden_weight));
}

// 5 N log2 n for N values in transforms of n points; `half` for a real input or output.
Count fft(std::uint64_t values, std::uint64_t points, bool half) {
  const double factor = half ? 2.5 : 5.0;
  return static_cast<std::uint64_t>(
      std::llround(factor * static_cast<double>(values) *
                   std::log2(static_cast<double>(std::max(points, std::uint64_t{1})))));
}

// _fft_c2c(x, dims, ...), _fft_r2c(x, dims, ...), _fft_c2r(x, dims, normalization, last_dim_size)
Count fft_flops(RuleKind kind, Inputs inputs) {
  const at::Tensor* x = dense(inputs, 0);
  const auto dims = integers(inputs, 1);
  if (x == nullptr || !dims || dims->empty()) return std::nullopt;
  std::uint64_t points = 1;
  for (std::int64_t dim : *dims) points *= extent(*x, dim);
  if (kind != RuleKind::kFftComplexToReal)
    return fft(elements(*x), points, kind == RuleKind::kFftRealToComplex);
  if (inputs.size() < 4 || !inputs[3].isInt() || extent(*x, dims->back()) == 0) return std::nullopt;
  const auto length = static_cast<std::uint64_t>(inputs[3].toInt());
  const std::uint64_t stored = extent(*x, dims->back());
  return fft(elements(*x) / stored * length, points / stored * length, true);
}

Count elementwise(Inputs inputs, std::uint64_t cost) {
  std::uint64_t largest = 0;
  for (const c10::IValue& input : inputs) {
    if (!input.isTensor()) continue;
    const at::Tensor& tensor = input.toTensor();
    if (tensor.defined() && !tensor.is_nested()) largest = std::max(largest, elements(tensor));
  }
  return cost * largest;
}

// add(x, other, alpha)
Count add_scaled(Inputs inputs) {
  const bool plain = inputs.size() < 3 || !inputs[2].isScalar() || inputs[2].toScalar().equal(1);
  return elementwise(inputs, plain ? 1 : 2);
}

Count twice(Count count) {
  return count ? Count(2 * *count) : Count();
}

std::uint64_t products_with_tangents(const OperatorRule& rule, Inputs inputs) {
  const std::size_t first = rule.operand;
  switch (rule.kind) {
    case RuleKind::kMm:
    case RuleKind::kBmm:
    case RuleKind::kAddbmm:
    case RuleKind::kMv:
    case RuleKind::kDot:
    case RuleKind::kOuter:
    case RuleKind::kLinear:
    case RuleKind::kConvolution:
      return 1 + tangent(inputs, first) + tangent(inputs, first + 1);
    case RuleKind::kFftComplex:
    case RuleKind::kFftRealToComplex:
    case RuleKind::kFftComplexToReal:
      return 1 + tangent(inputs, 0);
    default:
      return 1;
  }
}

Count plain_flops(const OperatorRule& rule, Inputs inputs) {
  switch (rule.kind) {
    case RuleKind::kMm:
      return product(inputs, rule.operand, 2);
    case RuleKind::kBmm:
    case RuleKind::kAddbmm:
      return product(inputs, rule.operand, 3);
    case RuleKind::kMv:
    case RuleKind::kDot:
      return reduce_product(inputs, rule.operand);
    case RuleKind::kOuter:
      return outer_product(inputs, rule.operand);
    case RuleKind::kLinear:
      return linear(inputs);
    case RuleKind::kConvolution:
      return convolution_forward(inputs);
    case RuleKind::kConvolutionMkldnn:
      return convolution_mkldnn(inputs);
    case RuleKind::kConvolutionBackward:
      return convolution_backward(inputs);
    case RuleKind::kAttention:
      return attention(inputs, rule.operand);
    case RuleKind::kAttentionBackward:
      return twice(attention(inputs, rule.operand));
    case RuleKind::kRnnLayer:
      return rnn_layer(inputs);
    case RuleKind::kRnnLayerBackward:
      return twice(rnn_layer(inputs));
    case RuleKind::kFftComplex:
    case RuleKind::kFftRealToComplex:
    case RuleKind::kFftComplexToReal:
      return fft_flops(rule.kind, inputs);
    case RuleKind::kElementwise:
      return elementwise(inputs, rule.cost);
    case RuleKind::kAddScaled:
      return add_scaled(inputs);
    case RuleKind::kIgnored:
    case RuleKind::kUnknown:
    case RuleKind::kUnknownMatrix:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> operator_flops(const OperatorRule& rule, Inputs inputs) {
  const Count plain = plain_flops(rule, inputs);
  return plain ? Count(*plain * products_with_tangents(rule, inputs)) : plain;
}

int count_matrix_inputs(Inputs inputs) {
  int count = 0;
  for (const c10::IValue& input : inputs) {
    if (!input.isTensor()) continue;
    const at::Tensor& tensor = input.toTensor();
    if (!tensor.defined()) continue;
    const bool number = tensor.is_floating_point() || tensor.is_complex() || tensor.is_quantized();
    if (number && (tensor.is_nested() || tensor.dim() >= 2)) ++count;
  }
  return count;
}

bool has_wrapped_input(Inputs inputs) {
  constexpr c10::DispatchKeySet kWrappers({c10::DispatchKey::FuncTorchBatched,
                                           c10::DispatchKey::FuncTorchGradWrapper,
                                           c10::DispatchKey::Batched});
  for (const c10::IValue& input : inputs) {
    if (input.isTensor() && input.toTensor().defined() && input.toTensor().key_set().has_any(kWrappers))
      return true;
  }
  return false;
}

}  // namespace tenfold::train
