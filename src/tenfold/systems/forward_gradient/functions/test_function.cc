// SPDX-License-Identifier: Apache-2.0
// Each function is one template over the number type; value, slope and curvature follow from it.
#include "tenfold/systems/forward_gradient/functions/test_function.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/forward_gradient/functions/dual.h"

namespace tenfold::forward_gradient {
namespace {

// f(x, y) = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2, minimum f(3, 0.5) = 0 (Beale 1958).
struct Beale {
  static constexpr const char* kName = "beale";
  static constexpr const char* kFormula = "(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2";
  static std::vector<double> start(std::size_t) { return {1.0, 1.0}; }
  static std::vector<double> minimum(std::size_t) { return {3.0, 0.5}; }

  template <typename T>
  static T evaluate(std::span<const T> p) {
    const T x = p[0], y = p[1];
    const T a = 1.5 - x + x * y;
    const T b = 2.25 - x + x * y * y;
    const T c = 2.625 - x + x * y * y * y;
    return a * a + b * b + c * c;
  }
};

// sum over i of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2, minimum f(1, ..., 1) = 0 (Rosenbrock 1960).
struct Rosenbrock {
  static constexpr const char* kName = "rosenbrock";
  static constexpr const char* kFormula = "sum of (1 - x_i)^2 + 100 (x_{i+1} - x_i^2)^2";
  static std::vector<double> start(std::size_t n) {
    std::vector<double> x(n, 0.0);
    x[0] = -1.0;
    return x;
  }
  static std::vector<double> minimum(std::size_t n) { return std::vector<double>(n, 1.0); }

  template <typename T>
  static T evaluate(std::span<const T> x) {
    T sum = T(0.0);
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const T valley = x[i + 1] - x[i] * x[i];
      const T rest = 1.0 - x[i];
      sum = sum + rest * rest + 100.0 * (valley * valley);
    }
    return sum;
  }
};

// |x|^2 / 2: curvature 1 everywhere, so SGD's step limit is 2 and forward gradients' 2 / (n + 2).
struct Quadratic {
  static constexpr const char* kName = "quadratic";
  static constexpr const char* kFormula = "sum of x_i^2 / 2";
  static std::vector<double> start(std::size_t n) { return std::vector<double>(n, 1.0); }
  static std::vector<double> minimum(std::size_t n) { return std::vector<double>(n, 0.0); }

  template <typename T>
  static T evaluate(std::span<const T> x) {
    T sum = T(0.0);
    for (const T& value : x) sum = sum + 0.5 * (value * value);
    return sum;
  }
};

// Curvatures from 1 down to 1/100, evenly spaced in their logarithm.
struct IllConditioned {
  static constexpr const char* kName = "ill_conditioned";
  static constexpr const char* kFormula = "sum of 100^(-i/(n-1)) x_i^2 / 2";
  static std::vector<double> start(std::size_t n) { return std::vector<double>(n, 1.0); }
  static std::vector<double> minimum(std::size_t n) { return std::vector<double>(n, 0.0); }

  template <typename T>
  static T evaluate(std::span<const T> x) {
    T sum = T(0.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double position = static_cast<double>(i) / static_cast<double>(x.size() - 1);
      sum = sum + (0.5 * std::pow(100.0, -position)) * (x[i] * x[i]);
    }
    return sum;
  }
};

template <typename Formula>
class FunctionOf final : public TestFunction {
 public:
  explicit FunctionOf(std::size_t dimension) : dimension_(dimension) {}

  std::string name() const override { return Formula::kName; }
  std::string formula() const override { return Formula::kFormula; }
  std::size_t dimension() const override { return dimension_; }
  std::vector<double> start() const override { return Formula::start(dimension_); }
  std::vector<double> minimum() const override { return Formula::minimum(dimension_); }

  double value(std::span<const double> x) const override {
    check_size(x.size());
    return Formula::template evaluate<double>(x);
  }

  Jet jet(std::span<const double> x, std::span<const double> v) const override {
    check_size(x.size());
    check_size(v.size());
    using Second = Dual<Dual<double>>;  // x + v e1 + v e2: the e1 e2 part is v' H v
    std::vector<Second> point(dimension_);
    for (std::size_t i = 0; i < dimension_; ++i) {
      point[i] = Second(Dual<double>(x[i], v[i]), Dual<double>(v[i], 0.0));
    }
    const Second f = Formula::template evaluate<Second>(std::span<const Second>(point));
    return {.value = f.value.value, .slope = f.value.tangent, .curvature = f.tangent.tangent};
  }

 private:
  void check_size(std::size_t size) const {
    check_internal(size == dimension_, fmt::format("{} takes {} numbers, got {}", name(), dimension_, size));
  }

  std::size_t dimension_;
};

using Maker = std::unique_ptr<TestFunction> (*)(std::size_t);
template <typename Formula>
std::unique_ptr<TestFunction> make(std::size_t dimension) {
  return std::make_unique<FunctionOf<Formula>>(dimension);
}
const std::vector<std::pair<std::string, Maker>>& makers() {
  static const std::vector<std::pair<std::string, Maker>> list = {
      {Beale::kName, make<Beale>},
      {Rosenbrock::kName, make<Rosenbrock>},
      {Quadratic::kName, make<Quadratic>},
      {IllConditioned::kName, make<IllConditioned>}};
  return list;
}

void check_dimension(const std::string& name, std::size_t dimension) {
  const bool fits = name == Beale::kName ? dimension == 2 : dimension >= 2 && dimension <= 1'000'000;
  if (fits) return;
  throw Error(ErrorClass::kConfig,
              "test_function.dimension",
              {.what = "the test function " + name + " does not have this dimension",
               .seen = std::to_string(dimension),
               .wanted = name == Beale::kName ? "2" : "2 to 1000000",
               .remedy = "change the dimension or take another function"});
}

}  // namespace

std::vector<double> TestFunction::gradient(std::span<const double> x) const {
  std::vector<double> gradient(dimension()), unit(dimension(), 0.0);
  for (std::size_t i = 0; i < dimension(); ++i) {
    unit[i] = 1.0;
    gradient[i] = jet(x, unit).slope;
    unit[i] = 0.0;
  }
  return gradient;
}

std::vector<std::string> test_function_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

const TestFunction& find_test_function(const std::string& name, std::size_t dimension) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::size_t>, std::unique_ptr<TestFunction>> made;
  for (const auto& [known, maker] : makers()) {
    if (known != name) continue;
    check_dimension(name, dimension);
    const std::lock_guard lock(mutex);
    auto& entry = made[{name, dimension}];
    if (!entry) entry = maker(dimension);
    return *entry;
  }
  const std::vector<std::string> names = test_function_names();
  const auto nearest = nearest_name(name, names);
  throw Error(ErrorClass::kConfig,
              "test_function.unknown",
              {.what = "there is no such test function",
               .seen = printable(name),
               .wanted = "one of " + join(names, ", "),
               .remedy = nearest ? "did you mean " + *nearest + "?" : "take one of these"});
}

}  // namespace tenfold::forward_gradient
