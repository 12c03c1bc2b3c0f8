// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc train`.
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/verbs/verbs.h"

namespace tenfold::repconc {

systems::Verb make_train_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<TrainOptions>(
          "train",
          "train encoder and codewords together; the same command continues a run that was stopped",
          "Three stages, each a run folder: DIR/dense (encoder alone), DIR (encoder and codewords, RepCONC) "
          "and DIR/query (query encoder and "
          "codewords against frozen codes, JPQ). --steps, --epochs, --batch-size, --optimizer.* and "
          "--gradient are those of the second stage; "
          "dense.* and query.* of the others, and dense.epochs = 0 or query.epochs = 0 leaves one out. The "
          "result is the bundle DIR/model.",
          {"tenfold repconc train --preset demo --out repconc-demo"},
          [](const TrainOptions& options, systems::Context& context) {
            return train_stages(options, context);
          }));
}

}  // namespace tenfold::repconc
