// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>

#include "tenfold/systems/training/verbs.h"

namespace tenfold::training {

void seed_initial_weights(std::uint64_t seed) {
  at::manual_seed(seed);
}

}  // namespace tenfold::training
