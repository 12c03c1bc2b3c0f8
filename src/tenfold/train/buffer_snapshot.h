// SPDX-License-Identifier: Apache-2.0
// The buffers of a module as they were before a step: a forward pass over bad data changes running statistics, and a skipped
// step must leave nothing behind.
#pragma once

#include <torch/types.h>

#include <vector>

namespace torch::nn {
class Module;
}

namespace tenfold::train {

class BufferSnapshot {
 public:
  explicit BufferSnapshot(const torch::nn::Module& module);

  bool empty() const { return buffers_.empty(); }
  const std::vector<torch::Tensor>& buffers() const { return buffers_; }
  void take();     // one copy of the buffers, into memory kept for it
  void restore();  // what the last take() saw

 private:
  std::vector<torch::Tensor> buffers_;
  std::vector<torch::Tensor> copies_;
};

}  // namespace tenfold::train
