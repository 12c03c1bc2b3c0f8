// SPDX-License-Identifier: Apache-2.0
// Gradient norm and clipping against sums by hand.
#include "tenfold/train/clip.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenfold/base/threads.h"

namespace tenfold::train {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<NamedParameter> with_gradients(const std::vector<at::Tensor>& gradients) {
  std::vector<NamedParameter> parameters;
  for (const at::Tensor& gradient : gradients) {
    at::Tensor value = at::zeros(gradient.sizes(), gradient.options().layout(at::kStrided));
    value.requires_grad_(true).mutable_grad() = gradient;
    parameters.push_back({"p" + std::to_string(parameters.size()), value});
  }
  return parameters;
}

TEST(Clip, NormIsThatOfAllGradientsTogether) {
  const auto parameters = with_gradients({at::full({2, 2}, 3.0f), at::full({1}, 8.0, at::kDouble)});
  EXPECT_DOUBLE_EQ(gradient_norm(parameters), 10.0);  // sqrt(4 * 9 + 64)
  auto with_undefined = parameters;
  with_undefined.push_back({"unused", at::ones({3}).requires_grad_(true)});
  EXPECT_DOUBLE_EQ(gradient_norm(with_undefined), 10.0);
  EXPECT_EQ(gradient_norm(with_gradients({at::zeros({5}), at::zeros({0, 3})})), 0.0);
}

TEST(Clip, NormIsSummedInDoubleWithTheSameBitsForAnyThreadCount) {
  // 3e7 ones after one 1e4: in float the ones are lost beside the square of the first.
  at::Tensor gradient = at::ones({3000001});
  gradient[0] = 1e4f;
  const auto parameters = with_gradients({gradient});
  EXPECT_DOUBLE_EQ(gradient_norm(parameters), std::sqrt(1e8 + 3e6));
  const auto noise = with_gradients({at::randn({700001}), at::randn({11, 13, 17}, at::kDouble)});
  const int before = thread_count();
  set_thread_count(1);
  const double one = gradient_norm(noise);
  set_thread_count(3);
  EXPECT_EQ(gradient_norm(noise), one);
  set_thread_count(before);
}

TEST(Clip, NormReadsSparseNarrowAndStridedGradients) {
  const at::Tensor indices = at::tensor({1, 1, 3}, at::kLong).unsqueeze(0);
  const at::Tensor sparse = at::sparse_coo_tensor(indices, at::tensor({1.0f, 2.0f, 4.0f}), {5});
  EXPECT_DOUBLE_EQ(gradient_norm(with_gradients({sparse})), 5.0);  // rows that occur twice are added first
  EXPECT_DOUBLE_EQ(gradient_norm(with_gradients({at::full({4}, 2.0, at::kBFloat16)})), 4.0);
  const at::Tensor holes = at::arange(0, 12, at::kDouble).reshape({3, 4}).slice(1, 0, 4, 2);  // 0 2 4 6 8 10
  EXPECT_DOUBLE_EQ(gradient_norm(with_gradients({holes})), std::sqrt(220.0));
}

TEST(Clip, ScalesDownToTheLargestNormOnly) {
  const auto parameters = with_gradients({at::full({4}, 3.0, at::kDouble), at::full({1}, 8.0, at::kDouble)});
  EXPECT_DOUBLE_EQ(clip_gradient_norm(parameters, 5.0), 10.0);
  EXPECT_TRUE(at::allclose(parameters[0].value.grad(), at::full({4}, 1.5, at::kDouble), 0, 1e-15));
  EXPECT_TRUE(at::allclose(parameters[1].value.grad(), at::full({1}, 4.0, at::kDouble), 0, 1e-15));
  EXPECT_DOUBLE_EQ(clip_gradient_norm(parameters, 5.5), 5.0);
  EXPECT_TRUE(at::allclose(parameters[1].value.grad(), at::full({1}, 4.0, at::kDouble), 0, 1e-15));
}

TEST(Clip, ZeroAndInfiniteGradientsStayWhatTheyAre) {
  const auto zero = with_gradients({at::zeros({3})});
  EXPECT_EQ(clip_gradient_norm(zero, 1.0), 0.0);
  EXPECT_TRUE(at::equal(zero[0].value.grad(), at::zeros({3})));
  for (double bad : {kInf, -kInf, std::nan("")}) {
    const auto parameters =
        with_gradients({at::tensor({1.0, bad, 2.0}, at::kDouble), at::ones({2}, at::kDouble)});
    EXPECT_FALSE(std::isfinite(clip_gradient_norm(parameters, 1.0)));
    EXPECT_EQ(parameters[0].value.grad()[0].item<double>(), 1.0);
    EXPECT_TRUE(at::equal(parameters[1].value.grad(), at::ones({2}, at::kDouble)));
  }
}

TEST(Clip, FloatsWhoseSquaresOverflowStillHaveANorm) {
  EXPECT_NEAR(gradient_norm(with_gradients({at::full({4}, 1e30f)})), 2e30, 1e23);
}

TEST(Clip, LimitsValues) {
  const auto parameters =
      with_gradients({at::tensor({-3.0, -0.5, 0.0, 2.0, kInf, std::nan("")}, at::kDouble)});
  clip_gradient_values(parameters, 1.0);
  const at::Tensor gradient = parameters[0].value.grad();
  EXPECT_TRUE(at::equal(gradient.slice(0, 0, 5), at::tensor({-1.0, -0.5, 0.0, 1.0, 1.0}, at::kDouble)));
  EXPECT_TRUE(std::isnan(gradient[5].item<double>()));
  const at::Tensor indices = at::tensor({1, 1}, at::kLong).unsqueeze(0);
  const auto sparse =
      with_gradients({at::sparse_coo_tensor(indices, at::tensor({0.8, 0.8}, at::kDouble), {3})});
  clip_gradient_values(sparse, 1.0);  // of the sum of rows that occur twice
  EXPECT_TRUE(at::equal(sparse[0].value.grad().to_dense(), at::tensor({0.0, 1.0, 0.0}, at::kDouble)));
}

}  // namespace
}  // namespace tenfold::train
