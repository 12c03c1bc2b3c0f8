// SPDX-License-Identifier: Apache-2.0
// Optimisers behind one interface, with state by parameter name so that it survives in a file.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

using TensorMap = std::map<std::string, torch::Tensor>;

// Beyond those of OptimizerOptions; names as in Shazeer & Stern 2018.
struct AdafactorOptions {
  // rho_t = min(1e-2, 1 / sqrt(t)) times the factor of the schedule, instead of the learning rate.
  bool relative_step = false;
  bool scale_parameter = true;  // steps in proportion to the root mean square of the weights
  double clip_threshold = 1.0;  // d: largest root mean square of an update
  double decay_exponent = 0.8;  // beta2_t = 1 - t^-decay_exponent
  double epsilon1 = 1e-30;      // added to squared gradients
  double epsilon2 = 1e-3;       // smallest root mean square of weights that counts

  void visit_fields(auto&& field) {
    field("relative_step", relative_step, {.help = "min(0.01, 1/sqrt(step)) in place of the learning rate"});
    field("scale_parameter", scale_parameter, {.help = "steps in proportion to the size of the weights"});
    field("clip_threshold",
          clip_threshold,
          {.help = "largest root mean square of an update", .min = 1e-6, .max = 1e6});
    field("decay_exponent",
          decay_exponent,
          {.help = "second moment decays by 1 - step^-this", .min = 0.01, .max = 1.0});
    field("epsilon1", epsilon1, {.help = "added to squared gradients", .min = 0.0, .max = 1.0});
    field("epsilon2", epsilon2, {.help = "smallest size of the weights that counts", .min = 0.0, .max = 1.0});
  }
};

struct OptimizerOptions {
  std::string name = "adamw";
  double learning_rate = 1e-3;  // base; the schedule multiplies it
  double momentum = 0.0;        // sgd
  bool nesterov = false;        // sgd
  double beta1 = 0.9;           // adam, adamw, lamb, lazy_adam, adafactor (0: no first moment)
  double beta2 = 0.999;         // adam, adamw, lamb, lazy_adam
  double epsilon = 1e-8;
  // Decoupled for adamw, lazy_adam and adafactor, part of the update for lamb, added to the gradient for sgd and adam.
  double weight_decay = 0.0;
  // Parameters whose name contains one of these are not decayed; nor are those with fewer than two dimensions.
  std::vector<std::string> no_decay = {"bias", "norm"};
  AdafactorOptions adafactor;

  void visit_fields(auto&& field) {
    field("name",
          name,
          {.help = "optimiser", .choices = {"sgd", "adam", "adamw", "adafactor", "lamb", "lazy_adam"}});
    field("learning_rate", learning_rate, {.help = "base learning rate", .min = 0.0, .max = 1e6});
    field("momentum", momentum, {.help = "momentum of sgd", .min = 0.0, .max = 1.0});
    field("nesterov", nesterov, {.help = "Nesterov momentum of sgd"});
    field("beta1",
          beta1,
          {.help = "decay of the first moment; 0 switches it off for adafactor", .min = 0.0, .max = 1.0});
    field("beta2", beta2, {.help = "decay of the second moment", .min = 0.0, .max = 1.0});
    field("epsilon", epsilon, {.help = "added to the denominator", .min = 0.0, .max = 1.0});
    field("weight_decay", weight_decay, {.help = "weight decay", .min = 0.0, .max = 100.0});
    field("no_decay", no_decay, {.help = "parameters whose name contains one of these are not decayed"});
    field("adafactor", adafactor, {});
  }
};

// Not thread-safe.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One update from p.grad(). A parameter without a gradient is left alone.
  virtual void step(double learning_rate) = 0;
  // "moment1/encoder.weight" -> tensor; counters are int64 scalars. Complete from the first moment on: a parameter that was
  // never updated has zeros. The moments share memory with the optimiser, the counters are copies.
  virtual TensorMap state() const = 0;
  // Throws Error(kFile, "optimizer.bad_state") with the name when a tensor is missing, unknown or of another shape or type,
  // before anything has changed.
  virtual void load_state(const TensorMap& state) = 0;
};

// Throws Error(kConfig, "optimizer.unknown") with the nearest name, and "optimizer.bad_option", "optimizer.no_parameters".
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters);

}  // namespace tenfold::train
