// SPDX-License-Identifier: Apache-2.0
// LAMB over the pieces of all parameters: moments and norms, then the ratios, then the values.
#include "tenfold/train/lamb.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "tenfold/train/adam_slots.h"

namespace tenfold::train {
namespace {

class Lamb : public Optimizer {
 public:
  Lamb(const OptimizerOptions& options, const std::vector<NamedParameter>& parameters)
      : slots_(options, parameters) {}

  void step(double learning_rate) override {
    const c10::AutoGradMode no_recording(false);
    slots_.begin_step();
    std::vector<kernels::AdamUpdate> updates;
    for (const AdamSlots::Slot& slot : slots_.all()) {
      updates.push_back(slots_.update_of(slot, learning_rate));
      updates.back().decay = slot.weight_decay;
    }
    std::vector<kernels::LambSums> sums(slots_.work().pieces().size());
    slots_.run([&](std::size_t piece, std::size_t i, auto arrays) {
      sums[piece] = kernels::lamb_moments(updates[i], arrays);
    });
    scale_rates(sums, updates);
    slots_.run([&](std::size_t, std::size_t i, auto arrays) { kernels::lamb_apply(updates[i], arrays); });
    slots_.end_step();
  }

  TensorMap state() const override { return slots_.state(); }
  void load_state(const TensorMap& state) override { slots_.load_state(state); }

 private:
  // Trust ratios |x| / |u|.
  void scale_rates(const std::vector<kernels::LambSums>& sums,
                   std::vector<kernels::AdamUpdate>& updates) const {
    std::vector<kernels::LambSums> totals(updates.size());
    const auto pieces = slots_.work().pieces();
    for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
      totals[pieces[piece].array].value += sums[piece].value;
      totals[pieces[piece].array].update += sums[piece].update;
    }
    for (std::size_t i = 0; i < updates.size(); ++i) {
      if (!slots_.all()[i].decayed || !(totals[i].value > 0.0) || !(totals[i].update > 0.0)) continue;
      updates[i].learning_rate *= std::sqrt(totals[i].value / totals[i].update);
    }
  }

  AdamSlots slots_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lamb(const OptimizerOptions& options,
                                     std::vector<NamedParameter> parameters) {
  return std::make_unique<Lamb>(options, parameters);
}

}  // namespace tenfold::train
