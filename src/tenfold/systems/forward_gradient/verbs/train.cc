// SPDX-License-Identifier: Apache-2.0
// `tenfold forward-gradient train | eval | export`: classification with any gradient estimator.
#include <memory>

#include "tenfold/systems/forward_gradient/task.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {

training::TrainableSystem<TrainOptions> trainable_system() {
  return {
      .system = "forward-gradient",
      .make_task =
          [](const TrainOptions& options) {
            return std::make_unique<ClassificationTask>(options.network, data::open_dataset(options.data));
          },
      .make_estimator = {},
      .train_examples =
          {"tenfold forward-gradient train --preset demo --out fg-demo",
           "tenfold forward-gradient train --preset demo --steps 100 --gradient forward --gradient-direction "
           "rank1 --optimizer.learning-rate 3e-4 --out fg-rank1"},
      .eval_examples = {}};
}

}  // namespace tenfold::forward_gradient
