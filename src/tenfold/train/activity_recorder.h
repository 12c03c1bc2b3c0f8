// SPDX-License-Identifier: Apache-2.0
// Puts a tangent on the pre-activations of an unchanged module: intercepts the operators that apply a parameter to an input
// (matrix products, convolutions, table look-ups) and keeps what the weight gradient needs.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/forward_ad.h"

namespace tenfold::train {

// One use of a weight in the forward pass: z = x W^T + b, a convolution, or rows of a table.
struct ActivityCall {
  enum class Kind : std::uint8_t { kProduct, kConvolution, kLookup };
  Kind kind = Kind::kProduct;
  std::size_t weight = 0;           // place in the list of parameters
  std::optional<std::size_t> bias;  // the same
  bool transposed = false;          // kProduct: z = x W^T, else z = x W
  torch::Tensor input;              // x, or the indices
  std::uint32_t input_version = 0;  // to see that nobody wrote into x since
  torch::Tensor like;               // shape and type of z, no memory
  std::vector<c10::IValue>
      arguments;  // kConvolution: stride .. groups; kLookup: padding_idx, scale_grad_by_freq

  // Gradients of weight and bias from that of z, as backpropagation would form them. Throws Error(kData, "activity.modified_input") when
  // the input was changed in place after the call.
  struct Gradients {
    torch::Tensor weight, bias;
  };
  Gradients gradients(const torch::Tensor& z_gradient, const torch::Tensor& weight_value) const;
};

// Records the calls of this thread while it lives, inside a DualScope. One a thread at a time.
//
// How: at a dispatch key above autograd that LibTorch keeps for tests (TESTING_ONLY_GenericMode), switched on for this thread only.
// Seen are addmm, mm, matmul, linear, all convolutions and embedding with a parameter, or its transpose, as weight, and the addition of
// a bias to such a result; nn::Linear, Conv1d-3d, ConvTranspose, Embedding, LSTM, GRU and attention come down to these. Not seen: parts
// (slices) of a parameter, einsum and bmm; parameters used like that count as used otherwise.
class ActivityRecorder {
 public:
  // The tangent to add to z of the call with this number, of z's shape; undefined: none.
  using Noise = std::function<torch::Tensor(std::size_t call, const torch::Tensor& like)>;

  // Inside the calls `parameters` take part without their own tangent, so that a tangent on a parameter reaches the loss through its
  // other uses only.
  ActivityRecorder(const DualScope& scope, std::span<const Perturbed> parameters, Noise noise);
  ~ActivityRecorder();
  ActivityRecorder(const ActivityRecorder&) = delete;
  ActivityRecorder& operator=(const ActivityRecorder&) = delete;

  const std::vector<ActivityCall>& calls() const { return calls_; }

  class Interceptor;  // internal

 private:
  std::unique_ptr<Interceptor> interceptor_;
  const DualScope& scope_;
  std::span<const Perturbed> parameters_;
  Noise noise_;
  std::unordered_map<const void*, std::size_t> by_memory_;
  std::vector<ActivityCall> calls_;
  c10::weak_intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl> latest_;  // z of the last call
  c10::impl::IncludeDispatchKeyGuard switched_on_;
};

}  // namespace tenfold::train
