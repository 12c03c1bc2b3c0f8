// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/io_tensor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tests/unit/data/data_files.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::DType;
using io::error_of;

template <typename T>
at::Tensor tensor_of(const std::vector<T>& values) {
  return to_tensor(io::dtype_of<T>(), {values.size()}, std::as_bytes(std::span(values)));
}

TEST(ToTensor, KeepsEveryTypeThatTensorsHave) {
  EXPECT_TRUE(at::equal(tensor_of<std::uint8_t>({0, 255}), at::tensor({0, 255}).to(at::kByte)));
  EXPECT_TRUE(at::equal(tensor_of<std::int8_t>({-128, 127}), at::tensor({-128, 127}).to(at::kChar)));
  EXPECT_TRUE(at::equal(tensor_of<std::int16_t>({-32768, 5}), at::tensor({-32768, 5}).to(at::kShort)));
  EXPECT_TRUE(at::equal(tensor_of<std::int32_t>({-7, 1 << 30}), at::tensor({-7, 1 << 30}).to(at::kInt)));
  EXPECT_TRUE(at::equal(tensor_of<std::int64_t>({-7, std::int64_t{1} << 60}),
                        at::tensor(std::vector<std::int64_t>{-7, std::int64_t{1} << 60})));
  EXPECT_TRUE(at::equal(tensor_of<float>({1.5F, -2.0F}), at::tensor({1.5F, -2.0F})));
  EXPECT_TRUE(at::equal(tensor_of<double>({1.5, 1e300}), at::tensor({1.5, 1e300}, at::kDouble)));
  const std::vector<std::uint8_t> truth = {1, 0};
  EXPECT_EQ(to_tensor(DType::kBool, {2}, std::as_bytes(std::span(truth))).scalar_type(), at::kBool);
  const std::vector<std::uint16_t> halves = {0x3C00, 0xC000};  // 1 and -2 in IEEE half precision
  EXPECT_TRUE(at::equal(to_tensor(DType::kF16, {2}, std::as_bytes(std::span(halves))).to(at::kFloat),
                        at::tensor({1.F, -2.F})));
}

TEST(ToTensor, WidensUnsignedTypesWithoutLoss) {
  EXPECT_TRUE(at::equal(tensor_of<std::uint16_t>({0, 65535}), at::tensor({0, 65535}).to(at::kInt)));
  EXPECT_TRUE(at::equal(tensor_of<std::uint32_t>({0, 4294967295u}),
                        at::tensor(std::vector<std::int64_t>{0, 4294967295})));
}

TEST(ToTensor, HasTheShapeLastIndexFastest) {
  const std::vector<std::int32_t> values = {0, 1, 2, 3, 4, 5};
  const at::Tensor tensor = to_tensor(DType::kI32, {2, 3}, std::as_bytes(std::span(values)));
  EXPECT_EQ(tensor[1][0].item<int>(), 3);
}

TEST(ToTensor, RefusesOtherTypesAndEmptyArrays) {
  EXPECT_EQ(error_of([] { tensor_of<std::uint64_t>({1}); }), "data data.unsupported_dtype");
  EXPECT_EQ(error_of([] { tensor_of<float>({}); }), "data data.no_values");
  EXPECT_EQ(error_of([] { to_tensor(DType::kF32, {0, ~std::uint64_t{0}}, {}); }), "data data.no_values");
}

TEST(ToModelType, WholeNumbersBecomeInt64OthersFloat32) {
  EXPECT_EQ(to_model_type(at::ones({1}, at::kByte)).scalar_type(), at::kLong);
  EXPECT_EQ(to_model_type(at::ones({1}, at::kBool)).scalar_type(), at::kLong);
  EXPECT_EQ(to_model_type(at::ones({1}, at::kHalf)).scalar_type(), at::kFloat);
  EXPECT_EQ(to_model_type(at::ones({1}, at::kDouble)).scalar_type(), at::kFloat);
}

TEST(OpenDataFile, FollowsLinksAndNamesWhatIsMissing) {
  const io::TempFolder folder;
  write_text(folder / "real", "abc");
  std::filesystem::create_symlink(folder / "real", folder / "link");
  std::filesystem::create_symlink(folder / "none", folder / "broken");
  EXPECT_EQ(open_data_file(folder / "link").size(), 3u);
  EXPECT_EQ(error_of([&] { open_data_file(folder / "none"); }), "file file.not_found");
  EXPECT_EQ(error_of([&] { open_data_file(folder / "broken"); }), "file file.symlink");
  EXPECT_EQ(error_of([&] { open_data_file(folder.path()); }), "file file.not_regular");
}

}  // namespace
}  // namespace tenfold::data
