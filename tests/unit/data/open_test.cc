// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/open.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tenfold/config/field.h"
#include "tenfold/data/fashion_mnist.h"
#include "tenfold/data/loader.h"
#include "tests/unit/data/data_files.h"
#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::message_of;
using io::TempFolder;
using Ids = std::vector<std::int64_t>;
using Shape = std::vector<std::int64_t>;

std::string error_for(const DataOptions& options) {
  return error_of([&] { open_dataset(options); });
}

Batch all_of(const Dataset& data, const DrawKey& key = {}) {
  Ids ids(static_cast<std::size_t>(data.size()));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
  return data.get(ids, key);
}

std::string sizes_of(const DataSplits& splits) {
  const auto size = [](const std::shared_ptr<const Dataset>& part) {
    return part ? std::to_string(part->size()) : "-";
  };
  return size(splits.train) + " " + size(splits.valid) + " " + size(splits.test);
}

TEST(OpenDataset, FindsTheIdxPartsOfAFolder) {
  const TempFolder folder;
  write_idx_pair(folder / "train", 20, 4);
  const DataSplits one = open_dataset({.path = folder.path()});
  EXPECT_EQ(one.info.kind, "idx");
  EXPECT_EQ(one.info.input_shape, (Shape{1, 4, 4}));
  EXPECT_TRUE(one.info.target_shape.empty());
  EXPECT_EQ(one.info.tensors, 2);
  EXPECT_EQ(one.info.classes, 3);
  EXPECT_EQ(sizes_of(one), "18 2 -");
  write_idx_pair(folder / "t10k", 6, 4);
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path(), .valid_fraction = 0.0, .test_fraction = 0.5})),
            "20 - 6");
  write_idx_pair(folder / "valid", 5, 4);
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path()})), "20 5 6");
}

TEST(OpenDataset, TakesPrefixesAndPathsOfIdxFiles) {
  const TempFolder folder;
  write_idx_pair(folder / "mine", 20, 4);
  write_idx_pair(folder / "other", 7, 4, 5);
  for (const std::string path : {"mine", "mine-images-idx3-ubyte"}) {
    const DataSplits splits = open_dataset({.path = folder / path, .valid_path = folder / "other"});
    EXPECT_EQ(sizes_of(splits), "20 7 -");
    EXPECT_EQ(splits.info.kind, "idx");
  }
  EXPECT_EQ(error_for({.path = folder / "mine", .test_path = folder / "none"}), "data data.no_idx_pair");
  write_idx_pair(folder / "larger", 7, 5);
  EXPECT_EQ(error_for({.path = folder / "mine", .test_path = folder / "larger"}), "data data.parts_disagree");
}

TEST(OpenDataset, TheSplitIsDrawnBySeedAndLosesNoRow) {
  const TempFolder folder;
  write_idx_pair(folder / "train", 25, 2);
  DataOptions options{.path = folder.path(), .valid_fraction = 0.2, .test_fraction = 0.2};
  const auto first_pixels = [](const Dataset& data) {
    const at::Tensor pixels = all_of(data).tensors[0].flatten(1).select(1, 0).contiguous();
    return std::multiset<float>(pixels.data_ptr<float>(), pixels.data_ptr<float>() + pixels.numel());
  };
  const DataSplits splits = open_dataset(options);
  EXPECT_EQ(sizes_of(splits), "15 5 5");
  std::multiset<float> together = first_pixels(*splits.train);
  together.merge(first_pixels(*splits.valid));
  together.merge(first_pixels(*splits.test));
  options.valid_fraction = 0.0;
  options.test_fraction = 0.0;
  EXPECT_EQ(together, first_pixels(*open_dataset(options).train));
  options.test_fraction = 0.2;
  EXPECT_EQ(first_pixels(*splits.test), first_pixels(*open_dataset(options).test));
  options.split_seed = 2;
  EXPECT_NE(first_pixels(*splits.test), first_pixels(*open_dataset(options).test));
}

TEST(OpenDataset, OnlyTheTrainingPartIsAugmented) {
  const TempFolder folder;
  write_idx_pair(folder / "train", 20, 6);
  write_idx_pair(folder / "t10k", 5, 6);
  DataOptions options{.path = folder.path()};
  options.image.preparation = {.crop_padding = 2, .flip = true};
  const DataSplits splits = open_dataset(options);
  EXPECT_FALSE(same(all_of(*splits.train, {.epoch = 0}), all_of(*splits.train, {.epoch = 1})));
  EXPECT_TRUE(same(all_of(*splits.valid, {.epoch = 0}), all_of(*splits.valid, {.epoch = 1})));
  EXPECT_TRUE(same(all_of(*splits.test, {.epoch = 0}), all_of(*splits.test, {.epoch = 1})));
}

TEST(OpenDataset, TheLimitDrawsTrainingRows) {
  const TempFolder folder;
  write_idx_pair(folder / "train", 30, 2);
  write_idx_pair(folder / "t10k", 5, 2);
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path(), .limit = 10})), "10 3 5");
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path(), .valid_fraction = 0.0, .limit = 10})), "10 - 5");
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path(), .limit = 1000})), "27 3 5");
}

TEST(OpenDataset, FindsThePartsOfAFolderOfPictures) {
  const TempFolder folder;
  for (const std::string name : {"train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/dog/1.png"}) {
    write_picture(folder / name, 2, 2, {1});
  }
  const DataSplits splits = open_dataset({.path = folder.path()});
  EXPECT_EQ(splits.info.kind, "image-folder");
  EXPECT_EQ(splits.info.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(splits.info.classes, 2);
  EXPECT_EQ(splits.info.input_shape, (Shape{3, 2, 2}));
  EXPECT_EQ(sizes_of(splits), "2 1 1");
  EXPECT_EQ(all_of(*splits.test).tensors[1].item<std::int64_t>(), 1);  // a dog, though cats are missing there
  write_picture(folder / "val/cat/1.png", 2, 2, {1});
  EXPECT_EQ(sizes_of(open_dataset({.path = folder.path()})), "3 1 1");
  EXPECT_EQ(sizes_of(open_dataset({.path = folder / "train", .test_path = folder / "test"})), "2 1 1");
  write_picture(folder / "test/bird/1.png", 2, 2, {1});
  EXPECT_EQ(error_for({.path = folder.path()}), "data image_folder.unknown_class");
}

TEST(OpenDataset, ReadsNumpyArraysAsModelsTakeThem) {
  const TempFolder folder;
  write_npy_values<double>(folder / "inputs.npy", {10, 2}, std::vector<double>(20, 0.5));
  write_npy_values<double>(folder / "targets.npy", {10, 3}, std::vector<double>(30, 0.25));
  const DataSplits splits = open_dataset({.path = folder / "inputs.npy"});
  EXPECT_EQ(splits.info.kind, "npy");
  EXPECT_EQ(splits.info.input_shape, (Shape{2}));
  EXPECT_EQ(splits.info.target_shape, (Shape{3}));
  EXPECT_EQ(splits.info.classes, 0);
  EXPECT_EQ(sizes_of(splits), "9 1 -");
  EXPECT_EQ(all_of(*splits.train).tensors[0].scalar_type(), at::kFloat);
  write_npy_values<std::int32_t>(folder / "other.npy", {10}, {0, 1, 2, 3, 0, 1, 2, 3, 0, 1});
  const DataSplits labelled = open_dataset({.path = folder / "inputs.npy", .targets = folder / "other.npy"});
  EXPECT_EQ(labelled.info.classes, 4);
  EXPECT_EQ(all_of(*labelled.train).tensors[1].scalar_type(), at::kLong);
  write_npy_values<float>(folder / "alone.npy", {4, 2}, std::vector<float>(8));
  EXPECT_EQ(open_dataset({.path = folder / "alone.npy"}).info.tensors, 1);
  EXPECT_EQ(error_for({.path = folder / "inputs.npy", .valid_path = folder / "alone.npy"}),
            "data data.no_targets");
  write_npy_values<float>(folder / "short.npy", {9}, std::vector<float>(9));
  EXPECT_EQ(error_for({.path = folder / "inputs.npy", .targets = folder / "short.npy"}),
            "data tensor_dataset.rows_disagree");
}

TEST(OpenDataset, NumpyArraysOfBytesWithLabelsArePictures) {
  const TempFolder folder;
  write_npy_values<std::uint8_t>(folder / "a_y.npy", {4}, {0, 1, 0, 1});
  const std::vector<std::pair<Shape, Shape>> cases = {{{4, 5, 6}, {1, 5, 6}},
                                                      {{4, 3, 5, 6}, {3, 5, 6}},
                                                      {{4, 5, 6, 3}, {3, 5, 6}},
                                                      {{4, 5, 6, 1}, {1, 5, 6}}};
  for (const auto& [stored, wanted] : cases) {
    const std::vector<std::uint64_t> shape(stored.begin(), stored.end());
    write_npy_values(
        folder / "a_x.npy",
        shape,
        std::vector<std::uint8_t>(static_cast<std::size_t>(c10::multiply_integers(stored)), 255));
    const DataSplits splits = open_dataset({.path = folder / "a_x.npy"});
    EXPECT_EQ(splits.info.input_shape, wanted);
    EXPECT_EQ(splits.info.classes, 2);
    EXPECT_TRUE(
        at::allclose(all_of(*splits.train).tensors[0], at::ones({3, wanted[0], 5, 6})));  // (1 - 0.5) / 0.5
  }
}

TEST(OpenDataset, ReadsJsonLinesByTheirFields) {
  const TempFolder folder;
  write_text(folder / "n.jsonl",
             "{\"x\": [1, 2], \"y\": 0}\n{\"x\": [3, 4], \"y\": 1}\n{\"x\": [5, 6.5], \"y\": 1}\n");
  DataOptions options{.path = folder / "n.jsonl"};
  EXPECT_EQ(error_for(options), "data data.unknown_kind");
  EXPECT_NE(message_of([&] { open_dataset(options); }).find("x, y"), std::string::npos);
  options.jsonl.fields = {"x", "y"};
  const DataSplits numbers = open_dataset(options);
  EXPECT_EQ(numbers.info.kind, "jsonl");
  EXPECT_EQ(numbers.info.input_shape, (Shape{2}));
  EXPECT_EQ(numbers.info.classes, 2);
  EXPECT_EQ(sizes_of(numbers), "2 1 -");
}

TEST(OpenDataset, ReadsLabelledTextsWithTheClassesOfTheTrainingData) {
  const TempFolder folder;
  write_text(folder / "a.jsonl",
             "{\"text\": \"good\", \"label\": \"pos\"}\n{\"text\": \"bad\", \"label\": \"neg\"}\n");
  write_text(folder / "b.jsonl", "{\"text\": \"fine\", \"label\": \"pos\"}\n");
  DataOptions options{.path = folder / "a.jsonl", .valid_path = folder / "b.jsonl"};
  options.jsonl.labelled.text_bytes = 6;
  const DataSplits splits = open_dataset(options);
  EXPECT_EQ(splits.info.kind, "jsonl");
  EXPECT_EQ(splits.info.class_names, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_EQ(splits.info.classes, 2);
  EXPECT_EQ(splits.info.vocabulary, 257);
  EXPECT_EQ(splits.info.input_shape, (Shape{6}));
  EXPECT_EQ(all_of(*splits.valid).tensors[1].item<std::int64_t>(), 1);
  EXPECT_EQ(all_of(*splits.valid).tensors[0].scalar_type(), at::kLong);
}

TEST(OpenDataset, CutsTextIntoStretchesThatShareNoByte) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i);
  write_text(folder / "a.txt", text);
  DataOptions options{.path = folder / "a.txt", .valid_fraction = 0.2, .test_fraction = 0.1};
  options.text.window = 4;
  options.text.stride = 1;
  options.text.random_offset = true;
  const DataSplits splits = open_dataset(options);
  EXPECT_EQ(splits.info.kind, "text");
  EXPECT_EQ(splits.info.vocabulary, 256);
  EXPECT_EQ(splits.info.input_shape, (Shape{4}));
  EXPECT_EQ(splits.info.target_shape, (Shape{4}));
  const auto range = [](const Dataset& part) {
    const Batch batch = all_of(part);
    return std::pair(batch.tensors[0].min().item<std::int64_t>(),
                     batch.tensors[1].max().item<std::int64_t>());
  };
  EXPECT_EQ(range(*splits.train), (std::pair<std::int64_t, std::int64_t>(0, 69)));
  EXPECT_EQ(range(*splits.valid), (std::pair<std::int64_t, std::int64_t>(70, 89)));
  EXPECT_EQ(range(*splits.test), (std::pair<std::int64_t, std::int64_t>(90, 99)));
  options.test_path = folder / "a.txt";
  EXPECT_EQ(range(*open_dataset(options).valid), (std::pair<std::int64_t, std::int64_t>(80, 99)));
  EXPECT_EQ(range(*open_dataset(options).test), (std::pair<std::int64_t, std::int64_t>(0, 99)));
  options.limit = 5;
  EXPECT_EQ(open_dataset(options).train->size(), 5);
  options.text.window = 90;
  EXPECT_EQ(error_for(options), "data text_dataset.too_short");
  write_text(folder / "b.jsonl", "{\"text\": \"only one text, without a label, long enough\"}\n");
  DataOptions lines{.path = folder / "b.jsonl", .valid_fraction = 0.2};
  lines.text.window = 4;
  EXPECT_EQ(open_dataset(lines).info.kind, "text");
}

TEST(OpenDataset, RefusesWhatItDoesNotKnow) {
  const TempFolder folder;
  write_text(folder / "a.xyz", "x");
  EXPECT_EQ(error_for({.path = folder / "a.xyz"}), "data data.unknown_kind");
  EXPECT_EQ(error_for({.path = folder / "none"}), "file file.not_found");
  EXPECT_EQ(error_for({.path = folder.path()}), "data image_folder.no_classes");
  EXPECT_EQ(error_for({.path = folder / "a.xyz", .kind = "parquet"}), "config config.not_a_choice");
  EXPECT_EQ(error_for({.path = folder / "a.xyz", .valid_fraction = 1.5}), "config config.out_of_range");
  EXPECT_EQ(error_for({.path = folder / "none", .kind = "fashion-mnist"}),
            "file fashion_mnist.not_installed");
  EXPECT_EQ(error_for({.path = folder / "a.xyz", .kind = "idx"}), "data data.no_idx_pair");
  EXPECT_EQ(error_for({.path = folder / "a.xyz", .kind = "npy"}), "file npy.magic");
  write_text(folder / "half/train-images-idx3-ubyte", "x");
  EXPECT_EQ(error_for({.path = folder / "half"}), "file image_classification.half_a_pair");
  write_idx_pair(folder / "one/train", 1, 2);
  EXPECT_EQ(error_for({.path = folder / "one"}), "config split.bad_option");
}

TEST(OpenDataset, TheMemoryLimitHolds) {
  const TempFolder folder;
  write_text(folder / "a.txt", std::string(1'000'001, 'x'));
  EXPECT_EQ(error_for({.path = folder / "a.txt", .max_megabytes = 1}), "file file.too_large");
  EXPECT_EQ(error_for({.path = folder / "a.txt", .max_megabytes = 2}), "no error");
}

TEST(OpenDataset, EveryOptionIsAField) {
  DataOptions options;
  const config::Fields fields(options);
  for (const char* path : {"path",
                           "kind",
                           "valid_path",
                           "split_seed",
                           "image.crop_padding",
                           "image.mean",
                           "image.size",
                           "jsonl.fields",
                           "jsonl.text_field",
                           "text.window"}) {
    EXPECT_NE(fields.find(path), nullptr) << path;
  }
}

// Whole way: the same batches of real data for 0, 1, 2 and 4 threads, with crops and flips.
TEST(OpenDataset, FashionMnistLoadsTheSameForAnyNumberOfThreads) {
  if (!fashion_mnist_is_installed())
    GTEST_SKIP() << "needs the package dataset-fashion-mnist, which is not installed";
  DataOptions options;
  options.image.preparation = {.crop_padding = 2, .flip = true};
  const DataSplits splits = open_dataset(options);
  EXPECT_EQ(sizes_of(splits), "54000 6000 10000");
  EXPECT_EQ(splits.info.input_shape, (Shape{1, 28, 28}));
  EXPECT_EQ(splits.info.classes, 10);
  EXPECT_EQ(splits.info.class_names.at(9), "Ankle boot");
  std::vector<Batch> wanted;
  for (const int threads : {0, 1, 2, 4}) {
    Loader loader(*splits.train, Sampler(splits.train->size(), {.seed = 8}), {.threads = threads});
    for (std::size_t i = 0; i < 20; ++i) {
      LoadedBatch loaded = loader.next();
      if (threads == 0) {
        wanted.push_back(std::move(loaded.batch));
      } else {
        EXPECT_TRUE(same(loaded.batch, wanted[i])) << threads << " threads, batch " << i;
      }
    }
  }
}

TEST(OpenDataset, RealDigitsPicturesAndText) {
  TENFOLD_NEEDS_SHARED("mnist10k");
  TENFOLD_NEEDS_SHARED("cifar10_jpg");
  TENFOLD_NEEDS_SHARED("lm_text/wikitext2_valid.txt");
  EXPECT_EQ(sizes_of(open_dataset({.path = shared_data("mnist10k")})), "7200 800 1000");
  const DataSplits pictures = open_dataset({.path = shared_data("cifar10_jpg")});
  EXPECT_EQ(sizes_of(pictures), "5400 600 1000");
  EXPECT_EQ(pictures.info.input_shape, (Shape{3, 32, 32}));
  const DataSplits text = open_dataset({.path = shared_data("lm_text/wikitext2_valid.txt")});
  EXPECT_EQ(text.info.input_shape, (Shape{128}));
  EXPECT_EQ(text.train->size() + text.valid->size(), 1'121'681 / 128 - 1);  // a window lies on the border
}

}  // namespace
}  // namespace tenfold::data
