// SPDX-License-Identifier: Apache-2.0
// The passes of FusedNet over its layers.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/kernels/cross_entropy.h"
#include "tenfold/systems/forward_gradient/fused_net_impl.h"
#include "tenfold/train/flop_meter.h"

namespace tenfold::forward_gradient {
namespace {

Error bad_batch(std::string seen, std::string wanted) {
  return Error(ErrorClass::kData,
               "fused.bad_batch",
               {.what = "the fused network cannot take this batch",
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "pass float32 inputs and int64 classes of the same batch"});
}

Error bad_options(std::string seen, std::string wanted) {
  return Error(ErrorClass::kConfig,
               "fused.bad_options",
               {.what = "these options of the fused network do not go together",
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "change one of them"});
}

// For the FLOP meter of a training run, which sees LibTorch's operators only.
void count_flops(const char* name, std::size_t batch, double multiply_adds) {
  train::count_flops(name, static_cast<std::uint64_t>(2.0 * static_cast<double>(batch) * multiply_adds));
}

// Products of a layer as they were before updates were kept aside: those with pending updates are no part of the model.
void count_products(const FusedLayer& layer, const Pass& pass, bool tangents_in) {
  const LayerWork work = layer.work();
  double tangents = tangents_in ? work.multiply_adds : 0.0;
  if (pass.direction == DirectionKind::kRankOne) tangents += work.direction_adds;
  if (pass.direction == DirectionKind::kDense) tangents += work.multiply_adds;
  count_flops("fused::forward", pass.batch, work.multiply_adds);
  if (tangents > 0.0)
    count_flops("fused::tangent", pass.batch, static_cast<double>(pass.keys.size()) * tangents);
}

double mean(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += double{value};
  return sum / static_cast<double>(values.size());
}

}  // namespace

void check_options(const FusedOptions& options) {
  const auto one_of = [](const std::string& value, std::initializer_list<const char*> known) {
    return std::any_of(known.begin(), known.end(), [&](const char* name) { return value == name; });
  };
  if (!one_of(options.mode, {"backprop", "rank1", "block", "dense"})) {
    throw bad_options("mode " + options.mode, "backprop, rank1, block or dense");
  }
  if (!one_of(options.rounding, {"stochastic", "nearest"})) {
    throw bad_options("rounding " + options.rounding, "stochastic or nearest");
  }
  if (options.mode == "block" && options.tangents != 1) {
    throw bad_options(fmt::format("mode block with {} tangents", options.tangents), "one tangent a block");
  }
  if (options.tangents < 1 || options.tangents > 64 || options.apply_every < 1 || options.apply_every > 64) {
    throw bad_options(fmt::format("{} tangents, apply_every {}", options.tangents, options.apply_every),
                      "1 to 64 of each");
  }
}

void FusedNet::Impl::check(const torch::Tensor& inputs, const torch::Tensor* targets) const {
  if (!inputs.defined() || inputs.scalar_type() != at::kFloat || !inputs.device().is_cpu() ||
      inputs.dim() < 2 || inputs.size(0) < 1 || inputs.numel() > std::int64_t{1} << 30) {
    throw bad_batch(inputs.defined()
                        ? fmt::format("{} {} inputs", c10::toString(inputs.scalar_type()), inputs.numel())
                        : "no inputs",
                    "float32 inputs [B, ...] with B >= 1");
  }
  if (targets == nullptr) return;
  if (!targets->defined() || targets->scalar_type() != at::kLong || targets->dim() != 1 ||
      targets->size(0) != inputs.size(0)) {
    throw bad_batch(
        targets->defined()
            ? fmt::format("{} {} targets", c10::toString(targets->scalar_type()), targets->numel())
            : "no targets",
        fmt::format("{} int64 classes", inputs.size(0)));
  }
  const std::int64_t classes = plan_.back().channels_out;
  const torch::Tensor own = targets->contiguous();
  const auto* target = own.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < own.numel(); ++i) {
    if (target[i] < 0 || target[i] >= classes) {
      throw bad_batch(fmt::format("class {}", target[i]), fmt::format("0 to {}", classes - 1));
    }
  }
}

Activations FusedNet::Impl::input_of(const torch::Tensor& inputs) {
  Activations in{.shape = built_.input};
  kept_inputs_ = inputs.contiguous();
  const float* from = kept_inputs_.data_ptr<float>();
  if (!built_.copy_input) {
    in.values = const_cast<float*>(from);  // only read
    return in;
  }
  const ActivationShape& shape = in.shape;
  input_.grow(batch_ * shape.image_stride);  // the border is never written
  in.values = input_.data();
  const std::size_t pixels = shape.height * shape.width;
  parallel_each(batch_, [&](std::size_t image) {
    const float* own = from + image * shape.channels * pixels;
    for (std::size_t y = 0; y < shape.height; ++y) {
      float* row = in.values + image * shape.image_stride + shape.offset(y);
      kernels::transpose({own + y * shape.width, stride_of(pixels)},
                         {shape.channels, shape.width},
                         {row, stride_of(shape.channels)});
    }
  });
  return in;
}

// The last layer and a narrow one want floats; products of others may read bfloat16.
Activations FusedNet::Impl::make_output(std::size_t layer, const Pass& pass, bool dual) {
  Activations out{.shape = built_.layers[layer]->output()};
  const std::size_t numbers = pass.batch * out.shape.image_stride;
  Buffer<float>& values = pass.keep ? kept_values_[layer] : values_[layer % 2];
  values.grow(numbers);
  out.values = values.data();
  if (!dual) return out;
  const bool narrow_next = layer + 2 >= built_.layers.size();  // or the loss
  const bool bf16 = pass.bf16 && !narrow_next;
  out.tangent_stride = numbers;
  Buffer<float>& tangents = tangents_[layer % 2];
  tangents.grow(pass.keys.size() * numbers / (bf16 ? 2 : 1));
  if (bf16) {
    out.tangents_bf16 = reinterpret_cast<std::uint16_t*>(tangents.data());
  } else {
    out.tangents = tangents.data();
  }
  return out;
}

void FusedNet::Impl::forward(const torch::Tensor& inputs,
                             const Pass& pass,
                             const train::Block* block,
                             DirectionKind kind) {
  batch_ = pass.batch;
  activations_.clear();
  activations_.push_back(input_of(inputs));
  for (std::size_t i = 0; i < built_.layers.size(); ++i) {
    FusedLayer& layer = *built_.layers[i];
    Pass own = pass;
    const bool perturbed = block == nullptr ||
                           block->tensors.front().index == layer.parameters().weight_index ||
                           block->tensors.back().index == layer.parameters().weight_index;
    own.direction = perturbed ? kind : DirectionKind::kNone;
    const bool dual = own.dual(activations_.back());
    Activations out = make_output(i, own, dual);
    count_products(layer, own, activations_.back().has_tangents);
    layer.forward(own, activations_.back(), out);
    activations_.push_back(out);
  }
}

FusedNet::Figures FusedNet::Impl::loss(const torch::Tensor& targets, bool gradient, std::size_t directions) {
  const Activations& out = activations_.back();
  const torch::Tensor classes = targets.contiguous();
  const std::ptrdiff_t stride = stride_of(out.shape.image_stride);
  example_loss_.grow(batch_);
  correct_.grow(batch_);
  kernels::CrossEntropyInput in{.logits = {out.values, stride},
                                .rows = batch_,
                                .classes = out.shape.channels,
                                .targets = classes.data_ptr<std::int64_t>()};
  kernels::CrossEntropyOutput to{.loss = example_loss_.data(), .correct = correct_.data()};
  if (gradient) {
    gradients_[0].grow(batch_ * out.shape.image_stride);
    std::fill_n(gradients_[0].data(), batch_ * out.shape.image_stride, 0.0f);
    to.gradient = {gradients_[0].data(), stride};
    to.scale = 1.0f / static_cast<float>(batch_);
  }
  Figures figures;
  if (directions == 0) kernels::cross_entropy(in, to);
  example_slope_.grow(batch_);
  for (std::size_t j = 0; j < directions; ++j) {
    const OutputTangents parts = built_.layers.back()->output_tangents(out, j);
    in.tangents = parts.tangents;
    in.outer_row = parts.row;
    in.outer_stride = parts.row_stride;
    in.outer_column = parts.column;
    in.tangent_bias = parts.bias;
    to.directional = example_slope_.data();
    kernels::cross_entropy(in, to);
    figures.slopes.push_back(mean({example_slope_.data(), batch_}));
  }
  figures.loss = mean({example_loss_.data(), batch_});
  std::size_t correct = 0;
  for (std::size_t i = 0; i < batch_; ++i) correct += correct_[i];
  figures.accuracy = static_cast<double>(correct) / static_cast<double>(batch_);
  return figures;
}

FusedNet::Figures FusedNet::Impl::value_pass(const torch::Tensor& inputs,
                                             const torch::Tensor& targets,
                                             bool keep) {
  check(inputs, &targets);
  prepare(inputs, 1);
  const Pass pass{.batch = static_cast<std::size_t>(inputs.size(0)), .keep = keep, .workspace = &workspace_};
  drawn_ = false;
  forward(inputs, pass, nullptr, DirectionKind::kNone);
  kept_ = keep;
  return loss(targets, keep, 0);
}

const train::Block* FusedNet::Impl::block_of(const FusedOptions& options,
                                             const train::DirectionKey& key) const {
  return options.mode == "block" ? &train::choose_block(blocks_, key) : nullptr;
}

FusedNet::Figures FusedNet::Impl::dual_pass(const torch::Tensor& inputs,
                                            const torch::Tensor& targets,
                                            const FusedOptions& options,
                                            const train::EstimateKey& key) {
  check_options(options);
  if (options.mode == "backprop")
    throw bad_options("mode backprop", "rank1, block or dense for a forward gradient");
  check(inputs, &targets);
  const auto directions = static_cast<std::size_t>(options.tangents);
  configure(options);
  prepare(inputs, directions);
  keys_.clear();
  for (std::size_t j = 0; j < directions; ++j) keys_.push_back({key, j});
  const Pass pass{.batch = static_cast<std::size_t>(inputs.size(0)),
                  .keys = keys_,
                  .bf16 = options.tangent_bf16,
                  .stochastic = options.rounding == "stochastic",
                  .workspace = &workspace_};
  const train::Block* block = block_of(options, keys_.front());
  kept_ = false;
  drawn_ = false;
  forward(inputs, pass, block, options.mode == "dense" ? DirectionKind::kDense : DirectionKind::kRankOne);
  Figures figures = loss(targets, false, directions);
  figures.probability = block != nullptr ? block->probability : 1.0;
  figures.perturbed = entries_;
  if (block != nullptr)
    figures.perturbed =
        static_cast<std::uint64_t>(std::llround(block->probability * static_cast<double>(entries_)));
  drawn_ = true;
  return figures;
}

void FusedNet::Impl::move(std::span<const double> scales) {
  check_internal(drawn_ && scales.size() == keys_.size(), "fused net: move() without its directional()");
  std::vector<float> own(scales.begin(), scales.end());
  for (const auto& layer : built_.layers) layer->move(own);
  drawn_ = false;
}

void FusedNet::Impl::backward(float alpha, bool to_gradient) {
  check_internal(kept_, "fused net: backward() without its forward_keep()");
  kept_ = false;
  BackwardPass pass{.batch = batch_, .alpha = alpha, .to_gradient = to_gradient, .workspace = &workspace_};
  std::size_t side = 0;
  for (std::size_t i = built_.layers.size(); i-- > 0;) {
    float* below = nullptr;
    if (i > 0) {
      gradients_[1 - side].grow(batch_ * built_.layers[i]->input().image_stride);
      below = gradients_[1 - side].data();
      pass.mask_input = built_.layers[i - 1]->relu();
    }
    count_flops("fused::backward", pass.batch, (i > 0 ? 2.0 : 1.0) * built_.layers[i]->work().multiply_adds);
    built_.layers[i]->backward(pass, activations_[i], gradients_[side].data(), below);
    side = 1 - side;
  }
}

void FusedNet::Impl::take_gradients(double weight) {
  const auto gradient_of = [](const torch::Tensor& parameter) {
    if (!parameter.defined()) return torch::Tensor();
    torch::Tensor own = parameter;
    if (!own.grad().defined()) own.mutable_grad() = at::zeros_like(own);
    return own.grad();
  };
  for (const auto& layer : built_.layers) {
    layer->take_gradient(
        weight, gradient_of(layer->parameters().weight), gradient_of(layer->parameters().bias));
  }
}

torch::Tensor FusedNet::Impl::logits(const torch::Tensor& inputs) {
  check(inputs, nullptr);
  prepare(inputs, 1);
  drawn_ = kept_ = false;
  forward(inputs,
          {.batch = static_cast<std::size_t>(inputs.size(0)), .workspace = &workspace_},
          nullptr,
          DirectionKind::kNone);
  const Activations& out = activations_.back();
  return at::from_blob(out.values,
                       {inputs.size(0), static_cast<std::int64_t>(out.shape.channels)},
                       {static_cast<std::int64_t>(out.shape.image_stride), 1},
                       at::kFloat)
      .clone(at::MemoryFormat::Contiguous);
}

train::StepOutput FusedNet::Impl::output(const Figures& figures) const {
  train::StepOutput output;
  output.loss = at::scalar_tensor(figures.loss, at::kFloat);
  output.example_loss = at::empty({static_cast<std::int64_t>(batch_)}, at::kFloat);
  std::copy_n(example_loss_.data(), batch_, output.example_loss.data_ptr<float>());
  output.metrics.emplace_back("accuracy", at::scalar_tensor(figures.accuracy, at::kFloat));
  return output;
}

std::vector<torch::Tensor> FusedNet::Impl::direction(const FusedOptions& options,
                                                     const train::DirectionKey& key) const {
  check_options(options);
  if (options.mode == "backprop")
    throw bad_options("mode backprop", "rank1, block or dense for a forward gradient");
  const train::Block* block = block_of(options, {key.estimate, 0});
  const DirectionKind kind = options.mode == "dense" ? DirectionKind::kDense : DirectionKind::kRankOne;
  std::vector<torch::Tensor> direction;
  for (const train::NamedParameter& parameter : parameters_)
    direction.push_back(at::zeros_like(parameter.value));
  for (const auto& layer : built_.layers) {
    const LayerParameters& own = layer->parameters();
    const auto chosen = [&](std::uint64_t index) {
      return block == nullptr ||
             std::any_of(block->tensors.begin(), block->tensors.end(), [&](const train::Perturbed& tensor) {
               return tensor.index == index;
             });
    };
    if (chosen(own.weight_index)) direction[own.weight_index] = layer->weight_direction(kind, key);
    if (own.bias.defined() && chosen(own.bias_index)) direction[own.bias_index] = layer->bias_direction(key);
  }
  return direction;
}

std::size_t FusedNet::Impl::buffer_bytes() const {
  std::size_t bytes =
      input_.bytes() + workspace_.bytes() + example_loss_.bytes() + example_slope_.bytes() + correct_.bytes();
  for (const Buffer<float>& buffer : kept_values_) bytes += buffer.bytes();
  for (std::size_t i = 0; i < 2; ++i)
    bytes += values_[i].bytes() + tangents_[i].bytes() + gradients_[i].bytes();
  for (const auto& layer : built_.layers) bytes += layer->buffer_bytes();
  return bytes;
}

void FusedNet::Impl::release_buffers() {
  workspace_ = {};
  input_.release();
  for (Buffer<float>& buffer : kept_values_) buffer.release();
  for (std::size_t i = 0; i < 2; ++i) {
    values_[i].release();
    tangents_[i].release();
    gradients_[i].release();
  }
  kept_ = false;
}

}  // namespace tenfold::forward_gradient
