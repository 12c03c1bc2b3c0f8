// SPDX-License-Identifier: Apache-2.0
// The fused updates against the plain ones computed in double, on every instruction set, for lengths around the vector width.
// The bounds follow from the number of roundings in a formula: each is half an epsilon of its operands' size.
#include "tenfold/kernels/optimizer_update.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::kernels {
namespace {

template <typename Body>
void on_every_target(Body body) {
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    SCOPED_TRACE(hwy::TargetName(targets & -targets));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

// Every length up to 70 and some around the block of 16 beyond.
std::vector<std::size_t> lengths() {
  std::vector<std::size_t> all;
  for (std::size_t length = 0; length <= 70; ++length) all.push_back(length);
  for (std::size_t length : {127, 128, 129, 255, 1000, 1023}) all.push_back(length);
  return all;
}

constexpr double kSentinel = 77.0;

// Four arrays with one value more than asked for, and copies in double. Values of very different sizes; some zeros.
template <typename T>
struct Case {
  explicit Case(std::size_t size, std::uint64_t seed) : n(size) {
    random::Generator generator(seed, size);
    const auto draw = [&](std::vector<T>& to, bool positive) {
      for (std::size_t i = 0; i <= n; ++i) {
        const double x = generator.normal() * std::pow(10.0, generator.uniform() * 6 - 3);
        const double kept = generator.uniform() < 0.1 ? 0.0 : x;
        to.push_back(i == n ? static_cast<T>(kSentinel) : static_cast<T>(positive ? kept * kept : kept));
      }
    };
    draw(p, false);
    draw(g, false);
    draw(m, false);
    draw(v, true);
    exact_p.assign(p.begin(), p.end());
    exact_g.assign(g.begin(), g.end());
    exact_m.assign(m.begin(), m.end());
    exact_v.assign(v.begin(), v.end());
    start_p = exact_p;
    start_m = exact_m;
  }
  AdamArrays<T> adam() { return {p.data(), g.data(), m.data(), v.data(), n}; }
  AdamArrays<double> exact_adam() {
    return {exact_p.data(), exact_g.data(), exact_m.data(), exact_v.data(), n};
  }
  void expect_untouched_end() const {
    for (const auto* array : {&p, &g, &m, &v})
      EXPECT_EQ(array->back(), static_cast<T>(kSentinel)) << "wrote past the end";
    for (std::size_t i = 0; i < n; ++i)
      EXPECT_EQ(static_cast<double>(g[i]), exact_g[i]) << "the gradient is read only";
  }
  std::size_t n;
  std::vector<T> p, g, m, v;
  std::vector<double> exact_p, exact_g, exact_m, exact_v, start_p, start_m;
};

template <typename T>
constexpr double kEps = std::numeric_limits<T>::epsilon();

template <typename T>
void check_sgd(const SgdUpdate& update, bool momentum) {
  for (const std::size_t length : lengths()) {
    Case<T> c(length, 1);
    sgd_update(update, SgdArrays<T>{c.p.data(), c.g.data(), momentum ? c.m.data() : nullptr, length});
    sgd_update_plain(
        update,
        SgdArrays<double>{c.exact_p.data(), c.exact_g.data(), momentum ? c.exact_m.data() : nullptr, length});
    for (std::size_t i = 0; i < length; ++i) {
      const double terms =
          std::abs(c.exact_g[i]) + std::abs(update.decay * c.start_p[i]) + std::abs(c.start_m[i]);
      ASSERT_NEAR(c.m[i], c.exact_m[i], 4 * kEps<T> * terms) << length << ' ' << i;
      const double size = std::abs(c.start_p[i]) + 3 * update.learning_rate * terms;
      ASSERT_NEAR(c.p[i], c.exact_p[i], 4 * kEps<T> * size) << length << ' ' << i;
    }
    c.expect_untouched_end();
  }
}

TEST(OptimizerUpdate, SgdEqualsThePlainVersion) {
  on_every_target([] {
    for (const SgdUpdate& update : {SgdUpdate{0.1, 0.0, false, 0.0}, SgdUpdate{0.1, 0.0, false, 0.03}}) {
      check_sgd<float>(update, false);
      check_sgd<double>(update, false);
    }
    for (const SgdUpdate& update : {SgdUpdate{0.1, 0.9, false, 0.0}, SgdUpdate{0.01, 0.9, true, 0.03}}) {
      check_sgd<float>(update, true);
      check_sgd<double>(update, true);
    }
  });
}

const std::vector<AdamUpdate>& adam_updates() {
  static const std::vector<AdamUpdate> all = {
      {.learning_rate = 0.1, .correction1 = 0.1, .correction2 = 0.001},
      {.learning_rate = 0.01, .beta1 = 0.0, .beta2 = 0.9, .epsilon = 1e-3, .decay = 0.2, .correction2 = 0.3},
      {.learning_rate = 0.5, .beta1 = 0.5, .shrink = 0.9, .correction1 = 0.75, .correction2 = 0.9}};
  return all;
}

// Moments after the update, and an upper bound of the size of the terms of m / c1 / denominator.
template <typename T>
double check_moments(const Case<T>& c, const AdamUpdate& update, double coupled_decay, std::size_t i) {
  const double g = std::abs(c.exact_g[i]) + coupled_decay * std::abs(c.start_p[i]);
  const double m_terms = update.beta1 * std::abs(c.start_m[i]) + (1.0 - update.beta1) * g;
  EXPECT_NEAR(c.m[i], c.exact_m[i], 6 * kEps<T> * m_terms) << i;
  EXPECT_NEAR(c.v[i], c.exact_v[i], 6 * kEps<T> * (c.exact_v[i] + (1.0 - update.beta2) * g * g)) << i;
  return m_terms / update.correction1 / (std::sqrt(c.exact_v[i] / update.correction2) + update.epsilon);
}

template <typename T>
void check_adam(const AdamUpdate& update) {
  for (const std::size_t length : lengths()) {
    Case<T> c(length, 2);
    adam_update(update, c.adam());
    adam_update_plain(update, c.exact_adam());
    for (std::size_t i = 0; i < length; ++i) {
      // Where g + decay p cancels, its error is of the size of the terms, and v, its square, may be as uncertain as it is small.
      const double g = c.exact_g[i] + update.decay * c.start_p[i];
      if (std::abs(g) < 0.01 * std::abs(c.exact_g[i])) continue;
      const double ratio = check_moments(c, update, update.decay, i);
      const double size = std::abs(c.start_p[i]) + 4 * update.learning_rate * ratio;
      ASSERT_NEAR(c.p[i], c.exact_p[i], 8 * kEps<T> * size) << length << ' ' << i;
    }
    c.expect_untouched_end();
  }
}

TEST(OptimizerUpdate, AdamEqualsThePlainVersion) {
  on_every_target([] {
    for (const AdamUpdate& update : adam_updates()) {
      check_adam<float>(update);
      check_adam<double>(update);
    }
  });
}

template <typename T>
void check_lamb(const AdamUpdate& update) {
  for (const std::size_t length : lengths()) {
    Case<T> c(length, 3);
    const LambSums fast = lamb_moments(update, c.adam());
    const LambSums plain = lamb_moments_plain(update, c.exact_adam());
    EXPECT_NEAR(fast.value, plain.value, 1e-12 * plain.value);
    double error = 0.0;
    for (std::size_t i = 0; i < length; ++i) {
      const double size = check_moments(c, update, 0.0, i) + update.decay * std::abs(c.start_p[i]);
      error += 2 * size * 16 * kEps<T> * size;
    }
    EXPECT_NEAR(fast.update, plain.update, error + 1e-12 * plain.update) << length;
    lamb_apply(update, c.adam());
    lamb_apply_plain(update, c.exact_adam());
    for (std::size_t i = 0; i < length; ++i) {
      const double ratio = check_moments(c, update, 0.0, i) + update.decay * std::abs(c.start_p[i]);
      const double size = std::abs(c.start_p[i]) + 4 * update.learning_rate * ratio;
      ASSERT_NEAR(c.p[i], c.exact_p[i], 8 * kEps<T> * size) << length << ' ' << i;
    }
    c.expect_untouched_end();
  }
}

TEST(OptimizerUpdate, LambEqualsThePlainVersion) {
  on_every_target([] {
    for (const AdamUpdate& update : adam_updates()) {
      check_lamb<float>(update);
      check_lamb<double>(update);
    }
  });
}

TEST(OptimizerUpdate, AValueDoesNotDependOnHowArraysAreSplit) {
  const AdamUpdate update = adam_updates()[2];
  Case<float> whole(1000, 4), parts(1000, 4);
  adam_update(update, whole.adam());
  for (std::size_t begin = 0; begin < 1000; begin += 37) {
    const std::size_t size = std::min<std::size_t>(37, 1000 - begin);
    adam_update(update,
                AdamArrays<float>{parts.p.data() + begin,
                                  parts.g.data() + begin,
                                  parts.m.data() + begin,
                                  parts.v.data() + begin,
                                  size});
  }
  EXPECT_EQ(whole.p, parts.p);
  EXPECT_EQ(whole.m, parts.m);
  EXPECT_EQ(whole.v, parts.v);
}

TEST(OptimizerUpdate, LambWithoutEpsilonHasFiniteNormsForOddLengths) {
  Case<float> c(21, 5);
  for (float& v : c.v) v += 1.0f;
  AdamUpdate update;
  update.epsilon = 0.0;
  EXPECT_TRUE(std::isfinite(lamb_moments(update, c.adam()).update));
}

}  // namespace
}  // namespace tenfold::kernels
