// SPDX-License-Identifier: Apache-2.0
// Exponential moving average of weights.
#include "tenfold/train/ema.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/optimizer_state.h"

namespace tenfold::train {
namespace {
constexpr const char* kCounter = "ema_updates";
}

Ema::Ema(double decay, std::vector<NamedParameter> weights) : decay_(decay), weights_(std::move(weights)) {
  if (!(decay >= 0.0 && decay < 1.0)) {
    throw Error(ErrorClass::kConfig,
                "ema.bad_decay",
                {"the decay of the weight average is out of range",
                 fmt::format("{}", decay),
                 "at least 0 and below 1",
                 "0.99 to 0.9999 are usual"});
  }
  const c10::AutoGradMode no_recording(false);
  for (const NamedParameter& weight : weights_) {
    check_internal(weight.value.is_floating_point() && weight.value.is_non_overlapping_and_dense(),
                   "an average has floating-point weights without holes");
    averages_.push_back(weight.value.detach().clone());
  }
}

void Ema::update() {
  check_internal(!exchanged_, "no Ema::update() inside an EmaScope");
  const c10::AutoGradMode no_recording(false);
  ++updates_;
  const double share = (1.0 - decay_) / (1.0 - std::pow(decay_, static_cast<double>(updates_)));
  for (std::size_t i = 0; i < weights_.size(); ++i) averages_[i].lerp_(weights_[i].value, share);
}

TensorMap Ema::state() const {
  check_internal(!exchanged_, "no Ema::state() inside an EmaScope");
  TensorMap map;
  for (std::size_t i = 0; i < weights_.size(); ++i) map["ema/" + weights_[i].name] = averages_[i];
  map[kCounter] = counter_tensor(updates_);
  return map;
}

void Ema::load_state(const TensorMap& given) {
  copy_state(state(), given);
  updates_ = counter_value(given, kCounter);
}

void Ema::exchange() {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    auto* weight = static_cast<std::byte*>(weights_[i].value.data_ptr());
    auto* average = static_cast<std::byte*>(averages_[i].data_ptr());
    std::swap_ranges(weight, weight + averages_[i].nbytes(), average);
    weights_[i]
        .value.unsafeGetTensorImpl()
        ->bump_version();  // a graph that still needs the old values will say so
  }
  exchanged_ = !exchanged_;
}

EmaScope::EmaScope(Ema& ema) : ema_(ema) {
  check_internal(!ema.exchanged_, "one EmaScope at a time");
  ema_.exchange();
}

EmaScope::~EmaScope() {
  ema_.exchange();
}

}  // namespace tenfold::train
