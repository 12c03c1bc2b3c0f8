// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/npy_dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/unit/data/data_files.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::TempFolder;

TEST(NpyFiles, TheTargetsFollowFromTheNameOfTheInputs) {
  for (const auto& [inputs, targets] :
       std::vector<std::pair<std::string, std::string>>{{"inputs.npy", "targets.npy"},
                                                        {"train_inputs.npy", "train_targets.npy"},
                                                        {"inputs_of_inputs_1.npy", "inputs_of_targets_1.npy"},
                                                        {"train-images.npy", "train-labels.npy"},
                                                        {"x.npy", "y.npy"},
                                                        {"train_X.npy", "train_Y.npy"}}) {
    const TempFolder folder;
    EXPECT_TRUE(find_npy_files(folder / inputs).targets.empty());
    write_text(folder / targets, "");
    EXPECT_EQ(find_npy_files(folder / inputs).targets, folder / targets);
    EXPECT_EQ(find_npy_files(folder / inputs).inputs, folder / inputs);
  }
}

TEST(NpyFiles, OtherNamesHaveNoTargets) {
  const TempFolder folder;
  for (const std::string name : {"y.npy", "boy.npy", "a.npy", "targets.npy"}) write_text(folder / name, "");
  EXPECT_TRUE(find_npy_files(folder / "box.npy").targets.empty());
  EXPECT_TRUE(find_npy_files(folder / "a.npy").targets.empty());
}

TEST(NpyTensor, ReadsArraysAndNamesTheFileInErrors) {
  const TempFolder folder;
  write_npy_values<float>(folder / "a.npy", {2, 2}, {1, 2, 3, 4});
  EXPECT_TRUE(at::equal(read_npy_tensor(folder / "a.npy"), at::tensor({1.F, 2.F, 3.F, 4.F}).reshape({2, 2})));
  write_npy_values<float>(folder / "scalar.npy", {}, {1});
  EXPECT_EQ(error_of([&] { read_npy_tensor(folder / "scalar.npy"); }), "data npy_dataset.scalar");
  write_npy_values<std::uint64_t>(folder / "u8.npy", {1}, {1});
  EXPECT_EQ(error_of([&] { read_npy_tensor(folder / "u8.npy"); }), "data data.unsupported_dtype");
  EXPECT_NE(io::message_of([&] { read_npy_tensor(folder / "u8.npy"); }).find("u8.npy"), std::string::npos);
  write_npy_values<float>(folder / "empty.npy", {0, 3}, {});
  EXPECT_EQ(error_of([&] { read_npy_tensor(folder / "empty.npy"); }), "data data.no_values");
  EXPECT_EQ(error_of([&] { read_npy_tensor(folder / "a.npy", 15); }), "file npy.too_large");
  EXPECT_EQ(error_of([&] { read_npy_tensor(folder / "none.npy"); }), "file file.not_found");
}

}  // namespace
}  // namespace tenfold::data
