// SPDX-License-Identifier: Apache-2.0
// The section of forward gradients in `tenfold demo`: what works, what it costs, how it falls behind, in a minute.
#include "tenfold/data/fashion_mnist.h"
#include "tenfold/systems/forward_gradient/verbs/demo_charts.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {

report::Section make_demo_section(systems::Context& context) {
  report::Section section{"forward-gradient",
                          "Forward gradients",
                          "Training without backpropagation works, and costs steps: one number a direction "
                          "says little about many parameters.",
                          {}};
  section.blocks.emplace_back(function_chart(
      {.function = "beale",
       .title = "Beale's function",
       .caption = "Gradient descent and forward gradients with the same step size, eta 0.01. In two "
                  "dimensions the noise costs little.",
       .learning_rate = 0.01,
       .steps = 1000},
      context.seed));
  section.blocks.emplace_back(function_chart({.function = "rosenbrock",
                                              .title = "Rosenbrock's function",
                                              .caption = "The same with eta 5e-4: a long curved valley.",
                                              .learning_rate = 5e-4,
                                              .steps = 25000},
                                             context.seed));
  section.blocks.emplace_back(tangents_chart(context.seed));
  section.blocks.emplace_back(laws_chart(context));
  section.blocks.emplace_back(step_limit_chart(context.seed));
  if (!data::fashion_mnist_is_installed()) {
    section.blocks.emplace_back(report::Paragraph{
        "Fashion-MNIST is not installed (Debian package dataset-fashion-mnist): the networks are left out."});
    return section;
  }
  for (report::Block& block : learning_blocks(context)) section.blocks.push_back(std::move(block));
  for (report::Block& block : cost_charts(context)) section.blocks.push_back(std::move(block));
  section.blocks.emplace_back(gap_chart(context));
  section.blocks.emplace_back(perturbed_table(context));
  return section;
}

}  // namespace tenfold::forward_gradient
