// SPDX-License-Identifier: Apache-2.0
// Moments, counters and gradients of Adam's family.
#include "tenfold/train/adam_slots.h"

#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace tenfold::train {

AdamSlots::AdamSlots(const OptimizerOptions& options, const std::vector<NamedParameter>& parameters)
    : options_(options) {
  std::vector<std::size_t> sizes;
  for (const NamedParameter& parameter : parameters) {
    check_plain_memory(options.name, parameter);
    Slot slot;
    slot.parameter = parameter;
    slot.decayed = is_decayed(options, parameter);
    slot.weight_decay = slot.decayed ? options.weight_decay : 0.0;
    slot.moment1 = at::zeros_like(parameter.value.detach());
    slot.moment2 = at::zeros_like(parameter.value.detach());
    table_.add("moment1/" + parameter.name, slot.moment1);
    table_.add("moment2/" + parameter.name, slot.moment2);
    slot.steps = &table_.add_counter("step/" + parameter.name);
    slots_.push_back(std::move(slot));
    sizes.push_back(static_cast<std::size_t>(parameter.value.numel()));
  }
  work_ = WorkList(sizes);
}

void AdamSlots::begin_step() {
  for (Slot& slot : slots_) slot.gradient = gradient_like_value(options_.name, slot.parameter);
  for (Slot& slot : slots_) {
    if (!slot.gradient.defined()) continue;
    ++*slot.steps;
    mark_changed(slot.parameter.value);
  }
}

void AdamSlots::end_step() {
  for (Slot& slot : slots_) slot.gradient = at::Tensor();
}

kernels::AdamUpdate AdamSlots::update_of(const Slot& slot, double learning_rate) const {
  kernels::AdamUpdate update;
  update.learning_rate = learning_rate;
  update.beta1 = options_.beta1;
  update.beta2 = options_.beta2;
  update.epsilon = options_.epsilon;
  const auto t = static_cast<double>(*slot.steps);
  update.correction1 = 1.0 - std::pow(options_.beta1, t);
  update.correction2 = 1.0 - std::pow(options_.beta2, t);
  return update;
}

}  // namespace tenfold::train
