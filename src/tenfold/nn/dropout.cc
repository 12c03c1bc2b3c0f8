// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>

#include "tenfold/base/threads.h"
#include "tenfold/kernels/random_fill.h"

namespace tenfold::nn {
namespace {

constexpr std::uint64_t kStream = 0x64726f70;
constexpr std::size_t kGrain = std::size_t{1} << 16;

std::uint64_t next_seed() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

}  // namespace

torch::Tensor dropout(const torch::Tensor& x, double share) {
  if (x.scalar_type() != at::kFloat || !x.device().is_cpu()) return at::dropout(x, share, true);
  const auto kept = static_cast<std::uint32_t>(std::clamp(std::lround((1.0 - share) * 65536), 1L, 65536L));
  const kernels::KeepRule rule{kept, 65536.0f / static_cast<float>(kept)};
  const kernels::RandomStream stream{next_seed(), kStream};
  const torch::Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
  float* const values = mask.data_ptr<float>();
  parallel_for(static_cast<std::size_t>(mask.numel()), kGrain, [&](std::size_t begin, std::size_t end) {
    kernels::fill_kept(stream, begin, rule, std::span(values + begin, end - begin));
  });
  return x * mask;
}

}  // namespace tenfold::nn
