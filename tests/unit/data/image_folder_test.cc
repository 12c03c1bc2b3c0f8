// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/data/data_files.h"
#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::message_of;
using io::TempFolder;
using Ids = std::vector<std::int64_t>;

const ImageFolderOptions kAsStored{.preparation = {.mean = {0.0}, .std = {1.0 / 255.0}}};

std::shared_ptr<const ImageListing> listing_of(const Path& folder) {
  return std::make_shared<const ImageListing>(list_images(folder));
}

TEST(ImageListing, SortsClassesAndFilesAndLeavesOtherThingsOut) {
  const TempFolder folder;
  write_picture(folder / "b/2.png", 2, 2, {1});
  write_picture(folder / "b/10.jpg", 2, 2, {1});
  write_picture(folder / "a/x.JPEG", 2, 2, {1});
  for (const std::string name : {"b/notes.txt", "b/.hidden.png", ".git/x.png", "SOURCE.txt"})
    write_text(folder / name, "x");
  std::filesystem::create_directories(folder / "a/deeper.png");
  std::filesystem::create_directory_symlink(folder / "a", folder / "c");
  const ImageListing listing = list_images(folder.path());
  EXPECT_EQ(listing.classes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(listing.files, (std::vector<std::string>{"a/x.JPEG", "b/10.jpg", "b/2.png", "c/x.JPEG"}));
  EXPECT_EQ(listing.labels, (Ids{0, 1, 1, 2}));
}

TEST(ImageListing, UsesTheClassesOfTheTrainingData) {
  const TempFolder folder;
  write_picture(folder / "b/1.png", 2, 2, {1});
  EXPECT_EQ(list_images(folder.path(), {"a", "b"}).labels, (Ids{1}));
  EXPECT_EQ(list_images(folder.path(), {"a", "b"}).classes.size(), 2u);
  EXPECT_EQ(error_of([&] { list_images(folder.path(), {"a"}); }), "data image_folder.unknown_class");
}

TEST(ImageListing, RefusesFoldersWithoutPictures) {
  const TempFolder folder;
  EXPECT_EQ(error_of([&] { list_images(folder.path()); }), "data image_folder.no_classes");
  EXPECT_EQ(error_of([&] { list_images(folder / "none"); }), "file file.not_found");
  write_text(folder / "file", "x");
  EXPECT_EQ(error_of([&] { list_images(folder / "file"); }), "file file.not_found");
  std::filesystem::create_directories(folder / "a");
  EXPECT_EQ(error_of([&] { list_images(folder.path()); }), "data image_folder.empty_class");
}

TEST(ImageFolder, GivesChannelsFirstAndLabels) {
  const TempFolder folder;
  write_picture(folder / "a/1.png", 3, 2, {10, 20, 30});
  write_picture(folder / "b/1.png", 3, 2, {7});  // gray: three equal channels
  const ImageFolder data(listing_of(folder.path()), kAsStored);
  EXPECT_EQ(data.size(), 2);
  const Batch batch = data.get(Ids{1, 0}, {});
  EXPECT_EQ(batch.tensors[0].sizes(), (at::IntArrayRef{2, 3, 2, 3}));
  EXPECT_TRUE(at::equal(batch.tensors[1], at::tensor(Ids{1, 0})));
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_TRUE(at::allclose(batch.tensors[0][0][c], at::full({2, 3}, 7.0)));
    EXPECT_TRUE(at::allclose(batch.tensors[0][1][c], at::full({2, 3}, 10.0 * static_cast<double>(c + 1))));
  }
}

TEST(ImageFolder, GrayPicturesHaveOneChannel) {
  const TempFolder folder;
  write_picture(folder / "a/1.png", 3, 2, {100, 100, 100});
  ImageFolderOptions options = kAsStored;
  options.gray = true;
  const ImageFolder data(listing_of(folder.path()), options);
  EXPECT_TRUE(at::allclose(data.get(Ids{0}, {}).tensors[0], at::full({1, 1, 2, 3}, 100.0)));
}

// The triangle filter in float64: weight 1 - distance / width, width = the factor of reduction or 1.
std::vector<double> scaled_by_hand(const std::vector<double>& values, std::size_t size) {
  const double factor = static_cast<double>(values.size()) / static_cast<double>(size);
  const double width = std::max(1.0, factor);
  std::vector<double> result;
  for (std::size_t i = 0; i < size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * factor;
    double sum = 0.0;
    double weights = 0.0;
    for (std::size_t j = 0; j < values.size(); ++j) {
      const double weight = std::max(0.0, 1.0 - std::abs(static_cast<double>(j) + 0.5 - centre) / width);
      sum += weight * values[j];
      weights += weight;
    }
    result.push_back(sum / weights);
  }
  return result;
}

TEST(ImageFolder, ScalesTheMiddleSquareWithoutSkippingPixels) {
  const TempFolder folder;
  // 12 x 8: the middle square is columns 2 to 9. Rows are equal, so the result is the scaled row.
  io::Image image{.width = 12, .height = 8, .channels = 1, .pixels = {}};
  std::vector<double> middle;
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 12; ++x)
      image.pixels.push_back(static_cast<std::uint8_t>((x * 53 + x * x * 11) % 256));
  }
  for (int x = 2; x < 10; ++x) middle.push_back(image.pixels[static_cast<std::size_t>(x)]);
  std::filesystem::create_directories(folder / "a");
  io::write_image(real_file_system(), folder / "a/1.png", image);
  for (const std::int64_t size : {8, 4, 3, 1, 16}) {
    ImageFolderOptions options = kAsStored;
    options.size = size;
    options.gray = true;
    const ImageFolder data(listing_of(folder.path()), options);
    const at::Tensor picture = data.get(Ids{0}, {}).tensors[0][0][0];
    ASSERT_EQ(picture.sizes(), (at::IntArrayRef{size, size}));
    const std::vector<double> wanted = scaled_by_hand(middle, static_cast<std::size_t>(size));
    for (std::int64_t x = 0; x < size; ++x) {
      for (std::int64_t y = 0; y < size; ++y) {
        EXPECT_NEAR(picture[y][x].item<double>(), wanted[static_cast<std::size_t>(x)], 0.502)
            << size;  // rounding
      }
    }
  }
}

TEST(ImageFolder, PicturesOfOtherSizesNeedTheSizeOption) {
  const TempFolder folder;
  write_picture(folder / "a/1.png", 4, 4, {1});
  write_picture(folder / "a/2.png", 4, 5, {1});
  const ImageFolder data(listing_of(folder.path()), kAsStored);
  EXPECT_EQ(error_of([&] { data.get(Ids{0}, {}); }), "no error");
  EXPECT_EQ(error_of([&] { data.get(Ids{1}, {}); }), "data image_folder.size");
  EXPECT_NE(message_of([&] { data.get(Ids{1}, {}); }).find("a/2.png"), std::string::npos);
  ImageFolderOptions options = kAsStored;
  options.size = 4;
  EXPECT_EQ(ImageFolder(listing_of(folder.path()), options).get(Ids{0, 1}, {}).size(), 2);
}

TEST(ImageFolder, ADamagedPictureIsNamed) {
  const TempFolder folder;
  write_picture(folder / "a/1.png", 4, 4, {1});
  write_picture(folder / "a/2.png", 4, 4, {1});
  const std::string whole = read_text_file(folder / "a/2.png");
  const ImageFolder data(listing_of(folder.path()), kAsStored);
  write_text(folder / "a/2.png", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(error_of([&] { data.get(Ids{0, 1}, {}); }), "file image.truncated");
  EXPECT_NE(message_of([&] { data.get(Ids{0, 1}, {}); }).find("a/2.png"), std::string::npos);
  write_text(folder / "a/2.png", "no picture");
  EXPECT_EQ(error_of([&] { data.get(Ids{1}, {}); }), "data image.unknown_format");
  EXPECT_NE(message_of([&] { data.get(Ids{1}, {}); }).find("a/2.png"), std::string::npos);
  std::filesystem::remove(folder / "a/2.png");
  EXPECT_EQ(error_of([&] { data.get(Ids{1}, {}); }), "file file.not_found");
  write_text(folder / "a/1.png", "no picture");
  EXPECT_NE(message_of([&] { ImageFolder(listing_of(folder.path()), kAsStored); }).find("a/1.png"),
            std::string::npos);
}

TEST(ImageFolder, TheFingerprintNamesFilesContentAndOptions) {
  const auto print_of = [](std::uint8_t colour, const std::string& name, std::int64_t size) {
    const TempFolder folder;
    write_picture(folder / "a/1.png", 2, 2, {colour});
    write_picture(folder / ("a/" + name), 2, 2, {5});
    ImageFolderOptions options = kAsStored;
    options.size = size;
    return ImageFolder(listing_of(folder.path()), options).fingerprint();
  };
  const std::string print = print_of(1, "2.png", 0);
  EXPECT_EQ(print, print_of(1, "2.png", 0));
  EXPECT_NE(print, print_of(2, "2.png", 0));
  EXPECT_NE(print, print_of(1, "3.png", 0));
  EXPECT_NE(print, print_of(1, "2.png", 2));
}

TEST(ImageFolder, RefusesImpossibleOptions) {
  const TempFolder folder;
  write_picture(folder / "a/1.png", 2, 2, {1});
  for (const std::int64_t size : {-1, 4097}) {
    EXPECT_EQ(error_of([&] { ImageFolder(listing_of(folder.path()), {.size = size}); }),
              "config image_folder.bad_option");
  }
  EXPECT_EQ(error_of([&] { ImageFolder(listing_of(folder.path()), {.preparation = {.std = {0.0}}}); }),
            "config image_preparation.bad_option");
}

TEST(RealPictures, GiveColourImagesOfTenClasses) {
  TENFOLD_NEEDS_SHARED("cifar10_jpg/train");
  const auto listing = listing_of(shared_data("cifar10_jpg/train"));
  EXPECT_EQ(listing->files.size(), 6000u);
  EXPECT_EQ(listing->classes.size(), 10u);
  EXPECT_EQ(listing->classes.front(), "airplane");
  EXPECT_EQ(listing->classes.back(), "truck");
  const ImageFolder data(listing, {});
  Ids ids;
  for (std::int64_t id = 0; id < 6000; id += 60) ids.push_back(id);
  const Batch batch = data.get(ids, {});
  EXPECT_EQ(batch.tensors[0].sizes(), (at::IntArrayRef{100, 3, 32, 32}));
  EXPECT_TRUE(at::equal(at::bincount(batch.tensors[1]), at::full({10}, 10, at::kLong)));
  // The mean of CIFAR-10 over all channels is 0.473: (0.473 - 0.5) / 0.5 here, less certain for 100 pictures.
  EXPECT_NEAR(batch.tensors[0].mean().item<double>(), -0.054, 0.15);
}

}  // namespace
}  // namespace tenfold::data
