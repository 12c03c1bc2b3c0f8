// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_plan.h"

#include <fmt/format.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <numeric>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/narrow_layer.h"
#include "tenfold/systems/forward_gradient/wide_linear.h"

namespace tenfold::forward_gradient {
namespace {

namespace nn = torch::nn;

[[noreturn]] void throw_unsupported(const std::string& name, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "fused.unsupported_layer",
              {.what = fmt::format("layer '{}' cannot be fused", name),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "train it with the generic estimator: --gradient.name forward"});
}

std::size_t unsigned_of(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

// The parameters of a layer, checked. `seen` are those of layers before it.
LayerParameters parameters_of(const std::string& name,
                              const torch::Tensor& weight,
                              const torch::Tensor& bias,
                              const std::vector<train::NamedParameter>& trainable) {
  LayerParameters own{.name = name, .weight = weight, .bias = bias};
  const auto find = [&](const torch::Tensor& tensor, std::uint64_t& index) {
    for (std::size_t i = 0; i < trainable.size(); ++i) {
      if (trainable[i].value.is_same(tensor)) {
        index = i;
        return tensor.scalar_type() == at::kFloat && tensor.device().is_cpu() && tensor.numel() > 0;
      }
    }
    return false;
  };
  const bool fits = find(weight, own.weight_index) && (!bias.defined() || find(bias, own.bias_index));
  if (fits) return own;
  throw Error(ErrorClass::kConfig,
              "fused.unsupported_parameters",
              {.what = fmt::format("the parameters of layer '{}' cannot be fused", name),
               .seen = fmt::format("{} {}",
                                   c10::toString(weight.scalar_type()),
                                   weight.requires_grad() ? "" : "without requires_grad"),
               .wanted = "float32 on the CPU, all with requires_grad",
               .remedy = "train it with the generic estimator: --gradient.name forward"});
}

// Walks through the modules and collects layers.
class Planner {
 public:
  explicit Planner(const nn::Sequential& module) : trainable_(train::trainable_parameters(*module)) {
    for (const auto& item : module->named_children()) visit(*item.value(), item.key());
    check_end();
  }
  std::vector<PlannedLayer> take() { return std::move(layers_); }

 private:
  void visit(const nn::Module& module, const std::string& name) {
    if (const auto* linear = module.as<nn::LinearImpl>()) {
      add_linear(*linear, name);
    } else if (const auto* conv = module.as<nn::Conv2dImpl>()) {
      add_convolution(*conv, name);
    } else if (module.as<nn::ReLUImpl>() != nullptr) {
      if (layers_.empty()) throw_unsupported(name, "a ReLU on the input", "a ReLU after Linear or Conv2d");
      layers_.back().relu = true;
    } else if (const auto* pool = module.as<nn::MaxPool2dImpl>()) {
      add_pool(*pool, name);
    } else if (const auto* flatten = module.as<nn::FlattenImpl>()) {
      if (flatten->options.start_dim() != 1 || flatten->options.end_dim() != -1) {
        throw_unsupported(name, "Flatten of some dimensions", "Flatten of all but the batch");
      }
      flat_ = true;
    } else {
      throw_unsupported(name, module.name(), "Linear, Conv2d, ReLU, MaxPool2d(2) or Flatten");
    }
  }

  void add_linear(const nn::LinearImpl& linear, const std::string& name) {
    PlannedLayer layer;
    layer.parameters = checked(name, linear.weight, linear.options.bias() ? linear.bias : torch::Tensor());
    layer.channels_in = linear.options.in_features();
    layer.channels_out = linear.options.out_features();
    layer.flattened = flat_;
    layers_.push_back(std::move(layer));
    flat_ = true;
  }

  void add_convolution(const nn::Conv2dImpl& conv, const std::string& name) {
    const auto& options = conv.options;
    if (options.groups() != 1 || !c10::get_if<torch::enumtype::kZeros>(&options.padding_mode())) {
      throw_unsupported(
          name, "Conv2d with groups or with a padding of other than zeros", "Conv2d of one group");
    }
    const auto* padding = c10::get_if<torch::ExpandingArray<2>>(&options.padding());
    if (padding == nullptr) throw_unsupported(name, "padding by name", "padding as numbers");
    if (flat_) throw_unsupported(name, "Conv2d after Flatten or Linear", "Conv2d on images");
    PlannedLayer layer;
    layer.convolution = true;
    layer.parameters = checked(name, conv.weight, options.bias() ? conv.bias : torch::Tensor());
    layer.channels_in = options.in_channels();
    layer.channels_out = options.out_channels();
    ConvGeometry& geometry = layer.geometry;
    geometry.kernel_height = unsigned_of((*options.kernel_size())[0]);
    geometry.kernel_width = unsigned_of((*options.kernel_size())[1]);
    geometry.stride_y = unsigned_of((*options.stride())[0]);
    geometry.stride_x = unsigned_of((*options.stride())[1]);
    geometry.padding_y = unsigned_of((**padding)[0]);
    geometry.padding_x = unsigned_of((**padding)[1]);
    geometry.dilation_y = unsigned_of((*options.dilation())[0]);
    geometry.dilation_x = unsigned_of((*options.dilation())[1]);
    layers_.push_back(std::move(layer));
  }

  void add_pool(const nn::MaxPool2dImpl& pool, const std::string& name) {
    const auto& options = pool.options;
    const auto both = [](const torch::ExpandingArray<2>& array, std::int64_t value) {
      return (*array)[0] == value && (*array)[1] == value;
    };
    if (!both(options.kernel_size(), 2) || !both(options.stride(), 2) || !both(options.padding(), 0) ||
        !both(options.dilation(), 1) || options.ceil_mode()) {
      throw_unsupported(name, "MaxPool2d of another size", "MaxPool2d(2) with stride 2 and no padding");
    }
    if (flat_ || layers_.empty() || !layers_.back().convolution || layers_.back().geometry.pool) {
      throw_unsupported(name, "MaxPool2d elsewhere", "MaxPool2d after Conv2d or its ReLU");
    }
    layers_.back().geometry.pool = true;
  }

  LayerParameters checked(const std::string& name, const torch::Tensor& weight, const torch::Tensor& bias) {
    LayerParameters own = parameters_of(name, weight, bias, trainable_);
    for (const PlannedLayer& other : layers_) {
      if (other.parameters.weight.is_same(weight)) {
        throw_unsupported(
            name, "weights shared with layer '" + other.parameters.name + "'", "weights of its own");
      }
    }
    return own;
  }

  void check_end() const {
    const bool ends = !layers_.empty() && !layers_.back().convolution && !layers_.back().relu;
    if (ends) return;
    throw Error(
        ErrorClass::kConfig,
        "fused.bad_network",
        {.what = "the network has no logits",
         .seen = layers_.empty() ? "no layers" : "layer '" + layers_.back().parameters.name + "' at the end",
         .wanted = "Linear without ReLU as the last layer, for the softmax cross entropy",
         .remedy = "add one, or train it with the generic estimator: --gradient.name forward"});
  }

  std::vector<train::NamedParameter> trainable_;
  std::vector<PlannedLayer> layers_;
  bool flat_ = false;  // what comes next gets a vector of features
};

[[noreturn]] void throw_bad_input(const PlannedLayer& layer, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "fused.bad_input",
              {.what = fmt::format("layer '{}' cannot take its input", layer.parameters.name),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "check the sizes of inputs and layers"});
}

// Input number k of a fully connected layer to the column of its weight: LibTorch flattens [channels, height, width].
std::vector<std::int32_t> feature_map(const ActivationShape& in) {
  std::vector<std::int32_t> map;
  map.reserve(in.features());
  for (std::size_t pixel = 0; pixel < in.height * in.width; ++pixel) {
    for (std::size_t c = 0; c < in.padded; ++c) {
      map.push_back(c < in.channels ? static_cast<std::int32_t>(c * in.height * in.width + pixel) : -1);
    }
  }
  return map;
}

std::unique_ptr<FusedLayer> build_linear(const PlannedLayer& layer,
                                         const ActivationShape& in,
                                         bool last,
                                         std::size_t directions) {
  if (static_cast<std::int64_t>(in.channels * in.height * in.width) != layer.channels_in) {
    throw_bad_input(layer,
                    fmt::format("{} numbers", in.channels * in.height * in.width),
                    fmt::format("{}", layer.channels_in));
  }
  const std::size_t outputs = unsigned_of(layer.channels_out);
  ActivationShape out{.channels = outputs};
  if (last && outputs <= kMaxNarrowOutputs) {
    out.padded = out.image_stride = NarrowLayer::output_numbers(outputs, directions);
    return std::make_unique<NarrowLayer>(layer.parameters, in, out, feature_map(in));
  }
  out.padded = kernels::padded_columns(outputs);
  out.image_stride = out.padded + 16;  // rows a power of two apart would fall on the same cache lines
  return std::make_unique<WideLinear>(layer.parameters, in, out, layer.relu, feature_map(in));
}

std::unique_ptr<FusedLayer> build_convolution(const PlannedLayer& layer,
                                              const ActivationShape& in,
                                              const PlannedLayer* next) {
  const ConvGeometry& geometry = layer.geometry;
  const std::size_t pool = geometry.pool ? 2 : 1;
  ActivationShape out{.height = geometry.out_height(in.height) / pool,
                      .width = geometry.out_width(in.width) / pool,
                      .channels = unsigned_of(layer.channels_out)};
  if (static_cast<std::int64_t>(in.channels) != layer.channels_in || out.height == 0 || out.width == 0) {
    throw_bad_input(layer,
                    fmt::format("images of {} x {} x {}", in.channels, in.height, in.width),
                    fmt::format("{} channels and at least one pixel left", layer.channels_in));
  }
  out.padded = kernels::padded_columns(out.channels);
  out.border = next != nullptr && next->convolution && next->geometry.direct() ? 1 : 0;
  out.image_stride = (out.height + 2 * out.border) * out.row_numbers() + (out.border == 0 ? 16 : 0);
  return std::make_unique<FusedConv>(layer.parameters, in, out, layer.relu, geometry);
}

ActivationShape input_shape(const PlannedLayer& first, at::IntArrayRef sizes) {
  ActivationShape shape;
  if (!first.convolution) {
    if (sizes.size() > 1 && !first.flattened) {
      throw_bad_input(
          first, fmt::format("{} dimensions beside the batch", sizes.size()), "Flatten before it");
    }
    shape.channels = unsigned_of(c10::multiply_integers(sizes));
    shape.padded = shape.image_stride = shape.channels;
    return shape;
  }
  if (sizes.size() != 3) {
    throw_bad_input(
        first, fmt::format("{} dimensions beside the batch", sizes.size()), "[channels, height, width]");
  }
  shape.channels = shape.padded = unsigned_of(sizes[0]);
  shape.height = unsigned_of(sizes[1]);
  shape.width = unsigned_of(sizes[2]);
  shape.border = first.geometry.direct() ? 1 : 0;
  shape.image_stride = (shape.height + 2 * shape.border) * shape.row_numbers();
  return shape;
}

}  // namespace

std::vector<PlannedLayer> plan_layers(const nn::Sequential& module) {
  return Planner(module).take();
}

BuiltLayers build_layers(const std::vector<PlannedLayer>& plan,
                         at::IntArrayRef sizes,
                         std::size_t directions) {
  BuiltLayers built;
  built.input = input_shape(plan.front(), sizes);
  built.copy_input = plan.front().convolution;
  ActivationShape shape = built.input;
  bool image = plan.front().convolution;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const PlannedLayer* next = i + 1 < plan.size() ? &plan[i + 1] : nullptr;
    if (!plan[i].convolution && image && !plan[i].flattened) {
      throw_bad_input(plan[i], "images", "Flatten before it");
    }
    built.layers.push_back(plan[i].convolution ? build_convolution(plan[i], shape, next)
                                               : build_linear(plan[i], shape, next == nullptr, directions));
    shape = built.layers.back()->output();
    image = plan[i].convolution;
  }
  return built;
}

}  // namespace tenfold::forward_gradient
