// SPDX-License-Identifier: Apache-2.0
// One forward pass on dual numbers: the loss and its exact slope along a direction (a Jacobian-vector product).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/tangent_watch.h"

namespace tenfold::train {

struct JvpOptions {
  bool watched = false;       // follow every operator (train/tangent_watch.h)
  bool allow_detach = false;  // detach() is a stop gradient
  bool may_be_inert =
      false;  // a loss that the perturbed tensors do not reach has slope 0; else it is a problem
};

struct Jvp {
  StepOutput output;                      // detached
  double slope = 0.0;                     // d = g.v
  std::optional<TangentFinding> problem;  // why the slope cannot be trusted; then the rest may be empty
};

// `tangents`: the direction's tensors, drawn. Exceptions of the loss pass, unless LibTorch says by one that a derivative is missing.
Jvp jvp(const LossFunction& loss,
        const Direction& direction,
        std::span<const torch::Tensor> tangents,
        const JvpOptions& options);

std::vector<torch::Tensor> draw_all(const Direction& direction);

// Throws Error(kInternal, "gradient.bad_loss") unless the loss is one real number.
void check_loss(const StepOutput& output);

// Loss, example losses and metrics without tape and tangent.
StepOutput detached(const StepOutput& output);

}  // namespace tenfold::train
