// SPDX-License-Identifier: Apache-2.0
// Parameters of all ranks with a fixed sequence of gradients, and a plain float64 copy of them on which a test runs the
// equations of a paper. Shared by the tests of the optimisers.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/train/optimizer.h"

namespace tenfold::train::testing {

// A parameter as a row-major array, with named state arrays for the equations.
struct PlainParameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<double> value;
  std::map<std::string, std::vector<double>> state;

  std::vector<double>& zeros(const std::string& key) {
    auto& values = state[key];
    if (values.empty()) values.assign(value.size(), 0.0);
    return values;
  }
  bool decayed() const {  // the documented rule, for the names used here
    return shape.size() >= 2 && name.find("norm") == std::string::npos &&
           name.find("bias") == std::string::npos;
  }
};

inline std::int64_t count(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (std::int64_t size : shape) n *= size;
  return n;
}

inline const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes() {
  static const std::vector<std::pair<std::string, std::vector<std::int64_t>>> all = {
      {"scale", {}},
      {"layer.bias", {7}},
      {"layer.weight", {5, 7}},
      {"conv.weight", {4, 3, 2, 3}},
      {"norm.gain", {2, 3}},
      {"one.weight", {1, 1}}};
  return all;
}

// Gradient of step `t` (from 1): normal numbers of changing size; whole rows are zero now and then, and at step 3 all of
// "conv.weight".
inline std::vector<double> gradient(std::size_t index, const std::vector<std::int64_t>& shape, int t) {
  random::Generator generator(11, 100 * index + static_cast<std::uint64_t>(t));
  std::vector<double> values(static_cast<std::size_t>(count(shape)));
  for (double& value : values) value = generator.normal() * std::pow(10.0, (t % 4) - 2);
  if (shape.size() < 2) return values;
  const std::size_t row = values.size() / static_cast<std::size_t>(shape[0]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if ((i / row + static_cast<std::size_t>(t)) % 3 == 0 || (index == 3 && t == 3)) values[i] = 0.0;
  }
  return values;
}

inline std::vector<double> start_value(std::size_t index, const std::vector<std::int64_t>& shape) {
  random::Generator generator(5, index);
  std::vector<double> values(static_cast<std::size_t>(count(shape)));
  for (double& value : values) value = generator.normal();
  return values;
}

inline at::Tensor tensor_of(const std::vector<double>& values,
                            const std::vector<std::int64_t>& shape,
                            at::ScalarType type) {
  return at::tensor(values, at::kDouble).reshape(shape).to(type).clone();
}

inline std::vector<NamedParameter> make_parameters(at::ScalarType type = at::kDouble) {
  std::vector<NamedParameter> parameters;
  for (const auto& [name, shape] : shapes()) {
    parameters.push_back({name, tensor_of(start_value(parameters.size(), shape), shape, type)});
    parameters.back().value.requires_grad_(true);
  }
  return parameters;
}

inline void set_gradients(const std::vector<NamedParameter>& parameters, int t) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor value = parameters[i].value;
    value.mutable_grad() =
        tensor_of(gradient(i, shapes()[i].second, t), shapes()[i].second, value.scalar_type());
  }
}

inline std::vector<PlainParameter> make_plain() {
  std::vector<PlainParameter> plain;
  for (const auto& [name, shape] : shapes()) {
    plain.push_back({name, shape, start_value(plain.size(), shape), {}});
  }
  return plain;
}

inline double rate(int t) {
  return 0.05 / t;
}  // as a schedule would change it

using Equations =
    std::function<void(PlainParameter& parameter, const std::vector<double>& gradient, int t, double rate)>;

// Runs the optimiser in float64 and the equations side by side; all values agree to `tolerance` after every step.
inline void expect_equations(const OptimizerOptions& options,
                             const Equations& equations,
                             double tolerance = 1e-13) {
  auto parameters = make_parameters();
  auto plain = make_plain();
  const auto optimizer = make_optimizer(options, parameters);
  for (int t = 1; t <= 8; ++t) {
    set_gradients(parameters, t);
    optimizer->step(rate(t));
    for (std::size_t i = 0; i < plain.size(); ++i) {
      equations(plain[i], gradient(i, plain[i].shape, t), t, rate(t));
      const at::Tensor value = parameters[i].value.detach().contiguous();
      for (std::size_t j = 0; j < plain[i].value.size(); ++j) {
        ASSERT_NEAR(value.data_ptr<double>()[j], plain[i].value[j], tolerance)
            << plain[i].name << '[' << j << "] after step " << t;
      }
    }
  }
}

inline std::vector<at::Tensor> run(Optimizer& optimizer,
                                   const std::vector<NamedParameter>& parameters,
                                   int from,
                                   int to) {
  for (int t = from; t <= to; ++t) {
    set_gradients(parameters, t);
    optimizer.step(rate(t));
  }
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters) values.push_back(parameter.value.detach().clone());
  return values;
}

inline TensorMap deep_copy(const TensorMap& map) {
  TensorMap copy;
  for (const auto& [name, tensor] : map) copy[name] = tensor.clone();
  return copy;
}

// Four steps, saved, then four steps by a new optimiser on new parameters: equal to the bit to eight steps, state included.
inline void expect_exact_resume(const OptimizerOptions& options, at::ScalarType type) {
  const auto whole = make_parameters(type);
  const auto whole_optimizer = make_optimizer(options, whole);
  const auto expected = run(*whole_optimizer, whole, 1, 8);

  const auto first = make_parameters(type);
  const auto first_optimizer = make_optimizer(options, first);
  run(*first_optimizer, first, 1, 4);
  const TensorMap saved = deep_copy(first_optimizer->state());

  auto second = make_parameters(type);
  for (std::size_t i = 0; i < second.size(); ++i) {
    second[i].value = first[i].value.detach().clone().requires_grad_(true);
  }
  const auto second_optimizer = make_optimizer(options, second);
  second_optimizer->load_state(saved);
  const auto resumed = run(*second_optimizer, second, 5, 8);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(at::equal(expected[i], resumed[i])) << options.name << ' ' << second[i].name;
  }
  const TensorMap state = whole_optimizer->state(), other = second_optimizer->state();
  ASSERT_EQ(state.size(), other.size());
  for (const auto& [name, tensor] : state) EXPECT_TRUE(at::equal(tensor, other.at(name))) << name;
}

template <typename Function>
Error error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorClass::kInternal, "none", {});
}

}  // namespace tenfold::train::testing
