// SPDX-License-Identifier: Apache-2.0
// Labelled pictures in folders: FOLDER/CLASS/NAME.png, .jpg or .jpeg. Pictures are decoded when they are asked for, so the
// data may be larger than the memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/data/dataset.h"
#include "tenfold/data/image_preparation.h"

namespace tenfold::data {

// What a folder holds, without a look into the files. Classes and files are in the order of their names' bytes; names that
// begin with a dot and files with other endings are left out; links are followed.
struct ImageListing {
  Path folder;
  std::vector<std::string> classes;
  std::vector<std::string> files;    // "class/name.png"
  std::vector<std::int64_t> labels;  // of each file: index into `classes`
};

// `classes`: when not empty, the classes that must be used, in this order (those of the training data).
// Throws Error(kFile): "file.not_found", "file.no_permission", "file.io"; Error(kData): "image_folder.no_classes" (no folder
// inside), "image_folder.empty_class" (a class without pictures), "image_folder.unknown_class" (not one of `classes`).
ImageListing list_images(const Path& folder, const std::vector<std::string>& classes = {});

struct ImageFolderOptions {
  std::int64_t size = 0;  // the middle square of a picture is scaled to size x size; 0: as they are
  bool gray = false;      // one channel instead of three
  ImagePreparationOptions preparation;  // mean and std not given: 0.5 and 0.5

  void visit_fields(auto&& field) {
    field("size",
          size,
          {.help = "side to which the middle square of folder pictures is scaled; 0: as they are",
           .unit = "pixels",
           .min = 0,

           .max = 4096});
    field("gray", gray, {.help = "one channel instead of three for pictures of folders"});
    preparation.visit_fields(field);
  }
};

// A batch holds images [B, C, H, W], float32, and labels [B], int64. get() throws what io::read_image throws, with the
// path, and Error(kData, "image_folder.size") for a picture of another size than the first when they are not scaled.
class ImageFolder final : public Dataset {
 public:
  // Looks at the header of the first picture when size is 0. Throws Error(kConfig, "image_folder.bad_option") and what
  // ImagePreparation and io::image_info throw.
  ImageFolder(std::shared_ptr<const ImageListing> listing, const ImageFolderOptions& options);

  std::int64_t size() const override { return static_cast<std::int64_t>(listing_->files.size()); }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override;
  // sha256 of names, content of all files and preparation. The first call reads every file.
  std::string fingerprint() const override;

  const ImageListing& listing() const { return *listing_; }
  const ImageShape& shape() const { return preparation_.shape(); }

 private:
  std::vector<std::uint8_t> planar_pixels(std::int64_t id) const;

  std::shared_ptr<const ImageListing> listing_;
  ImageFolderOptions options_;
  ImagePreparation preparation_;
  mutable std::once_flag hashed_;
  mutable std::string fingerprint_;
};

}  // namespace tenfold::data
