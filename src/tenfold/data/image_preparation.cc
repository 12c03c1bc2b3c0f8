// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_preparation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::data {
namespace {

constexpr std::int64_t kMaxPadding = 1024;

[[noreturn]] void refuse(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "image_preparation.bad_option",
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "change the image options of the data"});
}

// One value a channel.
std::vector<double> spread(const char* name, const std::vector<double>& values, std::int64_t channels) {
  const auto count = static_cast<std::int64_t>(values.size());
  if (count != 1 && count != channels) {
    refuse(fmt::format("the image option {} does not fit the channels", name),
           fmt::format("{} values for {} channels", count, channels),
           "one value, or one a channel");
  }
  for (const double value : values) {
    if (!std::isfinite(value)) {
      refuse(fmt::format("the image option {} is not finite", name), fmt::format("{}", value), "a number");
    }
  }
  return count == channels ? values : std::vector<double>(static_cast<std::size_t>(channels), values[0]);
}

// Where a picture is cut out of its padded source.
struct Placement {
  std::int64_t down = 0;  // the picture's row 0 is the source's row `down`
  std::int64_t right = 0;
  bool mirrored = false;
  bool moved() const { return down != 0 || right != 0 || mirrored; }
};

Placement draw(const ImagePreparationOptions& options, const DrawKey& key, std::int64_t id) {
  if (options.crop_padding == 0 && !options.flip) return {};
  random::Generator draws = example_draws(key, id);
  const auto places = static_cast<std::uint32_t>(2 * options.crop_padding + 1);
  Placement placement;
  placement.down = draws.below(places) - options.crop_padding;
  placement.right = draws.below(places) - options.crop_padding;
  placement.mirrored = options.flip && (draws.next_u32() & 1u) != 0;
  return placement;
}

void normalise(std::span<const std::uint8_t> pixels, float scale, float shift, float* out) {
  for (std::size_t i = 0; i < pixels.size(); ++i) out[i] = static_cast<float>(pixels[i]) * scale + shift;
}

}  // namespace

ImagePreparation::ImagePreparation(const ImageShape& shape, const ImagePreparationOptions& options)
    : shape_(shape), options_(options) {
  const std::vector<double> mean = spread("mean", options.mean, shape.channels);
  const std::vector<double> deviation = spread("std", options.std, shape.channels);
  for (std::size_t c = 0; c < mean.size(); ++c) {
    if (deviation[c] <= 0.0) {
      refuse("the image option std is not positive", fmt::format("{}", deviation[c]), "more than 0");
    }
    channels_.push_back(
        {static_cast<float>(1.0 / (255.0 * deviation[c])), static_cast<float>(-mean[c] / deviation[c])});
  }
  if (options.crop_padding < 0 || options.crop_padding > kMaxPadding) {
    refuse("the image option crop_padding is out of range",
           std::to_string(options.crop_padding),
           fmt::format("0 to {} pixels", kMaxPadding));
  }
}

void ImagePreparation::prepare(std::span<const std::uint8_t> pixels,
                               const DrawKey& key,
                               std::int64_t id,
                               float* out) const {
  const auto [channels, height, width] = shape_;
  const Placement placement = draw(options_, key, id);
  if (!placement.moved()) {  // whole planes: the compiler's vectors fit long runs better than rows
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto [scale, shift] = channels_[static_cast<std::size_t>(c)];
      const std::int64_t plane = c * height * width;
      normalise(pixels.subspan(static_cast<std::size_t>(plane), static_cast<std::size_t>(height * width)),
                scale,
                shift,
                out + plane);
    }
    return;
  }
  const auto [down, right, mirrored] = placement;
  // Columns of the result, before mirroring, that are inside of the source.
  const std::int64_t begin = std::clamp<std::int64_t>(-right, 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(width - right, begin, width);
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto [scale, shift] = channels_[static_cast<std::size_t>(c)];
    for (std::int64_t y = 0; y < height; ++y) {
      float* row = out + (c * height + y) * width;
      const std::int64_t source_row = y + down;
      const bool inside = source_row >= 0 && source_row < height && begin < end;
      if (!inside || begin > 0 || end < width) std::fill(row, row + width, shift);  // black
      if (!inside) continue;
      const std::int64_t source = (c * height + source_row) * width + begin + right;
      normalise(pixels.subspan(static_cast<std::size_t>(source), static_cast<std::size_t>(end - begin)),
                scale,
                shift,
                row + begin);
      if (mirrored) std::reverse(row, row + width);
    }
  }
}

std::string ImagePreparation::description() const {
  return fmt::format("[{}, {}, {}] mean {} std {} crop_padding {} flip {}",
                     shape_.channels,
                     shape_.height,
                     shape_.width,
                     fmt::join(options_.mean, ","),
                     fmt::join(options_.std, ","),
                     options_.crop_padding,
                     options_.flip);
}

}  // namespace tenfold::data
