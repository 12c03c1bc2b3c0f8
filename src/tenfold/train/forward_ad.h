// SPDX-License-Identifier: Apache-2.0
// LibTorch's forward-mode automatic differentiation in a scope: parameters of an unchanged module carry tangents while it
// lives, and nothing is left of it afterwards, also when an exception leaves.
#pragma once

#include <c10/core/GradMode.h>
#include <torch/types.h>

#include <cstdint>

namespace tenfold::train {

// Whether backpropagation records beside the tangents. Off for forward gradients: parameters with requires_grad would
// otherwise build a tape, which doubles time and memory. On for second derivatives.
enum class Tape : std::uint8_t { kOff, kOn };

// LibTorch has one dual level for the whole process, so only one scope can be open, in whatever thread.
class DualScope {
 public:
  // Throws Error(kResource, "forward_ad.nested") when a level is open, and Error(kData, "forward_ad.tangent_cut") under an
  // InferenceMode guard, where tangents are dropped.
  explicit DualScope(Tape tape = Tape::kOff);
  ~DualScope();
  DualScope(const DualScope&) = delete;
  DualScope& operator=(const DualScope&) = delete;

  // From now on every use of `tensor`, through whatever handle, carries `tangent`, of its shape. Once a tensor.
  void set_tangent(const torch::Tensor& tensor, const torch::Tensor& tangent) const;
  // Undefined when the value does not depend on a tensor with a tangent, or when an operator cut the tangent.
  torch::Tensor tangent(const torch::Tensor& value) const;
  std::uint64_t level() const { return level_; }

 private:
  std::uint64_t level_;
  c10::AutoGradMode tape_;
};

// True for the exceptions by which LibTorch says that it cannot carry a tangent: a missing forward derivative, a custom
// autograd::Function, a tangent of the wrong size.
bool is_forward_ad_failure(const c10::Error& error);

}  // namespace tenfold::train
