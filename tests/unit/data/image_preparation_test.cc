// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_preparation.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using Pixels = std::vector<std::uint8_t>;

std::vector<float> prepared(const ImagePreparation& preparation,
                            const Pixels& pixels,
                            const DrawKey& key,
                            std::int64_t id) {
  std::vector<float> out(pixels.size(), -1e9F);
  preparation.prepare(pixels, key, id, out.data());
  return out;
}

TEST(ImagePreparation, ScalesAndNormalisesEachChannel) {
  const ImagePreparation preparation({.channels = 2, .height = 1, .width = 3},
                                     {.mean = {0.25, 0.5}, .std = {0.5, 2.0}});
  const std::vector<float> out = prepared(preparation, {0, 51, 255, 0, 102, 255}, {}, 0);
  const std::vector<double> wanted = {-0.5, (0.2 - 0.25) / 0.5, 1.5, -0.25, (0.4 - 0.5) / 2.0, 0.25};
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(out[i], wanted[i], 1e-6);
}

// A plain transcription: pad with black, cut at the drawn place, mirror.
std::vector<float> by_hand(
    const Pixels& pixels, const ImageShape& shape, std::int64_t padding, bool flip, random::Generator draws) {
  const std::int64_t down = draws.below(static_cast<std::uint32_t>(2 * padding + 1)) - padding;
  const std::int64_t right = draws.below(static_cast<std::uint32_t>(2 * padding + 1)) - padding;
  const bool mirrored = flip && draws.next_u32() % 2 == 1;
  std::vector<float> out;
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      for (std::int64_t x = 0; x < shape.width; ++x) {
        const std::int64_t row = y + down;
        const std::int64_t column = (mirrored ? shape.width - 1 - x : x) + right;
        const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
        out.push_back(inside
                          ? pixels[static_cast<std::size_t>((c * shape.height + row) * shape.width + column)]
                          : 0.0F);
      }
    }
  }
  return out;
}

TEST(ImagePreparation, CropsAndFlipsAsDrawnForTheExample) {
  const ImageShape shape{.channels = 2, .height = 4, .width = 5};
  Pixels pixels(40);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i + 1);
  for (const std::int64_t padding : {0, 1, 3, 9}) {
    for (const bool flip : {false, true}) {
      const ImagePreparation preparation(
          shape, {.mean = {0.0}, .std = {1.0 / 255.0}, .crop_padding = padding, .flip = flip});
      for (std::int64_t id = 0; id < 50; ++id) {
        const DrawKey key{.seed = 4, .epoch = id % 3};
        const std::vector<float> out = prepared(preparation, pixels, key, id);
        const std::vector<float> wanted = by_hand(pixels, shape, padding, flip, example_draws(key, id));
        for (std::size_t i = 0; i < out.size(); ++i)
          ASSERT_NEAR(out[i], wanted[i], 1e-4) << padding << " " << id;
      }
    }
  }
}

TEST(ImagePreparation, EveryPlaceAndBothSidesOccur) {
  const ImagePreparation preparation({.channels = 1, .height = 1, .width = 2},
                                     {.mean = {0.0}, .std = {1.0 / 255.0}, .crop_padding = 1, .flip = true});
  std::map<std::vector<int>, int> seen;
  for (std::int64_t id = 0; id < 1800; ++id) {
    const std::vector<float> out = prepared(preparation, {10, 20}, {}, id);
    ++seen[{static_cast<int>(out[0] + 0.5F), static_cast<int>(out[1] + 0.5F)}];
  }
  // One of three rows is inside; then three columns and two sides, equally often: 100 each of 1800, the rest is black.
  for (const std::vector<int>& picture :
       std::vector<std::vector<int>>{{10, 20}, {20, 10}, {0, 10}, {10, 0}, {20, 0}, {0, 20}}) {
    EXPECT_NEAR((seen[picture]), 100, 45) << picture[0] << " " << picture[1];  // 4.6 standard deviations
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST(ImagePreparation, RefusesImpossibleOptions) {
  const auto error_for = [](const ImagePreparationOptions& options) {
    return error_of([&] { ImagePreparation({.channels = 3, .height = 2, .width = 2}, options); });
  };
  const std::string code = "config image_preparation.bad_option";
  EXPECT_EQ(error_for({.mean = {}, .std = {1.0}}), code);
  EXPECT_EQ(error_for({.mean = {0.0}, .std = {}}), code);
  EXPECT_EQ(error_for({.mean = {0.0, 0.0}, .std = {1.0}}), code);
  EXPECT_EQ(error_for({.mean = {0.0}, .std = {0.0}}), code);
  EXPECT_EQ(error_for({.mean = {0.0}, .std = {-1.0}}), code);
  EXPECT_EQ(error_for({.mean = {std::numeric_limits<double>::quiet_NaN()}, .std = {1.0}}), code);
  EXPECT_EQ(error_for({.mean = {0.0}, .std = {1.0}, .crop_padding = -1}), code);
  EXPECT_EQ(error_for({.mean = {0.0}, .std = {1.0}, .crop_padding = 1025}), code);
  EXPECT_EQ(error_for({.mean = {0.1, 0.2, 0.3}, .std = {1.0}}), "no error");
}

}  // namespace
}  // namespace tenfold::data
