// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/tensor_dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using Ids = std::vector<std::int64_t>;

TEST(TensorDataset, GivesTheRowsAskedForInTheirOrder) {
  const at::Tensor inputs = at::arange(12, at::kFloat).reshape({4, 3});
  const at::Tensor targets = at::tensor(std::vector<std::int64_t>{10, 11, 12, 13});
  const TensorDataset data({inputs, targets});
  EXPECT_EQ(data.size(), 4);
  const Batch batch = data.get(Ids{3, 0, 3}, {});
  EXPECT_EQ(batch.ids, (Ids{3, 0, 3}));
  ASSERT_EQ(batch.tensors.size(), 2u);
  EXPECT_TRUE(at::equal(batch.tensors[0],
                        at::tensor({9.F, 10.F, 11.F, 0.F, 1.F, 2.F, 9.F, 10.F, 11.F}).reshape({3, 3})));
  EXPECT_TRUE(at::equal(batch.tensors[1], at::tensor(std::vector<std::int64_t>{13, 10, 13})));
}

TEST(TensorDataset, AnEmptyBatchKeepsTheShapeOfARow) {
  const TensorDataset data({at::zeros({4, 3, 2})});
  const Batch batch = data.get({}, {});
  EXPECT_EQ(batch.size(), 0);
  EXPECT_EQ(batch.tensors[0].sizes(), (at::IntArrayRef{0, 3, 2}));
}

TEST(TensorDataset, TakesTransposedTensorsAndThoseWithGradients) {
  const at::Tensor transposed = at::arange(6, at::kFloat).reshape({2, 3}).t();
  const TensorDataset data({transposed, at::ones({3}).set_requires_grad(true)});
  const Batch batch = data.get(Ids{1}, {});
  EXPECT_TRUE(at::equal(batch.tensors[0], at::tensor({1.F, 4.F}).reshape({1, 2})));
  EXPECT_FALSE(batch.tensors[1].requires_grad());
}

TEST(TensorDataset, TheFingerprintNamesTypeShapeAndContent) {
  const auto print_of = [](std::vector<at::Tensor> tensors) {
    return TensorDataset(std::move(tensors)).fingerprint();
  };
  const at::Tensor values = at::arange(6, at::kFloat);
  const std::string print = print_of({values.reshape({2, 3})});
  EXPECT_EQ(print.size(), 64u);
  EXPECT_EQ(print, print_of({values.reshape({2, 3}).clone()}));
  EXPECT_EQ(print,
            print_of({values.reshape({2, 3}).t().contiguous().t()}));  // the same values, other strides
  EXPECT_NE(print, print_of({values.reshape({3, 2})}));
  EXPECT_NE(print, print_of({values.reshape({2, 3}).to(at::kDouble)}));
  EXPECT_NE(print, print_of({values.reshape({2, 3}) + 1}));
  EXPECT_NE(print, print_of({values.reshape({2, 3}), values.reshape({2, 3})}));
}

TEST(TensorDataset, RefusesWhatIsNoTableOfRows) {
  const auto error_for = [](std::vector<at::Tensor> tensors) {
    return error_of([&] { TensorDataset{std::move(tensors)}; });
  };
  EXPECT_EQ(error_for({}), "data tensor_dataset.bad_tensor");
  EXPECT_EQ(error_for({at::Tensor()}), "data tensor_dataset.bad_tensor");
  EXPECT_EQ(error_for({at::ones({})}), "data tensor_dataset.bad_tensor");
  EXPECT_EQ(error_for({at::eye(3).to_sparse()}), "data tensor_dataset.bad_tensor");
  EXPECT_EQ(error_for({at::ones({3, 2}), at::ones({2, 3})}), "data tensor_dataset.rows_disagree");
  EXPECT_EQ(error_for({at::ones({0, 2})}), "no error");
  const TensorDataset data({at::ones({3})});
  EXPECT_EQ(error_of([&] { data.get(Ids{3}, {}); }), "internal internal.broken_invariant");
}

}  // namespace
}  // namespace tenfold::data
