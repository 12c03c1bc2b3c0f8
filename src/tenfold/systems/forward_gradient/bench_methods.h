// SPDX-License-Identifier: Apache-2.0
// The methods that bench.h times, and the least time each could take. Internal to bench.cc.
#pragma once

#include <torch/nn/modules/container/sequential.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/systems/forward_gradient/fused_layer.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::forward_gradient {

enum class MethodKind : std::uint8_t { kLoss, kBackprop, kForward };

// What of a step the floor counts.
struct MethodCost {
  MethodKind kind = MethodKind::kLoss;
  bool rank_one = false;     // else a forward gradient multiplies by a whole direction
  bool block = false;        // one layer a step
  bool bf16 = false;         // tangent products
  double apply_every = 1.0;  // steps between passes that write the weights
};

// One step of plain LibTorch: autograd, then SGD.
void autograd_step(torch::nn::Sequential& module,
                   const std::vector<train::NamedParameter>& parameters,
                   const torch::Tensor& inputs,
                   const torch::Tensor& targets,
                   double rate);

struct Method {
  std::string name;
  MethodCost cost;
  std::function<void(std::uint64_t step)> run;  // one step
  std::string variant = {};                     // memory format of LibTorch's own step
};

// All methods of bench.h but `best` on fresh copies of a model. Inputs are [batch, 1, 28, 28].
std::vector<Method> make_methods(const std::string& model, std::int64_t batch, std::uint64_t seed);

// Work of the layers of a model.
std::vector<LayerWork> model_work(const std::string& model);

struct MachineRates {
  double flops = 0.0;  // float32, all threads
  double flops_bf16 = 0.0;
  double bytes = 0.0;  // of main memory
};
MachineRates measure_rates(int threads);

// The least time of a step: the longer of its products at the peak rates of bare kernels and its weights' traffic at the bandwidth
// of bare memory (spec: value + tangent + update). Layer l of m inputs per output number has M_l multiply-adds an example and W_l
// weights; batch B.
//   loss      sum M_l;                          4 W bytes (weights read once)
//   backprop  3 sum M_l - M_1;                  12 W (read by both passes, written by the update)
//   forward   sum M_l (value) + sum_{l>1} M_l (tangent of the input) + direction;  4 W, with bfloat16 tangents 2 W more, and
//             the update's (8 W, 2 W more) / apply_every
//     direction: sum M_l for dense ones; one product of m more an output row for rank one
//     block: only the layers after the chosen one have tangents; mean over the choice
// Products of bfloat16 tangents count at the bfloat16 rate, where the processor has one. Drawing, activations, ReLU and pooling count
// nothing.
struct Floor {
  double seconds = 0.0;
  std::string note;
};
Floor floor_of(const MethodCost& cost,
               const std::vector<LayerWork>& layers,
               std::int64_t batch,
               const MachineRates& rates);

// Seconds that drawing the random numbers of a step takes.
double sampling_seconds(const Method& method, const std::vector<LayerWork>& layers);

}  // namespace tenfold::forward_gradient
