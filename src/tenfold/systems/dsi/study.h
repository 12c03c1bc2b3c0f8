// SPDX-License-Identifier: Apache-2.0
// Models trained in memory, for the claims: stages.h is the same for users, with run folders.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "tenfold/base/stop.h"
#include "tenfold/systems/dsi/evaluation.h"
#include "tenfold/systems/dsi/stages.h"

namespace tenfold::dsi {

struct StudyEnvironment {
  std::uint64_t seed = 1;
  const StopToken* stop = nullptr;
  std::function<void(std::string_view)> progress;  // may be null
};

// Dual encoder, identifiers and model as train_stages() makes them. With `sequential` the model is trained on documents alone first and on
// labelled queries alone then, half of the epochs each, instead of on both together. Throws Error(kResource, "reproduce.stopped") when `stop` was
// requested.
Ranker train_model(const TrainOptions& options,
                   const std::shared_ptr<const retrieval::Corpus>& corpus,
                   const StudyEnvironment& environment,
                   bool sequential = false);

}  // namespace tenfold::dsi
