// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/buffer_snapshot.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

namespace tenfold::train {

BufferSnapshot::BufferSnapshot(const torch::nn::Module& module) {
  for (const auto& item : module.named_buffers()) {
    if (!item.value().defined()) continue;
    buffers_.push_back(item.value().detach());
    copies_.push_back(at::empty_like(buffers_.back()));
  }
}

void BufferSnapshot::take() {
  const c10::NoGradGuard no_grad;
  for (std::size_t i = 0; i < buffers_.size(); ++i) copies_[i].copy_(buffers_[i]);
}

void BufferSnapshot::restore() {
  const c10::NoGradGuard no_grad;
  for (std::size_t i = 0; i < buffers_.size(); ++i) buffers_[i].copy_(copies_[i]);
}

}  // namespace tenfold::train
