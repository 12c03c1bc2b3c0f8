// SPDX-License-Identifier: Apache-2.0
// What each LibTorch operator costs: one rule by operator name, evaluated on the call's arguments. Internal to the meter.
#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace tenfold::train {

enum class RuleKind : std::uint8_t {
  kIgnored,        // data movement, comparisons, composites whose leaves are counted
  kElementwise,    // `cost` FLOP per element of the largest tensor argument
  kAddScaled,      // add and sub: 1 per element, 2 with a factor alpha
  kUnknown,        // no rule; reported when two arguments are matrices
  kUnknownMatrix,  // no rule; reported when one argument is a matrix (linear algebra, packed weights)
  // Counted always, from here on. `operand` is the index of the first factor.
  kMm,
  kBmm,
  kAddbmm,
  kMv,
  kDot,
  kOuter,
  kLinear,
  kConvolution,
  kConvolutionMkldnn,
  kConvolutionBackward,
  kAttention,
  kAttentionBackward,
  kRnnLayer,
  kRnnLayerBackward,
  kFftComplex,
  kFftRealToComplex,
  kFftComplexToReal,
};

struct OperatorRule {
  RuleKind kind = RuleKind::kUnknown;
  std::uint8_t operand = 0;
  std::uint8_t cost = 0;
};

inline bool always_counted(RuleKind kind) {
  return kind >= RuleKind::kMm;
}
inline bool is_elementwise(RuleKind kind) {
  return kind == RuleKind::kElementwise || kind == RuleKind::kAddScaled;
}

// `name` as dispatched, "aten::addmm_". An in-place name falls back to the name without the underscore.
OperatorRule find_operator_rule(std::string_view name);

// FLOP of one call with these arguments, the tangents of forward-mode differentiation included. nullopt when the arguments do not fit the rule (sparse or nested tensors,
// unknown argument lists): the call is then reported as uncounted.
std::optional<std::uint64_t> operator_flops(const OperatorRule& rule,
                                            c10::ArrayRef<const c10::IValue> inputs);

// Number of defined floating-point or complex tensor arguments of at least two dimensions.
int count_matrix_inputs(c10::ArrayRef<const c10::IValue> inputs);

// True when an argument is a batched or other functional wrapper: the call shows shapes of one example and dispatches
// the real work again.
bool has_wrapped_input(c10::ArrayRef<const c10::IValue> inputs);

}  // namespace tenfold::train
