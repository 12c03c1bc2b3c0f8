// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_net.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/fused_net_impl.h"

namespace tenfold::forward_gradient {

// ---- parameters and shapes ----

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
  directions = std::max(directions, static_cast<std::size_t>(options_.tangents));
  const at::IntArrayRef sizes = inputs.sizes().slice(1);
  const bool built = !built_.layers.empty() && sizes == at::IntArrayRef(sizes_);
  if (built && directions <= directions_) {
    if (!restore_.empty() || parameters_changed()) reload();
    if (!restore_.empty()) restore_layers();
    return;
  }
  BuiltLayers next = build_layers(plan_, sizes, directions);
  if (!built_.layers.empty() && !parameters_changed()) flush();
  built_ = std::move(next);
  sizes_ = sizes.vec();
  directions_ = directions;
  for (const auto& layer : built_.layers) layer->configure(layer_options());
  kept_values_.clear();
  kept_values_.resize(built_.layers.size());
  release_buffers();
  reload();
  if (!restore_.empty()) restore_layers();
}

LayerOptions FusedNet::Impl::layer_options() const {
  return {.tangents = directions_,
          .apply_every = static_cast<std::size_t>(options_.apply_every),
          .bf16 = options_.tangent_bf16};
}

void FusedNet::Impl::configure(const FusedOptions& options) {
  if (options == options_) return;
  for (const auto& layer : built_.layers) layer->apply_pending();
  options_ = options;
  for (const auto& layer : built_.layers) layer->configure(layer_options());
}

void FusedNet::Impl::flush() {
  if (built_.layers.empty() || !restore_.empty() || parameters_changed()) return;
  for (const auto& layer : built_.layers) layer->store();
  note_versions();
}

// ---- state of a run ----

std::string FusedNet::Impl::prefix_of(std::size_t layer) const {
  return plan_[layer].parameters.name + "/";
}

StateMap FusedNet::Impl::state() const {
  if (built_.layers.empty() || !restore_.empty()) return restore_;
  StateMap state;
  for (std::size_t i = 0; i < built_.layers.size(); ++i) built_.layers[i]->save_state(prefix_of(i), state);
  return state;
}

void FusedNet::Impl::load_state(const StateMap& state) {
  for (const auto& [name, tensor] : state) {
    const bool known = std::any_of(plan_.begin(), plan_.end(), [&](const PlannedLayer& layer) {
      const std::string& own = layer.parameters.name;
      return name == own + "/weight" || name == own + "/rounding" || name == own + "/moves" ||
             name == own + "/dense_moves";
    });
    if (!known || !tensor.defined()) throw bad_state(name, "state of a layer of this network");
    if (name.ends_with("moves")) moves_from(tensor);
  }
  restore_ = state;
}

void FusedNet::Impl::restore_layers() {
  const StateMap state = std::exchange(restore_, {});
  for (std::size_t i = 0; i < built_.layers.size(); ++i) built_.layers[i]->restore_state(prefix_of(i), state);
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

void FusedNet::configure(const FusedOptions& options) {
  impl_->configure(options);
}

StateMap FusedNet::state() const {
  return impl_->state();
}

void FusedNet::load_state(const StateMap& state) {
  impl_->load_state(state);
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
