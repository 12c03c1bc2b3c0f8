// SPDX-License-Identifier: Apache-2.0
// The guard counts bad steps and names what is wrong.
#include "tenfold/train/guard.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tenfold::train {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

TEST(Guard, SkipsAndCountsUntilTheLimitInARow) {
  NonFiniteGuard guard(3);
  EXPECT_TRUE(guard.accept(1.0, 2.0));
  EXPECT_FALSE(guard.accept(kNan, 2.0));
  EXPECT_FALSE(guard.accept(1.0, kInf));
  EXPECT_FALSE(guard.exhausted());
  EXPECT_TRUE(guard.accept(1.0, 0.0));  // starts the row anew
  EXPECT_FALSE(guard.accept(-kInf, 1.0));
  EXPECT_FALSE(guard.accept(1.0, kNan));
  EXPECT_FALSE(guard.exhausted());
  EXPECT_FALSE(guard.accept(kNan, kNan));
  EXPECT_TRUE(guard.exhausted());
  EXPECT_EQ(guard.state().skipped, 5);
  EXPECT_EQ(guard.state().in_a_row, 3);
}

TEST(Guard, ARestoredGuardGoesOnCounting) {
  NonFiniteGuard first(2), second(2);
  first.accept(kNan, 1.0);
  second.restore(first.state());
  EXPECT_FALSE(second.exhausted());
  second.accept(kNan, 1.0);
  EXPECT_TRUE(second.exhausted());
  EXPECT_EQ(second.state().skipped, 2);
}

TEST(Guard, NamesParametersByValueAndByGradient) {
  std::vector<NamedParameter> parameters = {{"good", at::ones({2}).requires_grad_(true)},
                                            {"a", at::tensor({1.0, kInf}).requires_grad_(true)},
                                            {"b", at::ones({3}).requires_grad_(true)},
                                            {"c", at::ones({3}).requires_grad_(true)}};
  parameters[0].value.mutable_grad() = at::ones({2});
  parameters[2].value.mutable_grad() = at::tensor({1.0, 2.0, kNan});
  const at::Tensor indices = at::tensor({1}, at::kLong).unsqueeze(0);
  parameters[3].value.mutable_grad() = at::sparse_coo_tensor(indices, at::tensor({-kInf}), {3});
  EXPECT_THAT(non_finite_parameters(parameters),
              ::testing::ElementsAre("a (value)", "b (gradient)", "c (gradient)"));
}

TEST(Guard, ItsErrorTellsStepRowsAndNames) {
  BadStep bad;
  bad.step = 9;
  bad.loss = kNan;
  bad.gradient_norm = 3.5;
  for (std::uint64_t row = 40; row < 60; ++row) bad.rows.push_back(row);
  bad.parameters = {"encoder.weight (gradient)"};
  const Error error = not_finite_error(bad, {3, 4});
  EXPECT_EQ(error.code(), "train.not_finite");
  EXPECT_EQ(error.error_class(), ErrorClass::kData);
  EXPECT_THAT(error.text().what, ::testing::HasSubstr("step 9: 3 steps in a row"));
  EXPECT_THAT(error.text().what, ::testing::HasSubstr("encoder.weight (gradient)"));
  EXPECT_THAT(error.text().what, ::testing::HasSubstr("40, 41, 42, 43, 44, 45, 46, 47 and 12 more"));
  EXPECT_THAT(error.text().seen, ::testing::HasSubstr("3.5"));
}

}  // namespace
}  // namespace tenfold::train
