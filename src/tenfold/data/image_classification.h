// SPDX-License-Identifier: Apache-2.0
// Labelled pictures of one size, held in memory as bytes: MNIST and its relatives (IDX files), or any tensor of pixels.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/data/dataset.h"
#include "tenfold/data/image_preparation.h"

namespace tenfold::data {

// A batch holds images [B, C, H, W], float32, and labels [B], int64.
//
// Mean and std that are not given: 0.1307 and 0.3081, MNIST's own, for gray pictures of 28 x 28; 0.5 and 0.5 for others.
class ImageClassification final : public Dataset {
 public:
  // `images`: uint8, [N, C, H, W] or [N, H, W]; `labels`: integers [N], not negative. Shared, not copied: nobody may write
  // to them afterwards. Throws Error(kData): "image_classification.bad_images", "image_classification.bad_labels",
  // "image_classification.rows_disagree"; and what ImagePreparation throws.
  ImageClassification(at::Tensor images, at::Tensor labels, ImagePreparationOptions options = {});

  std::int64_t size() const override { return images_.size(0); }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override;
  // sha256 of pixels, labels and preparation; computed by the first call.
  std::string fingerprint() const override;

  const at::Tensor& images() const { return images_; }  // uint8 [N, C, H, W]
  const at::Tensor& labels() const { return labels_; }  // int64 [N]
  std::int64_t classes() const { return classes_; }     // the largest label + 1
  const ImageShape& shape() const { return preparation_.shape(); }

 private:
  at::Tensor images_;
  at::Tensor labels_;
  std::int64_t classes_ = 0;
  ImagePreparation preparation_;
  mutable std::once_flag hashed_;
  mutable std::string fingerprint_;
};

struct IdxPair {
  Path images;
  Path labels;
};

// The files of one part ("train", "t10k", "test", "valid") in a folder: PART-images-idx3-ubyte and PART-labels-idx1-ubyte, with a dot or
// a hyphen before "idx", with or without ".gz". Both paths are empty when neither is there. Throws
// Error(kFile, "image_classification.half_a_pair") when only one is.
IdxPair find_idx_pair(const Path& folder, const std::string& part);

// Pixels and labels of two IDX files. `max_bytes`: refuse larger arrays. Throws what io::read_idx throws, with the path.
struct LabelledImages {
  at::Tensor images;  // uint8 [N, 1, H, W]
  at::Tensor labels;  // int64 [N]
};
LabelledImages read_idx_pair(const IdxPair& files, std::uint64_t max_bytes = kDefaultReadLimit);

}  // namespace tenfold::data
