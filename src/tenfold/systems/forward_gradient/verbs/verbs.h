// SPDX-License-Identifier: Apache-2.0
// The verbs of `tenfold forward-gradient` that need LibTorch; functions/ has the one that does not.
#pragma once

#include "tenfold/data/open.h"
#include "tenfold/systems/forward_gradient/fused_options.h"
#include "tenfold/systems/forward_gradient/network.h"
#include "tenfold/systems/system.h"
#include "tenfold/systems/training/verbs.h"

namespace tenfold::forward_gradient {

struct TrainOptions {
  NetworkOptions network;
  FusedOptions fused{.mode = "none"};
  data::DataOptions data;
  training::TrainingOptions training;

  void visit_fields(auto&& field) {
    network.visit_fields(field);
    // "mode" becomes --fused, "tangent_bf16" --fused-tangent-bf16, ...
    fused.visit_fields([&](std::string_view option, auto& value, config::FieldInfo info) {
      if (option != "mode") return field("fused_" + std::string(option), value, std::move(info));
      info.help =
          "hand-fused layers with their own plain SGD instead of --gradient and --optimizer: " + info.help;
      info.choices.insert(info.choices.begin(), "none");
      field(std::string("fused"), value, std::move(info));
    });
    field("data", data, {});
    training.visit_fields(field);
  }
};

training::TrainableSystem<TrainOptions> trainable_system();

systems::Verb make_directional_verb();
systems::Verb make_bench_verb();

std::vector<systems::Claim> make_claims();
report::Section make_demo_section(systems::Context& context);

}  // namespace tenfold::forward_gradient
