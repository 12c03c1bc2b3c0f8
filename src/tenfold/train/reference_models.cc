// SPDX-License-Identifier: Apache-2.0
// The reference modules and their closed-form FLOP.
#include "tenfold/train/reference_models.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>

namespace tenfold::train {
namespace {

std::uint64_t unsigned_product(std::initializer_list<std::int64_t> factors) {
  std::uint64_t product = 1;
  for (std::int64_t factor : factors) product *= static_cast<std::uint64_t>(factor);
  return product;
}

// Backward of layers whose data and weight gradients both cost one forward, but for the first layer's data gradient.
ModelFlops with_backward(std::uint64_t forward, std::uint64_t first_layer) {
  return {.forward = forward, .backward = 2 * forward - first_layer};
}

std::uint64_t convolution_flops(std::int64_t out_side,
                                std::int64_t out,
                                std::int64_t in,
                                std::int64_t kernel) {
  return 2 * unsigned_product({out_side, out_side, out, in, kernel, kernel});
}

std::int64_t half(std::int64_t side) {
  return (side + 1) / 2;
}  // stride 2 with "same"-like padding

}  // namespace

// ---- multi-layer perceptron ----

MlpImpl::MlpImpl(MlpOptions options) {
  std::int64_t width = options.inputs;
  for (std::int64_t next : options.hidden) {
    layers_->push_back(torch::nn::Linear(width, next));
    width = next;
  }
  layers_->push_back(torch::nn::Linear(width, options.outputs));
  register_module("layers", layers_);
}

torch::Tensor MlpImpl::forward(torch::Tensor x) {
  for (std::size_t i = 0; i < layers_->size(); ++i) {
    x = layers_->at<torch::nn::LinearImpl>(i).forward(x);
    if (i + 1 < layers_->size()) x = at::relu(x);
  }
  return x;
}

ModelFlops mlp_flops(const MlpOptions& options, std::int64_t batch) {
  std::uint64_t forward = 0, first = 0;
  std::int64_t width = options.inputs;
  std::vector<std::int64_t> sizes = options.hidden;
  sizes.push_back(options.outputs);
  for (std::int64_t next : sizes) {
    const std::uint64_t layer = 2 * unsigned_product({batch, width, next});
    if (first == 0) first = layer;
    forward += layer;
    width = next;
  }
  return with_backward(forward, first);
}

// ---- small convolutional network ----

namespace {
torch::nn::Conv2dOptions convolution(std::int64_t in,
                                     std::int64_t out,
                                     std::int64_t kernel,
                                     std::int64_t stride) {
  return torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2);
}
}  // namespace

SmallCnnImpl::SmallCnnImpl(SmallCnnOptions options) {
  const std::int64_t w = options.width;
  conv1_ = register_module("conv1", torch::nn::Conv2d(convolution(options.channels, w, 3, 1)));
  conv2_ = register_module("conv2", torch::nn::Conv2d(convolution(w, 2 * w, 3, 2)));
  conv3_ = register_module("conv3", torch::nn::Conv2d(convolution(2 * w, 4 * w, 3, 2)));
  head_ = register_module("head", torch::nn::Linear(4 * w, options.classes));
}

torch::Tensor SmallCnnImpl::forward(torch::Tensor x) {
  x = at::relu(conv1_->forward(x));       // [N, w, S, S]
  x = at::relu(conv2_->forward(x));       // [N, 2w, S/2, S/2]
  x = at::relu(conv3_->forward(x));       // [N, 4w, S/4, S/4]
  return head_->forward(x.mean({2, 3}));  // [N, classes]
}

ModelFlops small_cnn_flops(const SmallCnnOptions& options, std::int64_t batch) {
  const auto n = static_cast<std::uint64_t>(batch);
  const std::int64_t w = options.width, s = options.image;
  const std::uint64_t first = n * convolution_flops(s, w, options.channels, 3);
  const std::uint64_t forward = first + n * convolution_flops(half(s), 2 * w, w, 3) +
                                n * convolution_flops(half(half(s)), 4 * w, 2 * w, 3) +
                                2 * unsigned_product({batch, 4 * w, options.classes});
  return with_backward(forward, first);
}

// ---- ResNet-18 ----

namespace {

// Two 3x3 convolutions and a short cut, which is a 1x1 convolution where the shape changes.
class BasicBlockImpl : public torch::nn::Module {
 public:
  BasicBlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride) {
    conv1_ = register_module("conv1", torch::nn::Conv2d(convolution(in, out, 3, stride).bias(false)));
    norm1_ = register_module("norm1", torch::nn::BatchNorm2d(out));
    conv2_ = register_module("conv2", torch::nn::Conv2d(convolution(out, out, 3, 1).bias(false)));
    norm2_ = register_module("norm2", torch::nn::BatchNorm2d(out));
    if (in == out && stride == 1) return;
    shortcut_ = register_module("shortcut", torch::nn::Conv2d(convolution(in, out, 1, stride).bias(false)));
    shortcut_norm_ = register_module("shortcut_norm", torch::nn::BatchNorm2d(out));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = at::relu(norm1_->forward(conv1_->forward(x)));
    y = norm2_->forward(conv2_->forward(y));
    return at::relu(y + (shortcut_ ? shortcut_norm_->forward(shortcut_->forward(x)) : x));
  }

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, shortcut_{nullptr};
  torch::nn::BatchNorm2d norm1_{nullptr}, norm2_{nullptr}, shortcut_norm_{nullptr};
};
TORCH_MODULE(BasicBlock);

}  // namespace

ResNet18Impl::ResNet18Impl(ResNet18Options options) {
  const std::int64_t w = options.width;
  stem_ = register_module("stem", torch::nn::Conv2d(convolution(3, w, 7, 2).bias(false)));
  stem_norm_ = register_module("stem_norm", torch::nn::BatchNorm2d(w));
  std::int64_t channels = w;
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    const std::int64_t out = w << stage;
    blocks_->push_back(BasicBlock(channels, out, stage == 0 ? 1 : 2));
    blocks_->push_back(BasicBlock(out, out, 1));
    channels = out;
  }
  register_module("blocks", blocks_);
  head_ = register_module("head", torch::nn::Linear(channels, options.classes));
}

torch::Tensor ResNet18Impl::forward(torch::Tensor x) {
  x = at::relu(stem_norm_->forward(stem_->forward(x)));  // [N, w, S/2, S/2]
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});         // [N, w, S/4, S/4]
  for (std::size_t i = 0; i < blocks_->size(); ++i) x = blocks_->at<BasicBlockImpl>(i).forward(x);
  return head_->forward(x.mean({2, 3}));  // [N, classes]
}

ModelFlops resnet18_flops(const ResNet18Options& options, std::int64_t batch) {
  const auto n = static_cast<std::uint64_t>(batch);
  std::int64_t side = half(options.image);
  const std::uint64_t first = n * convolution_flops(side, options.width, 3, 7);
  std::uint64_t forward = first;
  side = half(side);
  std::int64_t in = options.width;
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    const std::int64_t out = options.width << stage;
    if (stage > 0) side = half(side);
    forward += n * convolution_flops(side, out, in, 3);
    forward += 3 * n * convolution_flops(side, out, out, 3);
    if (stage > 0) forward += n * convolution_flops(side, out, in, 1);
    in = out;
  }
  forward += 2 * unsigned_product({batch, in, options.classes});
  return with_backward(forward, first);
}

// ---- LSTM ----

LstmModelImpl::LstmModelImpl(LstmOptions options) {
  const auto lstm =
      torch::nn::LSTMOptions(options.inputs, options.hidden).num_layers(options.layers).batch_first(true);
  lstm_ = register_module("lstm", torch::nn::LSTM(lstm));
  head_ = register_module("head", torch::nn::Linear(options.hidden, options.outputs));
}

torch::Tensor LstmModelImpl::forward(torch::Tensor x) {
  const torch::Tensor states = std::get<0>(lstm_->forward(x));  // [N, T, h]
  return head_->forward(states.select(1, -1));
}

ModelFlops lstm_flops(const LstmOptions& options, std::int64_t batch, std::int64_t time) {
  ModelFlops flops;
  const std::int64_t h = options.hidden;
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    const std::uint64_t input = 8 * unsigned_product({batch, time, h, layer == 0 ? options.inputs : h});
    const std::uint64_t recurrent_step = 8 * unsigned_product({batch, h, h});
    const auto steps = static_cast<std::uint64_t>(time);
    flops.forward += input + steps * recurrent_step;
    flops.backward += (layer == 0 ? input : 2 * input) + (2 * steps - 1) * recurrent_step;
  }
  const std::uint64_t head = 2 * unsigned_product({batch, h, options.outputs});
  flops.forward += head;
  flops.backward += 2 * head;
  return flops;
}

// ---- GPT ----

namespace {

class GptBlockImpl : public torch::nn::Module {
 public:
  GptBlockImpl(std::int64_t width, std::int64_t heads) : heads_(heads) {
    norm1_ = register_module("norm1", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    qkv_ = register_module("qkv", torch::nn::Linear(width, 3 * width));
    project_ = register_module("project", torch::nn::Linear(width, width));
    norm2_ = register_module("norm2", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    expand_ = register_module("expand", torch::nn::Linear(width, 4 * width));
    contract_ = register_module("contract", torch::nn::Linear(4 * width, width));
  }

  // x [N, T, d], mask [T, T]: true where a position may not look
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& mask) {
    x = x + attend(norm1_->forward(x), mask);
    return x + contract_->forward(at::gelu(expand_->forward(norm2_->forward(x))));
  }

 private:
  torch::Tensor attend(const torch::Tensor& x, const torch::Tensor& mask) {
    const std::int64_t n = x.size(0), t = x.size(1), d = x.size(2);
    const torch::Tensor qkv = qkv_->forward(x).view({n, t, 3, heads_, d / heads_}).permute({2, 0, 3, 1, 4});
    const double scale = 1.0 / std::sqrt(static_cast<double>(d / heads_));
    torch::Tensor scores = at::matmul(qkv[0], qkv[1].transpose(-2, -1)) * scale;  // [N, H, T, T]
    scores = scores.masked_fill(mask, -std::numeric_limits<float>::infinity());
    const torch::Tensor mixed = at::matmul(scores.softmax(-1), qkv[2]);  // [N, H, T, d/H]
    return project_->forward(mixed.transpose(1, 2).reshape({n, t, d}));
  }

  std::int64_t heads_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Linear qkv_{nullptr}, project_{nullptr}, expand_{nullptr}, contract_{nullptr};
};
TORCH_MODULE(GptBlock);

}  // namespace

GptImpl::GptImpl(GptOptions options) : options_(options) {
  token_ = register_module("token", torch::nn::Embedding(options.vocabulary, options.width));
  position_ = register_module("position", torch::nn::Embedding(options.context, options.width));
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    blocks_->push_back(GptBlock(options.width, options.heads));
  }
  register_module("blocks", blocks_);
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})));
  head_ = register_module(
      "head", torch::nn::Linear(torch::nn::LinearOptions(options.width, options.vocabulary).bias(false)));
}

torch::Tensor GptImpl::forward(const torch::Tensor& tokens) {
  const std::int64_t time = tokens.size(1);
  const auto on_device = tokens.options();
  const torch::Tensor mask = at::ones({time, time}, on_device.dtype(at::kBool)).triu(1);
  torch::Tensor x = token_->forward(tokens) + position_->forward(at::arange(time, on_device));  // [N, T, d]
  for (std::size_t i = 0; i < blocks_->size(); ++i) x = blocks_->at<GptBlockImpl>(i).forward(x, mask);
  return head_->forward(norm_->forward(x));
}

ModelFlops gpt_flops(const GptOptions& options, std::int64_t batch, std::int64_t time) {
  const std::int64_t d = options.width;
  const std::uint64_t linear = 24 * unsigned_product({batch, time, d, d});
  const std::uint64_t attention = 4 * unsigned_product({batch, time, time, d});
  const std::uint64_t head = 2 * unsigned_product({batch, time, d, options.vocabulary});
  return with_backward(static_cast<std::uint64_t>(options.layers) * (linear + attention) + head, 0);
}

std::uint64_t gpt_active_parameters(const GptOptions& options) {
  const std::int64_t d = options.width;
  const std::uint64_t block = unsigned_product({12, d, d}) + unsigned_product({13, d});
  return static_cast<std::uint64_t>(options.layers) * block + unsigned_product({2, d}) +
         unsigned_product({d, options.vocabulary});
}

std::uint64_t parameter_count(const torch::nn::Module& module) {
  std::uint64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters()) {
    if (parameter.requires_grad()) count += static_cast<std::uint64_t>(parameter.numel());
  }
  return count;
}

}  // namespace tenfold::train
