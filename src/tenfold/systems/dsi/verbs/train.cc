// SPDX-License-Identifier: Apache-2.0
// `tenfold dsi train`.
#include "tenfold/systems/dsi/stages.h"
#include "tenfold/systems/dsi/verbs/verbs.h"

namespace tenfold::dsi {

systems::Verb make_train_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<TrainOptions>(
          "train",
          "train a model that is the index; the same command continues a run that was stopped",
          "Two run folders: DIR/dual (a dual encoder of the same size, for identifiers and for comparison; "
          "dual.epochs = 0 "
          "leaves it untrained) and DIR (the model). --steps, --epochs, --batch-size, --optimizer.* are "
          "those of the "
          "model. The result is the bundle DIR/model, which search, add, delete, eval and serve take.",
          {"tenfold dsi train --preset demo --out dsi-demo"},
          [](const TrainOptions& options, systems::Context& context) {
            return train_stages(options, context);
          }));
}

}  // namespace tenfold::dsi
