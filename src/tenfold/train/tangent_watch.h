// SPDX-License-Identifier: Apache-2.0
// Follows tangents through the operators of a forward pass and finds the first one that loses or spoils a tangent on its way to
// the loss.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/directions.h"
#include "tenfold/train/forward_ad.h"

namespace tenfold::train {

// What went wrong at an operator.
struct TangentFinding {
  std::string
      code;  // "forward_ad.tangent_cut", "forward_ad.unsupported_operator", "forward_ad.wrong_operator"
  std::string operator_name;  // "aten::detach", "aten::_cdist_forward (inside aten::cdist)"
  ErrorText text;
};

Error to_error(const TangentFinding& finding);

// An operator of the forward pass and what it did to tangents.
struct OperatorCoverage {
  std::string name;  // as LibTorch dispatches it: "aten::addmm"
  std::uint64_t calls = 0;
  std::uint64_t with_tangent = 0;  // calls with a tangent among the inputs
  std::uint64_t cut = 0;           // of these, calls whose results had none (masks and indices among them)
};

// Watches the operators of this thread while it lives, inside a DualScope. Costs some microseconds an operator, so it is meant for
// the first step, not for each. Sees what goes through LibTorch's dispatcher; .data() is recognised where the next operator reads
// memory of a value that has a tangent without having one. A loop over data_ptr() stays unseen.
//
// A value that only a metric uses may be detached: a finding counts where its result reaches the loss.
class TangentWatch {
 public:
  // `perturbed`: tensors that carry a tangent already. With `allow_detach`, detach() and .data() are stop gradients, as in
  // backpropagation, and no findings. One a thread at a time.
  TangentWatch(const DualScope& scope, std::span<const Perturbed> perturbed, bool allow_detach);
  ~TangentWatch();
  TangentWatch(const TangentWatch&) = delete;
  TangentWatch& operator=(const TangentWatch&) = delete;

  // The first finding whose result reaches `loss`.
  std::optional<TangentFinding> finding(const torch::Tensor& loss) const;
  // What to say about an exception of LibTorch that left the watched code.
  TangentFinding explain(const c10::Error& error) const;
  std::vector<OperatorCoverage> operators() const;  // by name

  class State;  // internal

 private:
  std::unique_ptr<State> state_;
};

// A dry run: which operators of a model carry tangents, and the first that does not. Parameters and gradients stay as they are.
// Exceptions that have nothing to do with forward-mode derivatives pass.
struct CoverageReport {
  std::vector<OperatorCoverage>
      operators;  // by name; those before the problem when it is an exception of LibTorch
  std::optional<TangentFinding> problem;
  bool loss_has_tangent = false;
};
CoverageReport forward_coverage(const LossFunction& loss,
                                std::span<const NamedParameter> parameters,
                                const EstimateKey& key = {});

// What to say about an exception of LibTorch without having watched: the operator's name is then taken from the message, where it is in it.
TangentFinding explain_forward_ad_failure(const c10::Error& error, const std::string& operator_name = "");

}  // namespace tenfold::train
