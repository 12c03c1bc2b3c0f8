// SPDX-License-Identifier: Apache-2.0
// Parameters with two moments and a step counter each, and a loop over the pieces of their memory: what Adam, AdamW and LAMB
// have in common. Internal to train/.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/kernels/optimizer_update.h"
#include "tenfold/train/optimizer_state.h"
#include "tenfold/train/work_list.h"

namespace tenfold::train {

class AdamSlots {
 public:
  struct Slot {
    NamedParameter parameter;
    bool decayed = false;
    double weight_decay = 0.0;  // 0 unless decayed
    at::Tensor moment1, moment2;
    std::int64_t* steps = nullptr;
    at::Tensor
        gradient;  // of this step, in the memory order of the parameter; undefined: leave the parameter alone
  };

  // Throws Error(kConfig, "optimizer.bad_type") for parameters that has_plain_memory() refuses.
  AdamSlots(const OptimizerOptions& options, const std::vector<NamedParameter>& parameters);

  const std::vector<Slot>& all() const { return slots_; }
  const WorkList& work() const { return work_; }

  // Collects the gradients and counts the step of those that have one. Throws for sparse ones before anything has changed.
  void begin_step();
  void end_step();  // lets go of the gradients

  // Rate, betas, epsilon and bias corrections for the coming update; no weight decay.
  kernels::AdamUpdate update_of(const Slot& slot, double learning_rate) const;

  // Calls body(index of the piece, index of the slot, kernels::AdamArrays) for all pieces with a gradient, from several threads.
  template <typename Body>
  void run(const Body& body) const {
    work_.run([&](std::size_t index, const WorkList::Piece& piece) {
      const Slot& slot = slots_[piece.array];
      if (!slot.gradient.defined()) return;
      if (slot.gradient.scalar_type() == at::kFloat) {
        body(index, piece.array, arrays<float>(slot, piece));
      } else {
        body(index, piece.array, arrays<double>(slot, piece));
      }
    });
  }

  TensorMap state() const { return table_.state(); }
  void load_state(const TensorMap& state) { table_.load(state); }

 private:
  template <typename T>
  static kernels::AdamArrays<T> arrays(const Slot& slot, const WorkList::Piece& piece) {
    return {slot.parameter.value.data_ptr<T>() + piece.begin,
            slot.gradient.data_ptr<T>() + piece.begin,
            slot.moment1.data_ptr<T>() + piece.begin,
            slot.moment2.data_ptr<T>() + piece.begin,
            piece.size};
  }

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  StateTable table_;
  WorkList work_;
};

}  // namespace tenfold::train
