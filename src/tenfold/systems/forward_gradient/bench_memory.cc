// SPDX-License-Identifier: Apache-2.0
// Peak memory of a training step, as the system sees it: the high-water mark of resident memory.
#include <ATen/Functions.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/base/process.h"
#include "tenfold/systems/forward_gradient/bench.h"
#include "tenfold/systems/forward_gradient/bench_methods.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/systems/forward_gradient/models.h"

namespace tenfold::forward_gradient {
namespace {

constexpr double kRate = 1e-7;

Error no_peak(std::string seen) {
  return Error(ErrorClass::kResource,
               "bench.no_peak",
               {.what = "the memory of a step cannot be measured",
                .seen = std::move(seen),
                .wanted = "/proc/self/clear_refs that can be written, and VmHWM in /proc/self/status",
                .remedy = "leave the memory out"});
}

double memory(const std::string& figure) {
  if (const auto bytes = process_memory(figure)) return *bytes;
  throw no_peak("no " + figure);
}

// The peak of resident memory starts anew.
void reset_peak() {
  try {
    const auto file = real_file_system().create("/proc/self/clear_refs");
    const auto five = std::byte{'5'};
    file->write({&five, 1});
    file->close();
  } catch (const Error& error) {
    throw no_peak(error.text().what);
  }
}

struct Batch {
  torch::Tensor inputs, targets;
};

std::function<void()> fused_step(std::int64_t layers, const Batch& batch, const FusedOptions& options) {
  const std::int64_t width = batch.inputs.size(1);
  auto net = std::make_shared<FusedNet>(deep_mlp(layers, width, width, 10));
  net->logits(batch.inputs.slice(0, 0, 1));  // packs the weights
  return [net, batch, options] { net->step(batch.inputs, batch.targets, options, {}, kRate); };
}

std::function<void()> autograd_step_of(std::int64_t layers, const Batch& batch) {
  const std::int64_t width = batch.inputs.size(1);
  torch::nn::Sequential module = deep_mlp(layers, width, width, 10);
  return [module, batch]() mutable {
    autograd_step(module, train::trainable_parameters(*module), batch.inputs, batch.targets, kRate);
  };
}

}  // namespace

double step_memory(const std::function<void()>& step) {
  malloc_trim(0);  // memory that was freed before would hide what the step takes
  const double before = memory("VmRSS");
  reset_peak();
  step();
  step();
  return memory("VmHWM") - before;
}

MemoryFigures measure_step_memory(std::int64_t layers, std::int64_t width, std::int64_t batch_size) {
  const Batch batch{at::rand({batch_size, width}), at::zeros({batch_size}, at::kLong)};
  const auto fused = [&](const FusedOptions& options) {
    return step_memory(fused_step(layers, batch, options));
  };
  return {.forward = fused({.mode = "rank1", .tangent_bf16 = false}),
          .backprop = fused({.mode = "backprop"}),
          .autograd = step_memory(autograd_step_of(layers, batch))};
}

}  // namespace tenfold::forward_gradient
