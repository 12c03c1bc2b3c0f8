// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/bench_methods.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/random_fill.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/systems/forward_gradient/models.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/machine.h"

namespace tenfold::forward_gradient {
namespace {

constexpr double kRate = 1e-7;  // small: weights stay ordinary numbers however many steps are timed

struct Data {
  torch::Tensor inputs, targets;
  std::uint64_t seed;
};

// A network of its own and what a step needs.
struct FusedState {
  FusedState(const std::string& model, FusedOptions from, Data with)
      : net(make_model(model)), options(std::move(from)), data(std::move(with)) {}

  FusedNet net;
  FusedOptions options;
  Data data;
};

Method fused_method(std::string name,
                    const std::string& model,
                    const FusedOptions& options,
                    const Data& data) {
  auto state = std::make_shared<FusedState>(model, options, data);
  const bool backprop = options.mode == "backprop";
  return {std::move(name),
          {.kind = backprop ? MethodKind::kBackprop : MethodKind::kForward,
           .rank_one = options.mode == "rank1" || options.mode == "block",
           .block = options.mode == "block",
           .bf16 = !backprop && options.tangent_bf16,
           .apply_every = backprop ? 1.0 : static_cast<double>(options.apply_every)},
          [state](std::uint64_t step) {
            state->net.step(state->data.inputs,
                            state->data.targets,
                            state->options,
                            {.seed = state->data.seed, .step = step},
                            kRate);
          }};
}

Method loss_method(const std::string& model, const Data& data) {
  auto net = std::make_shared<FusedNet>(make_model(model));
  return {"loss", {.kind = MethodKind::kLoss}, [net, data](std::uint64_t) {
            net->run(data.inputs, data.targets);
          }};
}

// LibTorch's eager step in one memory format.
std::function<void()> autograd_in(const std::string& model, Data data, bool channels_last) {
  torch::nn::Sequential module = make_model(model);
  if (channels_last) {
    data.inputs = data.inputs.contiguous(at::MemoryFormat::ChannelsLast);
    for (torch::Tensor& parameter : module->parameters()) {
      if (parameter.dim() == 4)
        parameter.set_data(parameter.data().contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  const std::vector<train::NamedParameter> parameters = train::trainable_parameters(*module);
  return [module, parameters, data]() mutable {
    autograd_step(module, parameters, data.inputs, data.targets, kRate);
  };
}

// The faster of two memory formats, tried in turn.
Method autograd_method(const std::string& model, const Data& data) {
  const std::function<void()> steps[] = {autograd_in(model, data, false), autograd_in(model, data, true)};
  double least[] = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (const auto& step : steps) step();
  for (int trial = 0; trial < 5; ++trial) {
    for (std::size_t i = 0; i < 2; ++i) {
      const Stopwatch watch;
      steps[i]();
      least[i] = std::min(least[i], watch.cpu_seconds());
    }
  }
  const std::size_t best = least[1] < least[0] ? 1 : 0;
  return {"backprop_autograd",
          {.kind = MethodKind::kBackprop},
          [step = steps[best]](std::uint64_t) { step(); },
          best == 1 ? "channels_last" : "contiguous"};
}

Method generic_method(const std::string& direction, const std::string& model, const Data& data) {
  torch::nn::Sequential module = make_model(model);
  const std::shared_ptr<train::GradientEstimator> estimator =
      train::make_gradient_estimator({.name = "forward", .direction = direction, .stream = true});
  const std::vector<train::NamedParameter> parameters = train::trainable_parameters(*module);
  const train::LossFunction loss = [module, data]() mutable {
    return train::StepOutput{.loss = at::cross_entropy_loss(module->forward(data.inputs), data.targets)};
  };
  return {"dual_" + direction,
          {.kind = MethodKind::kForward},
          [estimator, parameters, loss, data](std::uint64_t step) {
            estimator->update(loss, parameters, {.seed = data.seed, .step = step}, kRate).loss.item<float>();
          }};
}

template <typename Body>
double least_seconds(const Body& body) {
  double least = std::numeric_limits<double>::infinity();
  for (int trial = 0; trial < 5; ++trial) {
    const Stopwatch watch;
    body();
    least = std::min(least, watch.cpu_seconds());
  }
  return least;
}

double total(const std::vector<LayerWork>& layers, double LayerWork::*field, std::size_t from = 0) {
  double sum = 0.0;
  for (std::size_t i = from; i < layers.size(); ++i) sum += layers[i].*field;
  return sum;
}

// Multiply-adds an example of a step: in float32, and of tangents, which may be bfloat16.
struct Products {
  double float32 = 0.0, tangents = 0.0;
};

Products products_of(const MethodCost& cost, const std::vector<LayerWork>& layers) {
  const double value = total(layers, &LayerWork::multiply_adds), first = layers.front().multiply_adds;
  Products products{.float32 = value};
  if (cost.kind == MethodKind::kLoss) return products;
  if (cost.kind == MethodKind::kBackprop) {
    products.float32 += 2.0 * value - first;  // gradients of weights, and of inputs but for the first layer
    return products;
  }
  const double weights = total(layers, &LayerWork::weights);
  // The last layer's tangents stay float32.
  const auto tangents_after = [&](std::size_t layer, double share) {
    for (std::size_t i = layer + 1; i < layers.size(); ++i) {
      (i + 1 == layers.size() ? products.float32 : products.tangents) += share * layers[i].multiply_adds;
    }
  };
  if (cost.block) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const double share = layers[i].weights / weights;
      products.float32 += share * layers[i].direction_adds;
      tangents_after(i, share);
    }
    return products;
  }
  products.float32 += cost.rank_one ? total(layers, &LayerWork::direction_adds) : value;
  tangents_after(0, 1.0);
  return products;
}

double bytes_of(const MethodCost& cost, const std::vector<LayerWork>& layers) {
  const double weights = total(layers, &LayerWork::weights);
  if (cost.kind == MethodKind::kLoss) return 4.0 * weights;
  if (cost.kind == MethodKind::kBackprop) return 12.0 * weights;  // read forward, read backward, written
  return weights * (4.0 + (cost.bf16 ? 2.0 : 0.0) + (8.0 + (cost.bf16 ? 2.0 : 0.0)) / cost.apply_every);
}

}  // namespace

void autograd_step(torch::nn::Sequential& module,
                   const std::vector<train::NamedParameter>& parameters,
                   const torch::Tensor& inputs,
                   const torch::Tensor& targets,
                   double rate) {
  for (const auto& parameter : parameters) torch::Tensor(parameter.value).mutable_grad() = torch::Tensor();
  const torch::Tensor loss = at::cross_entropy_loss(module->forward(inputs), targets);
  loss.backward();
  const c10::NoGradGuard no_grad;
  for (const auto& parameter : parameters) torch::Tensor(parameter.value).add_(parameter.value.grad(), -rate);
  loss.item<float>();
}

std::vector<Method> make_methods(const std::string& model, std::int64_t batch, std::uint64_t seed) {
  at::manual_seed(seed);
  const Data data{at::rand({batch, 1, 28, 28}), at::randint(10, {batch}, at::kLong), seed};
  std::vector<Method> methods;
  methods.push_back(fused_method("backprop", model, {.mode = "backprop"}, data));
  methods.push_back(loss_method(model, data));
  methods.push_back(autograd_method(model, data));
  methods.push_back(generic_method("gaussian", model, data));
  methods.push_back(generic_method("rademacher", model, data));
  methods.push_back(fused_method(
      "rademacher_fused", model, {.mode = "dense", .tangent_bf16 = false, .apply_every = 1}, data));
  for (const char* mode : {"rank1", "block"}) {
    methods.push_back(fused_method(mode, model, {.mode = mode, .tangent_bf16 = false}, data));
    methods.push_back(fused_method(std::string(mode) + "_bf16", model, {.mode = mode}, data));
  }
  return methods;
}

std::vector<LayerWork> model_work(const std::string& model) {
  FusedNet net(make_model(model));
  net.logits(at::zeros({1, 1, 28, 28}));
  return net.work();
}

MachineRates measure_rates(int threads) {
  const double cores = std::min(threads, available_cores());
  return {kernels::gemm_peak(false) * cores,
          kernels::gemm_peak(true) * cores,
          train::measure_bandwidth(threads).best_gigabytes_per_second * 1e9};
}

Floor floor_of(const MethodCost& cost,
               const std::vector<LayerWork>& layers,
               std::int64_t batch,
               const MachineRates& rates) {
  const Products products = products_of(cost, layers);
  const double examples = 2.0 * static_cast<double>(batch);
  const double tangent_rate = cost.bf16 ? std::max(rates.flops_bf16, rates.flops) : rates.flops;
  const double compute = examples * (products.float32 / rates.flops + products.tangents / tangent_rate);
  const double memory = bytes_of(cost, layers) / rates.bytes;
  Floor floor;
  floor.seconds = std::max(compute, memory);
  floor.note = fmt::format("{:.4g} MFLOP at {:.0f} GFLOP/s{}, {:.4g} MB at {:.0f} GB/s, the longer of both",
                           examples * (products.float32 + products.tangents) / 1e6,
                           rates.flops / 1e9,
                           cost.bf16 ? fmt::format(" (tangents {:.0f})", tangent_rate / 1e9) : "",
                           bytes_of(cost, layers) / 1e6,
                           rates.bytes / 1e9);
  return floor;
}

double sampling_seconds(const Method& method, const std::vector<LayerWork>& layers) {
  if (method.cost.kind != MethodKind::kForward) return 0.0;
  const double weights = total(layers, &LayerWork::weights);
  double numbers = 0.0;
  for (const LayerWork& layer : layers) {
    const double share = method.cost.block ? layer.weights / weights : 1.0;
    numbers += share * (method.cost.rank_one ? layer.rows + layer.weights / layer.rows : layer.weights);
  }
  // Dense signs are drawn again for the update.
  if (!method.cost.rank_one && method.name == "rademacher_fused") numbers *= 2.0;
  constexpr std::size_t kPiece = 1 << 14;
  std::vector<float> piece(std::min<std::size_t>(kPiece, static_cast<std::size_t>(numbers) + 1));
  const bool gaussian = method.name == "dual_gaussian";
  const double seconds = least_seconds([&] {
    for (std::size_t i = 0; i < 16; ++i) {
      gaussian ? kernels::fill_normals({1, 2}, i * piece.size(), piece)
               : kernels::fill_signs({1, 2}, i * piece.size(), piece);
    }
  });
  return seconds / 16.0 * numbers / static_cast<double>(piece.size());
}

}  // namespace tenfold::forward_gradient
