// SPDX-License-Identifier: Apache-2.0
// Activation check-pointing (Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174): a part of a model
// keeps its inputs only and computes its activations again when the backward pass needs them.
#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace tenfold::train {

using TensorFunction = std::function<std::vector<torch::Tensor>(const std::vector<torch::Tensor>& inputs)>;

// function(inputs), with the same gradients as without it. Meant for backward(): the recomputation runs a backward pass of its
// own, which adds to the .grad() of the parameters that the function uses. Per call it costs one more forward pass of the
// function (a third of the time, by FLOP) and keeps `inputs` and 5 kB.
//
//   auto y = checkpoint([&](const auto& in) { return std::vector{block->forward(in[0])}; }, {x})[0];
//
// The function is called again later: what it refers to must live until then, and it must do the same both times. For that
// LibTorch's default generator and autocast are as in the first call meanwhile; state that it changes itself (running
// statistics of batch norm) is changed twice. Where no gradient is recorded, and for dual numbers of forward-mode
// differentiation, the function is called directly.
// Errors: Error(kInternal, "checkpoint.modified_input") when the function changes an input in place. In the backward pass: Error(kInternal, "checkpoint.partial_backward") with autograd::grad() or backward(inputs),
// which cannot see the parameters; "checkpoint.double_backward" with create_graph; "checkpoint.changed" when the second call
// gives other shapes.
std::vector<torch::Tensor> checkpoint(const TensorFunction& function,
                                      const std::vector<torch::Tensor>& inputs);

// One tensor in, one out.
torch::Tensor checkpoint(const std::function<torch::Tensor(const torch::Tensor&)>& function,
                         const torch::Tensor& input);

}  // namespace tenfold::train
