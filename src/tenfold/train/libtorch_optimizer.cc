// SPDX-License-Identifier: Apache-2.0
// LibTorch keys its state by the address of a parameter and makes it at the first gradient. Here it is made at once, with
// zeros, which gives the same numbers, and is known by name.
#include "tenfold/train/libtorch_optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <sstream>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/optimizer_state.h"

namespace tenfold::train {
namespace {

using StateTable = std::remove_reference_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;

// LibTorch 1.13 prints the address of the parameter, 2.x takes the pointer.
template <typename Key>
Key key_of(const torch::Tensor& parameter) {
  if constexpr (std::is_same_v<Key, std::string>) {
    std::ostringstream text;
    text << parameter.unsafeGetTensorImpl();
    return text.str();
  } else {
    return parameter.unsafeGetTensorImpl();
  }
}

// For each LibTorch class: its options and the parts of a parameter's state.
struct SgdTraits {
  using Engine = torch::optim::SGD;
  using State = torch::optim::SGDParamState;
  static torch::optim::SGDOptions options(const OptimizerOptions& from) {
    return torch::optim::SGDOptions(from.learning_rate).momentum(from.momentum).nesterov(from.nesterov);
  }
  static bool has_state(const OptimizerOptions& from) { return from.momentum != 0.0; }
  static bool takes_sparse(const OptimizerOptions& from) {
    return from.momentum == 0.0 && from.weight_decay == 0.0;
  }
  static void init(State& state, const torch::Tensor& value) { state.momentum_buffer(at::zeros_like(value)); }
  static void list(const State& state, const std::string& name, TensorMap& map) {
    map["momentum/" + name] = state.momentum_buffer();
  }
  static void read_counters(State&, const std::string&, const TensorMap&) {}
};

template <typename EngineType, typename OptionsType, typename StateType>
struct AdamTraits {
  using Engine = EngineType;
  using State = StateType;
  static OptionsType options(const OptimizerOptions& from) {
    return OptionsType(from.learning_rate).betas(std::make_tuple(from.beta1, from.beta2)).eps(from.epsilon);
  }
  static bool has_state(const OptimizerOptions&) { return true; }
  static bool takes_sparse(const OptimizerOptions&) { return false; }
  static void init(State& state, const torch::Tensor& value) {
    state.step(0);
    state.exp_avg(at::zeros_like(value));
    state.exp_avg_sq(at::zeros_like(value));
  }
  static void list(const State& state, const std::string& name, TensorMap& map) {
    map["moment1/" + name] = state.exp_avg();
    map["moment2/" + name] = state.exp_avg_sq();
    map["step/" + name] = counter_tensor(state.step());
  }
  static void read_counters(State& state, const std::string& name, const TensorMap& map) {
    state.step(counter_value(map, "step/" + name));
  }
};

template <typename Traits>
class LibTorchOptimizer : public Optimizer {
 public:
  using State = typename Traits::State;

  LibTorchOptimizer(const OptimizerOptions& options, std::vector<NamedParameter> parameters)
      : options_(options),
        parameters_(std::move(parameters)),
        engine_(groups(options, parameters_), Traits::options(options)) {
    if (!Traits::has_state(options)) return;
    for (const NamedParameter& parameter : parameters_) {
      auto fresh = std::make_unique<State>();
      Traits::init(*fresh, parameter.value.detach());
      engine_.state()[key_of<typename StateTable::key_type>(parameter.value)] = std::move(fresh);
    }
  }

  void step(double learning_rate) override {
    for (const NamedParameter& parameter : parameters_) {
      const torch::Tensor& gradient = parameter.value.grad();
      if (gradient.defined() && gradient.layout() != at::kStrided && !Traits::takes_sparse(options_)) {
        throw_sparse_gradient(options_.name, parameter.name);
      }
    }
    for (auto& group : engine_.param_groups()) group.options().set_lr(learning_rate);
    engine_.step();
  }

  TensorMap state() const override {
    TensorMap map;
    if (!Traits::has_state(options_)) return map;
    for (const NamedParameter& parameter : parameters_)
      Traits::list(state_of(parameter), parameter.name, map);
    return map;
  }

  void load_state(const TensorMap& given) override {
    copy_state(state(), given);
    if (!Traits::has_state(options_)) return;
    for (const NamedParameter& parameter : parameters_) {
      Traits::read_counters(state_of(parameter), parameter.name, given);
    }
  }

 private:
  static std::vector<torch::optim::OptimizerParamGroup> groups(const OptimizerOptions& options,
                                                               const std::vector<NamedParameter>& all) {
    std::vector<torch::Tensor> decayed, plain;
    for (const NamedParameter& parameter : all) {
      (is_decayed(options, parameter) ? decayed : plain).push_back(parameter.value);
    }
    std::vector<torch::optim::OptimizerParamGroup> groups;
    const auto add = [&](std::vector<torch::Tensor> values, double weight_decay) {
      if (values.empty()) return;
      auto own = Traits::options(options).weight_decay(weight_decay);
      groups.emplace_back(std::move(values), std::make_unique<decltype(own)>(own));
    };
    add(std::move(decayed), options.weight_decay);
    add(std::move(plain), 0.0);
    return groups;
  }

  State& state_of(const NamedParameter& parameter) const {
    auto& table = const_cast<typename Traits::Engine&>(engine_).state();
    return static_cast<State&>(*table.at(key_of<typename StateTable::key_type>(parameter.value)));
  }

  OptimizerOptions options_;
  std::vector<NamedParameter> parameters_;
  typename Traits::Engine engine_;
};

}  // namespace

std::unique_ptr<Optimizer> make_libtorch_optimizer(const OptimizerOptions& options,
                                                   std::vector<NamedParameter> parameters) {
  using namespace torch::optim;
  using Adam = LibTorchOptimizer<AdamTraits<torch::optim::Adam, AdamOptions, AdamParamState>>;
  using AdamW = LibTorchOptimizer<AdamTraits<torch::optim::AdamW, AdamWOptions, AdamWParamState>>;
  if (options.name == "sgd") {
    return std::make_unique<LibTorchOptimizer<SgdTraits>>(options, std::move(parameters));
  }
  if (options.name == "adam") return std::make_unique<Adam>(options, std::move(parameters));
  check_internal(options.name == "adamw", "make_libtorch_optimizer knows sgd, adam and adamw");
  return std::make_unique<AdamW>(options, std::move(parameters));
}

}  // namespace tenfold::train
