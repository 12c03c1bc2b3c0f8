// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/forward_ad.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <string_view>

#include "tenfold/base/error.h"

namespace tenfold::train {
namespace {

std::uint64_t enter_level() {
  if (c10::InferenceMode::is_enabled()) {
    throw Error(ErrorClass::kData,
                "forward_ad.tangent_cut",
                {.what = "forward gradients under an InferenceMode guard",
                 .seen = "c10::InferenceMode, which drops every tangent",
                 .wanted = "no guard, or NoGradGuard",
                 .remedy = "use torch::NoGradGuard where nothing is to be recorded"});
  }
  try {
    return torch::autograd::forward_ad::enter_dual_level();
  } catch (const c10::Error&) {
    throw Error(
        ErrorClass::kResource,
        "forward_ad.nested",
        {.what = "a second scope of forward-mode differentiation",
         .seen = "one is open in this process",
         .wanted = "one at a time: LibTorch does not nest dual levels, and shares them between threads",
         .remedy = "end the other scope first; estimate one gradient at a time"});
  }
}

}  // namespace

DualScope::DualScope(Tape tape) : level_(enter_level()), tape_(tape == Tape::kOn) {}

DualScope::~DualScope() {
  torch::autograd::forward_ad::exit_dual_level(level_);
}

void DualScope::set_tangent(const torch::Tensor& tensor, const torch::Tensor& tangent) const {
  if (tensor.is_inference()) {
    throw Error(ErrorClass::kData,
                "forward_ad.tangent_cut",
                {.what = "a parameter that cannot carry a tangent",
                 .seen = "a tensor made under InferenceMode",
                 .wanted = "an ordinary tensor",
                 .remedy = "build the module outside of InferenceMode"});
  }
  check_internal(tensor.sizes().equals(tangent.sizes()), "a tangent has the shape of its tensor");
  tensor._set_fw_grad(tangent, level_, /*is_inplace_op=*/false);
}

torch::Tensor DualScope::tangent(const torch::Tensor& value) const {
  return value.defined() ? value._fw_grad(level_) : torch::Tensor();
}

bool is_forward_ad_failure(const c10::Error& error) {
  const std::string_view text = error.what_without_backtrace();
  for (const std::string_view phrase :
       {"forward AD", "forward gradient", "jvp is not implemented", "jvp function"}) {
    if (text.find(phrase) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace tenfold::train
