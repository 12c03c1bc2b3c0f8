// SPDX-License-Identifier: Apache-2.0
// From stored pixels to what a model sees: random crop, random flip, scaling and normalisation.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/data/dataset.h"

namespace tenfold::data {

struct ImagePreparationOptions {
  std::vector<double>
      mean;  // of pixels in 0..1, one for all channels or one each; empty: the data set's choice
  std::vector<double> std;  // standard deviation, likewise
  std::int64_t crop_padding =
      0;              // black pixels added on each side, then a random crop of the old size; 0: off
  bool flip = false;  // left and right, half of the time

  void visit_fields(auto&& field) {
    field("mean",
          mean,
          {.help = "mean of pixels in 0..1, one or one a channel; empty: chosen by the data",
           .min = -1e3,
           .max = 1e3});
    field("std",
          std,
          {.help = "standard deviation of pixels, one or one a channel; empty: chosen by the data",
           .min = 1e-6,
           .max = 1e6});
    field("crop_padding",
          crop_padding,
          {.help = "black pixels around before a random crop in training; 0: off",
           .unit = "pixels",
           .min = 0,
           .max = 1024});
    field("flip", flip, {.help = "swap left and right half of the time in training"});
  }
};

struct ImageShape {
  std::int64_t channels = 1;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t size() const { return channels * height * width; }
};

// Const and cheap to copy; may be used from several threads.
class ImagePreparation {
 public:
  // Throws Error(kConfig, "image_preparation.bad_option"): mean or std empty, with another number of values than 1 or the
  // channels, not finite, std not positive, crop_padding outside of 0..1024.
  ImagePreparation(const ImageShape& shape, const ImagePreparationOptions& options);

  // pixels: [C, H, W], 8 bits; out: [C, H, W], (pixel / 255 - mean) / std. Crop and flip use example_draws(key, id), in
  // the order: rows moved, columns moved, flip.
  void prepare(std::span<const std::uint8_t> pixels, const DrawKey& key, std::int64_t id, float* out) const;

  const ImageShape& shape() const { return shape_; }
  // All options in one line, for fingerprints.
  std::string description() const;

 private:
  struct Channel {
    float scale;
    float shift;
  };

  ImageShape shape_;
  ImagePreparationOptions options_;
  std::vector<Channel> channels_;
};

}  // namespace tenfold::data
