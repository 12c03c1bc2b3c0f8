// SPDX-License-Identifier: Apache-2.0
// `tenfold forward-gradient train | eval | export`: classification with any gradient estimator, or with hand-fused layers.
#include <fmt/format.h>

#include <memory>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/fused_estimator.h"
#include "tenfold/systems/forward_gradient/task.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {
namespace {

Error bad_combination(const std::string& mode, std::string seen, std::string wanted, std::string remedy) {
  return Error(ErrorClass::kConfig,
               "fused.bad_combination",
               {.what = fmt::format("--fused {} does not go with these options", mode),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = std::move(remedy)});
}

// What the fused modes replace must not be asked for beside them; nothing is ignored in silence.
void check_combination(const TrainOptions& options) {
  const std::string& mode = options.fused.mode;
  if (mode == "none") {
    FusedOptions plain;
    plain.mode = mode;
    if (options.fused == plain) return;
    throw bad_combination(mode, "an option of the fused layers", "--fused with a mode", "add --fused rank1");
  }
  train::GradientOptions gradient = options.training.gradient, plain;
  if (config::to_toml(config::Fields(gradient), "gradient") !=
      config::to_toml(config::Fields(plain), "gradient")) {
    throw bad_combination(mode,
                          fmt::format("--gradient {} or one of its options", gradient.name),
                          "no --gradient options",
                          "leave --gradient out, or leave --fused out");
  }
  if (options.training.trainer.ema_decay != 0.0) {
    throw bad_combination(mode,
                          fmt::format("ema_decay = {}", options.training.trainer.ema_decay),
                          "ema_decay = 0: an average of every step would need every update at once",
                          "leave --ema-decay out, or leave --fused out");
  }
  const train::OptimizerOptions& optimizer = options.training.trainer.optimizer;
  if (optimizer.name != "sgd" || optimizer.momentum != 0.0 || optimizer.weight_decay != 0.0) {
    throw bad_combination(mode,
                          fmt::format("optimizer.name = {}, momentum {}, weight_decay {}",
                                      optimizer.name,
                                      optimizer.momentum,
                                      optimizer.weight_decay),
                          "plain SGD, which is part of the fused products",
                          "add --optimizer.name sgd, or leave --fused out");
  }
}

std::unique_ptr<training::SystemTask> make_task(const TrainOptions& options) {
  check_combination(options);  // before data are read
  return std::make_unique<ClassificationTask>(options.network, data::open_dataset(options.data));
}

std::unique_ptr<train::GradientEstimator> make_estimator(const TrainOptions& options,
                                                         training::SystemTask& task) {
  if (options.fused.mode == "none") return train::make_gradient_estimator(options.training.gradient);
  auto& own = dynamic_cast<ClassificationTask&>(task);
  auto net = std::make_shared<FusedNet>(own.network());
  auto estimator = std::make_unique<FusedEstimator>(*net, options.fused);
  // The task owns the network, and outlives the estimator.
  own.set_forward(
      [net](const torch::Tensor& inputs, const torch::Tensor& labels) { return net->run(inputs, labels); });
  return estimator;
}

}  // namespace

training::TrainableSystem<TrainOptions> trainable_system() {
  return {
      .system = "forward-gradient",
      .make_task = make_task,
      .make_estimator = make_estimator,
      .train_examples =
          {"tenfold forward-gradient train --preset demo --out fg-demo",
           "tenfold forward-gradient train --preset demo --steps 100 --gradient forward --gradient-direction "
           "rank1 --optimizer.learning-rate 3e-4 --out fg-rank1",
           "tenfold forward-gradient train mlp --steps 100 --fused rank1 --optimizer.name sgd "
           "--optimizer.learning-rate 3e-4 --out fg-fused"},
      .eval_examples = {}};
}

}  // namespace tenfold::forward_gradient
