// SPDX-License-Identifier: Apache-2.0
// The choice of a gradient estimator as one options struct: `--gradient.name forward --gradient.direction rank1`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

struct GradientOptions {
  std::string name = "backprop";
  std::string direction = "rademacher";
  std::int64_t tangents = 1;
  std::string combine = "mean";
  std::string block = "none";
  std::vector<std::string> only;
  double clip = 0.0;
  double epsilon = 1e-3;
  double rho = 0.05;
  bool stream = false;
  bool allow_detach = false;
  bool per_example = true;
  std::int64_t check_every = 0;
  double check_tolerance = 0.05;

  void visit_fields(auto&& field) {
    field("name",
          name,
          {.help = "how gradients are obtained",
           .choices = {"backprop", "sam", "forward", "activity", "mezo"}});
    field("direction",
          direction,
          {.help = "law of the random directions; guess: from the program",
           .choices = {"gaussian", "rademacher", "sphere", "rank1", "guess"}});
    field("tangents", tangents, {.help = "directions an estimate", .min = 1, .max = 4096});
    field("combine",
          combine,
          {.help = "mean of the directions, or projection of the gradient on their span",
           .choices = {"mean", "orthogonal"}});
    field("block",
          block,
          {.help = "perturb one random block a step, scaled to stay unbiased",
           .choices = {"none", "tensor", "layer"}});
    field("only", only, {.help = "perturb only parameters whose name contains one of these"});
    field("clip", clip, {.help = "largest directional derivative; 0: off", .min = 0.0, .max = 1e30});
    field("epsilon", epsilon, {.help = "step of the central difference of mezo", .min = 1e-12, .max = 1.0});
    field("rho", rho, {.help = "distance at which sam looks for a higher loss", .min = 1e-12, .max = 1e6});
    field("stream", stream, {.help = "update parameters by plain SGD without a gradient tensor"});
    field(
        "allow_detach",
        allow_detach,
        {.help = "a detach() between parameters and loss is meant: a stop gradient, as in backpropagation"});
    field("per_example",
          per_example,
          {.help = "activity perturbation by the loss of each example; false: of the batch"});
    field("check_every",
          check_every,
          {.help = "steps between checks of the derivative by a finite difference; 0: off",
           .min = 0,
           .max = 1e12});
    field("check_tolerance",
          check_tolerance,
          {.help = "relative error that a check allows", .min = 1e-12, .max = 10.0});
  }
};

// Directions of the user's own (Silver et al., "Learning by directional gradient descent", ICLR 2022; Fournier et al. 2023, arXiv
// 2306.06968): one tensor a parameter, in their order, undefined where it is not moved. Called before the loss; may use
// backpropagation. With several tangents it is called once for each (key.tangent).
using GuessFunction = std::function<std::vector<torch::Tensor>(std::span<const NamedParameter> parameters,
                                                               const DirectionKey& key)>;

struct GradientHooks {
  GuessFunction guess;  // for direction "guess"
};

// Throws Error(kConfig) with the nearest name: "gradient.unknown", "gradient.unknown_direction", ...; "gradient.no_guess" when
// direction "guess" has no hook; "gradient.bad_combination" for options that do not go together.
std::unique_ptr<GradientEstimator> make_gradient_estimator(const GradientOptions& options,
                                                           GradientHooks hooks = {});

}  // namespace tenfold::train
