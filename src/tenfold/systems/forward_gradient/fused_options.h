// SPDX-License-Identifier: Apache-2.0
// Which of the fast modes of FusedNet is used.
#pragma once

#include <cstdint>
#include <string>

namespace tenfold::forward_gradient {

struct FusedOptions {
  std::string mode = "block";
  bool tangent_bf16 = true;
  std::string rounding = "stochastic";
  std::int64_t apply_every = 16;
  std::int64_t tangents = 1;
  double clip = 0.0;

  void visit_fields(auto&& field) {
    field("mode",
          mode,
          {.help = "backpropagation, or forward gradients along a rank-one direction of all layers, of one "
                   "random layer a step, "
                   "or along dense signs",
           .choices = {"backprop", "rank1", "block", "dense"}});
    field("tangent_bf16", tangent_bf16, {.help = "tangent products in bfloat16; values stay float32"});
    field("rounding",
          rounding,
          {.help = "of tangents and weights to bfloat16: stochastic keeps slopes unbiased",
           .choices = {"stochastic", "nearest"}});
    field("apply_every",
          apply_every,
          {.help = "steps whose rank-one updates are kept as a sum before they are applied",
           .min = 1,
           .max = 64});
    field("tangents", tangents, {.help = "directions an estimate", .min = 1, .max = 64});
    field("clip", clip, {.help = "largest directional derivative; 0: off", .min = 0.0, .max = 1e30});
  }

  friend bool operator==(const FusedOptions&, const FusedOptions&) = default;
};

}  // namespace tenfold::forward_gradient
