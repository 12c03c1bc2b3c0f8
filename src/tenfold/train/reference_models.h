// SPDX-License-Identifier: Apache-2.0
// Four well-known model families as small torch::nn modules, each beside a closed form of its FLOP: the FLOP
// meter is checked against them and `tenfold trends flops` trains them.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

namespace tenfold::train {

// Matrix products and convolutions only (multiply-add = 2 FLOP); everything element-wise is 0.
struct ModelFlops {
  std::uint64_t forward = 0;
  std::uint64_t backward = 0;  // all parameters trainable, no gradient with respect to the model's input
  std::uint64_t total() const { return forward + backward; }
};

struct MlpOptions {
  std::int64_t inputs = 256;
  std::vector<std::int64_t> hidden = {512, 512};
  std::int64_t outputs = 10;
};
// Linear, ReLU, ..., Linear. [N, inputs] -> [N, outputs]
class MlpImpl : public torch::nn::Module {
 public:
  explicit MlpImpl(MlpOptions options = {});
  torch::Tensor forward(torch::Tensor x);

 private:
  torch::nn::ModuleList layers_;
};
TORCH_MODULE(Mlp);
// 2 N in out a layer; backward twice that, the first layer once (no data gradient).
ModelFlops mlp_flops(const MlpOptions& options, std::int64_t batch);

struct SmallCnnOptions {
  std::int64_t image = 32;
  std::int64_t channels = 3;
  std::int64_t width = 32;  // channels after the first convolution; doubles with each of two stride-2 stages
  std::int64_t classes = 10;
};
// Three 3x3 convolutions (strides 1, 2, 2) with ReLU, global average, linear. [N, channels, image, image] ->
// [N, classes]
class SmallCnnImpl : public torch::nn::Module {
 public:
  explicit SmallCnnImpl(SmallCnnOptions options = {});
  torch::Tensor forward(torch::Tensor x);

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::Linear head_{nullptr};
};
TORCH_MODULE(SmallCnn);
ModelFlops small_cnn_flops(const SmallCnnOptions& options, std::int64_t batch);

struct ResNet18Options {
  std::int64_t image = 224;
  std::int64_t classes = 1000;
  std::int64_t width = 64;  // channels of the first stage
};
// He et al., "Deep residual learning for image recognition", CVPR 2016, table 1, 18 layers. [N, 3, image,
// image] -> [N, classes]
class ResNet18Impl : public torch::nn::Module {
 public:
  explicit ResNet18Impl(ResNet18Options options = {});
  torch::Tensor forward(torch::Tensor x);

 private:
  torch::nn::Conv2d stem_{nullptr};
  torch::nn::BatchNorm2d stem_norm_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::nn::Linear head_{nullptr};
};
TORCH_MODULE(ResNet18);
ModelFlops resnet18_flops(const ResNet18Options& options, std::int64_t batch);

struct LstmOptions {
  std::int64_t inputs = 64;
  std::int64_t hidden = 128;
  std::int64_t layers = 1;
  std::int64_t outputs = 10;
};
// LSTM over time, linear on the last state. [N, T, inputs] -> [N, outputs]
class LstmModelImpl : public torch::nn::Module {
 public:
  explicit LstmModelImpl(LstmOptions options = {});
  torch::Tensor forward(torch::Tensor x);

 private:
  torch::nn::LSTM lstm_{nullptr};
  torch::nn::Linear head_{nullptr};
};
TORCH_MODULE(LstmModel);
// 8 N T h (in + h) a layer; backward twice that, less what the first layer does not need: the gradients with
// respect to the input and to the (zero) initial state.
ModelFlops lstm_flops(const LstmOptions& options, std::int64_t batch, std::int64_t time);

struct GptOptions {
  std::int64_t vocabulary = 512;
  std::int64_t context = 64;  // longest T
  std::int64_t width = 256;   // d
  std::int64_t layers = 2;
  std::int64_t heads = 4;
};
// Pre-norm decoder-only transformer with learnt positions, 4 d hidden units and an output layer of its own
// (not tied). Attention computes the full T x T matrix and masks it. [N, T] (int64) -> [N, T, vocabulary]
class GptImpl : public torch::nn::Module {
 public:
  explicit GptImpl(GptOptions options = {});
  torch::Tensor forward(const torch::Tensor& tokens);

 private:
  GptOptions options_;
  torch::nn::Embedding token_{nullptr}, position_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear head_{nullptr};
};
TORCH_MODULE(Gpt);
// Forward: L (24 N T d^2 + 4 N T^2 d) + 2 N T d V; backward twice that (embeddings need no data gradient but
// every linear layer does).
ModelFlops gpt_flops(const GptOptions& options, std::int64_t batch, std::int64_t time);

// Number of trainable values of a module.
std::uint64_t parameter_count(const torch::nn::Module& module);
// Without the two embedding tables: N of 6ND.
std::uint64_t gpt_active_parameters(const GptOptions& options);

}  // namespace tenfold::train
