// SPDX-License-Identifier: Apache-2.0
// One loop over the pieces of all parameters, so that small tensors do not pay for a hand-over to the threads each.
#include "tenfold/train/fused_optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "tenfold/base/error.h"
#include "tenfold/kernels/optimizer_update.h"
#include "tenfold/train/adam_slots.h"
#include "tenfold/train/optimizer_state.h"
#include "tenfold/train/work_list.h"

namespace tenfold::train {
namespace {

class FusedSgd : public Optimizer {
 public:
  FusedSgd(const OptimizerOptions& options, const std::vector<NamedParameter>& parameters)
      : options_(options) {
    std::vector<std::size_t> sizes;
    for (const NamedParameter& parameter : parameters) {
      Slot slot{parameter, is_decayed(options, parameter) ? options.weight_decay : 0.0, {}, {}};
      if (options.momentum != 0.0) {
        slot.velocity = at::zeros_like(parameter.value.detach());
        table_.add("momentum/" + parameter.name, slot.velocity);
      }
      slots_.push_back(std::move(slot));
      sizes.push_back(static_cast<std::size_t>(parameter.value.numel()));
    }
    work_ = WorkList(sizes);
  }

  void step(double learning_rate) override {
    const c10::AutoGradMode no_recording(false);
    for (Slot& slot : slots_) {
      const bool sparse = is_sparse(slot) && options_.momentum == 0.0 && slot.weight_decay == 0.0;
      slot.gradient = sparse ? at::Tensor() : gradient_like_value(options_.name, slot.parameter);
    }
    for (const Slot& slot : slots_) {
      if (slot.gradient.defined()) mark_changed(slot.parameter.value);
      if (is_sparse(slot)) slot.parameter.value.add_(slot.parameter.value.grad(), -learning_rate);
    }
    work_.run([&](std::size_t, const WorkList::Piece& piece) {
      const Slot& slot = slots_[piece.array];
      if (!slot.gradient.defined()) return;
      slot.gradient.scalar_type() == at::kFloat ? run<float>(learning_rate, slot, piece)
                                                : run<double>(learning_rate, slot, piece);
    });
    for (Slot& slot : slots_) slot.gradient = at::Tensor();
  }

  TensorMap state() const override { return table_.state(); }
  void load_state(const TensorMap& state) override { table_.load(state); }

 private:
  struct Slot {
    NamedParameter parameter;
    double weight_decay = 0.0;
    at::Tensor velocity;  // undefined without momentum
    at::Tensor gradient;  // of this step
  };

  static bool is_sparse(const Slot& slot) {
    const at::Tensor& gradient = slot.parameter.value.grad();
    return gradient.defined() && gradient.layout() != at::kStrided;
  }

  template <typename T>
  void run(double learning_rate, const Slot& slot, const WorkList::Piece& piece) const {
    kernels::SgdArrays<T> arrays;
    arrays.value = slot.parameter.value.data_ptr<T>() + piece.begin;
    arrays.gradient = slot.gradient.data_ptr<T>() + piece.begin;
    if (slot.velocity.defined()) arrays.velocity = slot.velocity.data_ptr<T>() + piece.begin;
    arrays.size = piece.size;
    kernels::sgd_update({learning_rate, options_.momentum, options_.nesterov, slot.weight_decay}, arrays);
  }

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  StateTable table_;
  WorkList work_;
};

class FusedAdam : public Optimizer {
 public:
  FusedAdam(const OptimizerOptions& options, const std::vector<NamedParameter>& parameters)
      : slots_(options, parameters), decoupled_(options.name == "adamw") {}

  void step(double learning_rate) override {
    const c10::AutoGradMode no_recording(false);
    slots_.begin_step();
    std::vector<kernels::AdamUpdate> updates;
    for (const AdamSlots::Slot& slot : slots_.all()) {
      updates.push_back(slots_.update_of(slot, learning_rate));
      if (decoupled_) {
        updates.back().shrink = 1.0 - learning_rate * slot.weight_decay;
      } else {
        updates.back().decay = slot.weight_decay;
      }
    }
    slots_.run([&](std::size_t, std::size_t i, auto arrays) { kernels::adam_update(updates[i], arrays); });
    slots_.end_step();
  }

  TensorMap state() const override { return slots_.state(); }
  void load_state(const TensorMap& state) override { slots_.load_state(state); }

 private:
  AdamSlots slots_;
  bool decoupled_;
};

}  // namespace

std::unique_ptr<Optimizer> make_fused_optimizer(const OptimizerOptions& options,
                                                const std::vector<NamedParameter>& parameters) {
  const bool fits = std::all_of(parameters.begin(), parameters.end(), [](const NamedParameter& parameter) {
    return has_plain_memory(parameter.value);
  });
  if (!fits) return nullptr;
  if (options.name == "sgd") return std::make_unique<FusedSgd>(options, parameters);
  check_internal(options.name == "adam" || options.name == "adamw",
                 "make_fused_optimizer knows sgd and adam");
  return std::make_unique<FusedAdam>(options, parameters);
}

}  // namespace tenfold::train
