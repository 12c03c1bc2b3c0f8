// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/registry.h"

namespace tenfold::systems {

std::vector<SystemState> roadmap() {
  return {
      {"dsi", "DSI", "searches a corpus by letting a model generate document ids", "works"},
      {"datamux", "DataMUX", "classifies N texts in one pass of the network", "planned"},
      {"sashimi", "SaShiMi", "generates, continues and scores raw audio with state-space models", "planned"},
      {"vlp", "VLP", "pre-trains and uses vision-language models", "planned"},
      {"stmoe", "ST-MoE", "trains stable sparse mixture-of-experts language models", "planned"},
      {"forward-gradient", "Forward gradients", "trains any model without backpropagation", "works"},
      {"hip", "HiP", "one hierarchical Perceiver for images, audio, points and bytes", "planned"},
      {"blocknerf", "Block-NeRF", "turns posed street photos into blocks that render as one city", "planned"},
      {"trends",
       "Compute trends",
       "fits 70 years of training compute and puts your own run on the chart",
       "works"},
      {"repconc", "RepCONC", "compresses dense-retrieval vectors and searches them fast", "works"},
      // New systems go above this line.
  };
}

}  // namespace tenfold::systems
