// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_net.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/kernels/cross_entropy.h"
#include "tenfold/systems/forward_gradient/fused_buffers.h"
#include "tenfold/systems/forward_gradient/fused_plan.h"
#include "tenfold/train/perturbed_set.h"

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

void check_forward_options(const FusedOptions& options) {
  if (options.mode != "rank1" && options.mode != "block" && options.mode != "dense") {
    throw bad_options("mode " + options.mode, "rank1, block or dense for a forward gradient");
  }
  if (options.mode == "block" && options.tangents != 1) {
    throw bad_options(fmt::format("mode block with {} tangents", options.tangents), "one tangent a block");
  }
  if (options.tangents < 1 || options.tangents > 64 || options.apply_every < 1 || options.apply_every > 64) {
    throw bad_options(fmt::format("{} tangents, apply_every {}", options.tangents, options.apply_every),
                      "1 to 64 of each");
  }
}

double mean(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += double{value};
  return sum / static_cast<double>(values.size());
}

}  // namespace

class FusedNet::Impl {
 public:
  explicit Impl(torch::nn::Sequential module)
      : module_(std::move(module)),
        plan_(plan_layers(module_)),
        parameters_(train::trainable_parameters(*module_)),
        blocks_(train::make_blocks(
            parameters_, train::select_parameters(parameters_, {}), train::BlockSize::kLayer)) {
    for (const train::NamedParameter& parameter : parameters_)
      entries_ += static_cast<std::uint64_t>(parameter.value.numel());
  }

  void check(const torch::Tensor& inputs, const torch::Tensor* targets) const;
  void prepare(const torch::Tensor& inputs, std::size_t directions);
  Figures value_pass(const torch::Tensor& inputs, const torch::Tensor& targets, bool keep);
  Figures dual_pass(const torch::Tensor& inputs,
                    const torch::Tensor& targets,
                    const FusedOptions& options,
                    const train::EstimateKey& key);
  void move(std::span<const double> scales);
  void backward(float alpha, bool to_gradient);
  void flush();
  torch::Tensor logits(const torch::Tensor& inputs);
  train::StepOutput output(const Figures& figures) const;
  const train::Block* block_of(const FusedOptions& options, const train::DirectionKey& key) const;
  std::vector<torch::Tensor> direction(const FusedOptions& options, const train::DirectionKey& key) const;
  std::size_t buffer_bytes() const;
  void release_buffers();

  const std::vector<train::NamedParameter>& parameters() const { return parameters_; }
  const BuiltLayers& built() const { return built_; }
  void take_gradients(double weight);

  FusedScope* scope = nullptr;

 private:
  bool parameters_changed() const;
  void note_versions();
  void reload();
  Activations input_of(const torch::Tensor& inputs);
  Activations make_output(std::size_t layer, const Pass& pass, bool dual);
  void forward(const torch::Tensor& inputs, const Pass& pass, const train::Block* block, DirectionKind kind);
  Figures loss(const torch::Tensor& targets, bool gradient, std::size_t directions);

  torch::nn::Sequential module_;
  std::vector<PlannedLayer> plan_;
  std::vector<train::NamedParameter> parameters_;
  std::vector<train::Block> blocks_;
  std::uint64_t entries_ = 0;

  BuiltLayers built_;
  std::vector<std::int64_t> sizes_;  // of an input
  std::size_t directions_ = 0;
  FusedOptions options_;
  std::vector<std::pair<const void*, std::uint32_t>> versions_;

  std::size_t batch_ = 0;
  std::vector<Activations> activations_;  // of the last pass: input of layer i at i
  torch::Tensor kept_inputs_;
  bool kept_ = false, drawn_ = false;
  std::vector<train::DirectionKey> keys_;
  Buffer<float> input_;
  std::vector<Buffer<float>> kept_values_;
  Buffer<float> values_[2], tangents_[2], gradients_[2];
  Buffer<float> example_loss_, example_slope_;
  Buffer<std::uint8_t> correct_;
};

// ---- parameters and shapes ----

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

bool FusedNet::Impl::parameters_changed() const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const torch::Tensor& value = parameters_[i].value;
    if (versions_[i] != std::pair<const void*, std::uint32_t>{value.data_ptr(), value._version()})
      return true;
  }
  return false;
}

void FusedNet::Impl::note_versions() {
  versions_.clear();
  for (const train::NamedParameter& parameter : parameters_) {
    versions_.emplace_back(parameter.value.data_ptr(), parameter.value._version());
  }
}

void FusedNet::Impl::reload() {
  for (const auto& layer : built_.layers) layer->load();
  note_versions();
}

void FusedNet::Impl::prepare(const torch::Tensor& inputs, std::size_t directions) {
  const at::IntArrayRef sizes = inputs.sizes().slice(1);
  const bool built = !built_.layers.empty() && sizes == at::IntArrayRef(sizes_);
  if (built && directions <= directions_) {
    if (parameters_changed()) reload();
    return;
  }
  BuiltLayers next = build_layers(plan_, sizes, std::max<std::size_t>(directions, 1));
  if (!built_.layers.empty() && !parameters_changed()) flush();
  built_ = std::move(next);
  sizes_ = sizes.vec();
  directions_ = std::max<std::size_t>(directions, 1);
  for (const auto& layer : built_.layers)
    layer->configure(directions_, static_cast<std::size_t>(options_.apply_every));
  kept_values_.clear();
  kept_values_.resize(built_.layers.size());
  release_buffers();
  reload();
}

void FusedNet::Impl::flush() {
  if (built_.layers.empty() || parameters_changed()) return;
  for (const auto& layer : built_.layers) {
    layer->apply_pending();
    layer->store();
  }
  note_versions();
}

// ---- passes ----

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
  Pass pass{.batch = static_cast<std::size_t>(inputs.size(0)), .keep = keep};
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
  check_forward_options(options);
  check(inputs, &targets);
  const auto directions = static_cast<std::size_t>(options.tangents);
  if (options != options_ && !built_.layers.empty()) {
    for (const auto& layer : built_.layers) layer->apply_pending();
  }
  prepare(inputs, directions);
  if (options != options_) {
    options_ = options;
    for (const auto& layer : built_.layers) {
      layer->configure(std::max(directions_, directions), static_cast<std::size_t>(options.apply_every));
    }
  }
  keys_.clear();
  for (std::size_t j = 0; j < directions; ++j) keys_.push_back({key, j});
  const Pass pass{.batch = static_cast<std::size_t>(inputs.size(0)),
                  .keys = keys_,
                  .bf16 = options.tangent_bf16,
                  .stochastic = options.rounding == "stochastic"};
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
  BackwardPass pass{.batch = batch_, .alpha = alpha, .to_gradient = to_gradient};
  std::size_t side = 0;
  for (std::size_t i = built_.layers.size(); i-- > 0;) {
    float* below = nullptr;
    if (i > 0) {
      gradients_[1 - side].grow(batch_ * built_.layers[i]->input().image_stride);
      below = gradients_[1 - side].data();
      pass.mask_input = built_.layers[i - 1]->relu();
    }
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
  forward(inputs, {.batch = static_cast<std::size_t>(inputs.size(0))}, nullptr, DirectionKind::kNone);
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
  check_forward_options(options);
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
  std::size_t bytes = input_.bytes() + example_loss_.bytes() + example_slope_.bytes() + correct_.bytes();
  for (const Buffer<float>& buffer : kept_values_) bytes += buffer.bytes();
  for (std::size_t i = 0; i < 2; ++i)
    bytes += values_[i].bytes() + tangents_[i].bytes() + gradients_[i].bytes();
  for (const auto& layer : built_.layers) bytes += layer->buffer_bytes();
  return bytes;
}

void FusedNet::Impl::release_buffers() {
  input_.release();
  for (Buffer<float>& buffer : kept_values_) buffer.release();
  for (std::size_t i = 0; i < 2; ++i) {
    values_[i].release();
    tangents_[i].release();
    gradients_[i].release();
  }
  kept_ = false;
}

// ---- public ----

FusedNet::FusedNet(torch::nn::Sequential module) : impl_(std::make_unique<Impl>(std::move(module))) {}
FusedNet::~FusedNet() = default;

train::StepOutput FusedNet::run(const torch::Tensor& inputs, const torch::Tensor& targets) {
  FusedScope* scope = impl_->scope;
  if (scope == nullptr) return impl_->output(impl_->value_pass(inputs, targets, false));
  scope->figures_ = scope->options_.mode == "backprop"
                        ? impl_->value_pass(inputs, targets, true)
                        : impl_->dual_pass(inputs, targets, scope->options_, scope->key_);
  ++scope->runs_;
  return impl_->output(scope->figures_);
}

torch::Tensor FusedNet::logits(const torch::Tensor& inputs) {
  return impl_->logits(inputs);
}

FusedNet::Figures FusedNet::directional(const torch::Tensor& inputs,
                                        const torch::Tensor& targets,
                                        const FusedOptions& options,
                                        const train::EstimateKey& key) {
  return impl_->dual_pass(inputs, targets, options, key);
}

void FusedNet::move(std::span<const double> scales) {
  impl_->move(scales);
}

FusedNet::Figures FusedNet::forward_keep(const torch::Tensor& inputs, const torch::Tensor& targets) {
  return impl_->value_pass(inputs, targets, true);
}

void FusedNet::backward(double learning_rate) {
  impl_->backward(static_cast<float>(-learning_rate), false);
}

void FusedNet::backward_to_gradients(double weight) {
  impl_->backward(1.0f, true);
  impl_->take_gradients(weight);
}

FusedNet::Figures FusedNet::step(const torch::Tensor& inputs,
                                 const torch::Tensor& targets,
                                 const FusedOptions& options,
                                 const train::EstimateKey& key,
                                 double learning_rate) {
  if (options.mode == "backprop") {
    Figures figures = impl_->value_pass(inputs, targets, true);
    if (std::isfinite(figures.loss)) backward(learning_rate);
    return figures;
  }
  Figures figures = impl_->dual_pass(inputs, targets, options, key);
  const std::vector<double> scales = update_scales(figures, learning_rate, options.clip);
  if (!scales.empty()) impl_->move(scales);
  return figures;
}

void FusedNet::flush() {
  impl_->flush();
}

const std::vector<train::NamedParameter>& FusedNet::parameters() const {
  return impl_->parameters();
}

std::vector<torch::Tensor> FusedNet::direction(const FusedOptions& options,
                                               const train::EstimateKey& key,
                                               std::uint64_t tangent) const {
  return impl_->direction(options, {key, tangent});
}

std::vector<LayerWork> FusedNet::work() const {
  std::vector<LayerWork> work;
  for (const auto& layer : impl_->built().layers) work.push_back(layer->work());
  return work;
}

std::size_t FusedNet::buffer_bytes() const {
  return impl_->buffer_bytes();
}

void FusedNet::release_buffers() {
  impl_->release_buffers();
}

std::vector<double> update_scales(const FusedNet::Figures& figures, double learning_rate, double clip) {
  if (!std::isfinite(figures.loss)) return {};
  std::vector<double> scales;
  for (double slope : figures.slopes) {
    if (!std::isfinite(slope)) return {};
    if (clip > 0.0) slope = std::clamp(slope, -clip, clip);
    scales.push_back(-learning_rate * slope /
                     (static_cast<double>(figures.slopes.size()) * figures.probability));
  }
  return scales;
}

FusedScope::FusedScope(FusedNet& net, const FusedOptions& options, const train::EstimateKey& key)
    : net_(net), options_(options), key_(key) {
  check_internal(net.impl_->scope == nullptr, "fused net: scopes may not nest");
  net.impl_->scope = this;
}

FusedScope::~FusedScope() {
  net_.impl_->scope = nullptr;
}

}  // namespace tenfold::forward_gradient
