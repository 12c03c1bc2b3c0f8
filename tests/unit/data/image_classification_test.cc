// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_classification.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "tenfold/data/fashion_mnist.h"
#include "tests/unit/data/data_files.h"
#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/gzip_bytes.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::TempFolder;
using Ids = std::vector<std::int64_t>;

at::Tensor bytes(at::IntArrayRef shape) {
  return at::arange(0, c10::multiply_integers(shape), at::kLong).remainder(256).to(at::kByte).reshape(shape);
}

at::Tensor labels(const std::vector<std::int64_t>& values) {
  return at::tensor(values);
}

TEST(ImageClassification, GivesNormalisedImagesAndTheirLabels) {
  const ImageClassification data(bytes({3, 2, 2}), labels({2, 0, 1}), {.mean = {0.5}, .std = {0.25}});
  EXPECT_EQ(data.size(), 3);
  EXPECT_EQ(data.classes(), 3);
  const Batch batch = data.get(Ids{2, 0}, {});
  ASSERT_EQ(batch.tensors.size(), 2u);
  const at::Tensor wanted = (at::tensor({8, 9, 10, 11, 0, 1, 2, 3}).to(at::kDouble) / 255.0 - 0.5) / 0.25;
  EXPECT_EQ(batch.tensors[0].sizes(), (at::IntArrayRef{2, 1, 2, 2}));
  EXPECT_EQ(batch.tensors[0].scalar_type(), at::kFloat);
  EXPECT_LE((batch.tensors[0].flatten().to(at::kDouble) - wanted).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(at::equal(batch.tensors[1], labels({1, 2})));
  EXPECT_EQ(batch.ids, (Ids{2, 0}));
}

TEST(ImageClassification, TakesChannelsAndSmallLabelTypes) {
  const ImageClassification data(bytes({2, 3, 4, 5}), labels({0, 7}).to(at::kByte));
  EXPECT_EQ(data.get(Ids{1}, {}).tensors[0].sizes(), (at::IntArrayRef{1, 3, 4, 5}));
  EXPECT_EQ(data.get(Ids{1}, {}).tensors[1].scalar_type(), at::kLong);
  EXPECT_EQ(data.classes(), 8);
}

// Black is (0 - mean) / std: what was chosen without options.
TEST(ImageClassification, MnistsOwnMeanIsForPicturesLikeMnistAlone) {
  const auto black = [](at::IntArrayRef shape) {
    const ImageClassification data(at::zeros(shape, at::kByte), labels({0}));
    return data.get(Ids{0}, {}).tensors[0].flatten()[0].item<double>();
  };
  EXPECT_NEAR(black({1, 28, 28}), -0.1307 / 0.3081, 1e-6);
  EXPECT_NEAR(black({1, 32, 32}), -1.0, 1e-6);
  EXPECT_NEAR(black({1, 3, 28, 28}), -1.0, 1e-6);
}

TEST(ImageClassification, AugmentsByTheKeyAlone) {
  const ImageClassification data(bytes({20, 8, 8}), labels(Ids(20, 0)), {.crop_padding = 2, .flip = true});
  const Batch together = data.get(Ids{3, 7, 11}, {.seed = 1, .epoch = 5});
  const Batch alone = data.get(Ids{7}, {.seed = 1, .epoch = 5});
  EXPECT_TRUE(at::equal(together.tensors[0][1], alone.tensors[0][0]));
  EXPECT_FALSE(same(together, data.get(Ids{3, 7, 11}, {.seed = 1, .epoch = 6})));
  EXPECT_FALSE(same(together, data.get(Ids{3, 7, 11}, {.seed = 2, .epoch = 5})));
}

TEST(ImageClassification, TheFingerprintNamesPixelsLabelsAndPreparation) {
  const auto print = [](const at::Tensor& images, Ids classes, const ImagePreparationOptions& options = {}) {
    return ImageClassification(images, labels(classes), options).fingerprint();
  };
  const std::string same_print = print(bytes({2, 4, 4}), {0, 1});
  EXPECT_EQ(same_print, print(bytes({2, 4, 4}), {0, 1}, {.mean = {0.5}, .std = {0.5}}));  // the defaults
  EXPECT_NE(same_print, print(bytes({2, 4, 4}) + 1, {0, 1}));
  EXPECT_NE(same_print, print(bytes({2, 4, 4}), {1, 0}));
  EXPECT_NE(same_print, print(bytes({2, 4, 4}), {0, 1}, {.flip = true}));
  EXPECT_NE(same_print, print(bytes({2, 4, 4}), {0, 1}, {.mean = {0.4}}));
}

TEST(ImageClassification, RefusesWhatIsNoLabelledPicture) {
  const auto error_for = [](const at::Tensor& images, const at::Tensor& classes) {
    return error_of([&] { ImageClassification(images, classes); });
  };
  EXPECT_EQ(error_for(at::Tensor(), labels({0})), "data image_classification.bad_images");
  EXPECT_EQ(error_for(at::zeros({1, 2, 2}), labels({0})), "data image_classification.bad_images");
  EXPECT_EQ(error_for(bytes({4, 4}), labels({0})), "data image_classification.bad_images");
  EXPECT_EQ(error_for(at::zeros({0, 2, 2}, at::kByte), labels({})), "data image_classification.bad_images");
  EXPECT_EQ(error_for(at::zeros({1, 0, 2}, at::kByte), labels({0})), "data image_classification.bad_images");
  EXPECT_EQ(error_for(bytes({1, 2, 2}), at::Tensor()), "data image_classification.bad_labels");
  EXPECT_EQ(error_for(bytes({1, 2, 2}), at::zeros({1})), "data image_classification.bad_labels");
  EXPECT_EQ(error_for(bytes({1, 2, 2}), labels({-1})), "data image_classification.bad_labels");
  EXPECT_EQ(error_for(bytes({1, 2, 2}), labels({0}).reshape({1, 1})), "data image_classification.bad_labels");
  EXPECT_EQ(error_for(bytes({2, 2, 2}), labels({0})), "data image_classification.rows_disagree");
}

TEST(IdxPair, IsFoundUnderEachOfItsNames) {
  for (const std::string separator : {"-", "."}) {
    for (const std::string ending : {"", ".gz"}) {
      const TempFolder folder;
      const std::string images = "train-images" + separator + "idx3-ubyte" + ending;
      const std::string names = "train-labels" + separator + "idx1-ubyte" + ending;
      write_text(folder / images, "x");
      EXPECT_EQ(error_of([&] { find_idx_pair(folder.path(), "train"); }),
                "file image_classification.half_a_pair");
      write_text(folder / names, "x");
      const IdxPair pair = find_idx_pair(folder.path(), "train");
      EXPECT_EQ(pair.images, folder / images);
      EXPECT_EQ(pair.labels, folder / names);
      EXPECT_TRUE(find_idx_pair(folder.path(), "t10k").images.empty());
    }
  }
}

TEST(IdxPair, ReadsPlainAndCompressedFiles) {
  const TempFolder folder;
  write_idx_pair(folder / "a", 4, 3);
  const LabelledImages plain = read_idx_pair(find_idx_pair(folder.path(), "a"));
  EXPECT_EQ(plain.images.sizes(), (at::IntArrayRef{4, 1, 3, 3}));
  EXPECT_EQ(plain.images[2][0][1][1].item<int>(), 24);
  EXPECT_TRUE(at::equal(plain.labels.to(at::kLong), labels({0, 1, 2, 0})));
  for (const std::string name : {"images-idx3", "labels-idx1"}) {
    write_text(folder / ("b-" + name + "-ubyte.gz"),
               io::gzip(read_text_file(folder / ("a-" + name + "-ubyte"))));
  }
  const LabelledImages packed = read_idx_pair(find_idx_pair(folder.path(), "b"));
  EXPECT_TRUE(at::equal(plain.images, packed.images));
  EXPECT_TRUE(at::equal(plain.labels, packed.labels));
}

TEST(IdxPair, FollowsLinksButNamesDamagedFiles) {
  const TempFolder folder;
  write_idx_pair(folder / "real/train", 4, 3);
  std::filesystem::create_directories(folder / "links");
  for (const std::string name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    std::filesystem::create_symlink(folder / ("real/" + name), folder / ("links/" + name));
  }
  const IdxPair pair = find_idx_pair(folder / "links", "train");
  EXPECT_EQ(read_idx_pair(pair).images.size(0), 4);
  EXPECT_EQ(error_of([&] { read_idx_pair(pair, 35); }), "file idx.too_large");
  EXPECT_EQ(error_of([&] { read_idx_pair({.images = pair.labels, .labels = pair.labels}); }),
            "data image_classification.bad_images");
  write_text(folder / "real/train-images-idx3-ubyte", "damaged");
  EXPECT_EQ(error_of([&] { read_idx_pair(pair); }), "file idx.magic");
  EXPECT_NE(io::message_of([&] { read_idx_pair(pair); }).find("train-images-idx3-ubyte"), std::string::npos);
}

TEST(FashionMnist, SaysHowToInstallItWhenItIsMissing) {
  const TempFolder folder;
  EXPECT_FALSE(fashion_mnist_is_installed(folder.path()));
  EXPECT_EQ(error_of([&] { read_fashion_mnist(folder.path()); }), "file fashion_mnist.not_installed");
  EXPECT_EQ(error_of([&] { read_fashion_mnist(folder / "none"); }), "file fashion_mnist.not_installed");
  EXPECT_NE(
      io::message_of([&] { read_fashion_mnist(folder.path()); }).find("apt install dataset-fashion-mnist"),
      std::string::npos);
}

// The paper's sizes and balance; mean and standard deviation of the pixels by a float64 loop.
TEST(FashionMnist, IsThePapersDataSet) {
  if (!fashion_mnist_is_installed())
    GTEST_SKIP() << "needs the package dataset-fashion-mnist, which is not installed";
  const FashionMnist fashion = read_fashion_mnist();
  EXPECT_EQ(fashion.train.images.sizes(), (at::IntArrayRef{60'000, 1, 28, 28}));
  EXPECT_EQ(fashion.test.images.sizes(), (at::IntArrayRef{10'000, 1, 28, 28}));
  EXPECT_TRUE(at::equal(at::bincount(fashion.train.labels), at::full({10}, 6000, at::kLong)));
  EXPECT_TRUE(at::equal(at::bincount(fashion.test.labels), at::full({10}, 1000, at::kLong)));
  double sum = 0.0;
  double squares = 0.0;
  const auto* pixels = fashion.train.images.data_ptr<std::uint8_t>();
  const std::int64_t count = fashion.train.images.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    const double pixel = pixels[i] / 255.0;
    sum += pixel;
    squares += pixel * pixel;
  }
  const double mean = sum / static_cast<double>(count);
  EXPECT_NEAR(mean, kFashionMnistMean, 5e-5);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(count) - mean * mean), kFashionMnistStd, 5e-5);
}

TEST(RealDigits, AreReadAndNormalised) {
  TENFOLD_NEEDS_SHARED("mnist10k");
  const LabelledImages train = read_idx_pair(find_idx_pair(shared_data("mnist10k"), "train"));
  EXPECT_EQ(train.images.sizes(), (at::IntArrayRef{8000, 1, 28, 28}));
  const ImageClassification data(train.images, train.labels);
  EXPECT_EQ(data.classes(), 10);
  Ids all(8000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const at::Tensor images = data.get(all, {}).tensors[0].to(at::kDouble);
  // MNIST's mean and deviation fit a seventh of it too.
  EXPECT_NEAR(images.mean().item<double>(), 0.0, 0.05);
  EXPECT_NEAR(images.std().item<double>(), 1.0, 0.05);
}

}  // namespace
}  // namespace tenfold::data
