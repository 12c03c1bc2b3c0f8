// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_classification.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/data/io_tensor.h"
#include "tenfold/data/tensor_dataset.h"
#include "tenfold/io/idx.h"

namespace tenfold::data {
namespace {

[[noreturn]] void refuse(std::string_view code, ErrorText text) {
  if (text.remedy.empty())
    text.remedy = "give 8-bit pixels [N, H, W] or [N, C, H, W] and one class number a picture";
  throw Error(ErrorClass::kData, fmt::format("image_classification.{}", code), std::move(text));
}

std::string seen_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  const at::IntArrayRef sizes = tensor.sizes();
  return fmt::format(
      "{} [{}]", at::toString(tensor.scalar_type()), fmt::join(sizes.begin(), sizes.end(), ", "));
}

at::Tensor checked_images(const at::Tensor& images) {
  const bool good =
      images.defined() && images.scalar_type() == at::kByte && (images.dim() == 3 || images.dim() == 4);
  if (!good || images.numel() == 0) {
    refuse("bad_images",
           {.what = "these are no pictures",
            .seen = seen_of(images),
            .wanted = "Byte [N, H, W] or [N, C, H, W]"});
  }
  return (images.dim() == 3 ? images.unsqueeze(1) : images).contiguous();
}

at::Tensor checked_labels(const at::Tensor& labels, std::int64_t rows) {
  if (!labels.defined() || labels.dim() != 1 || !at::isIntegralType(labels.scalar_type(), false)) {
    refuse("bad_labels", {.what = "these are no labels", .seen = seen_of(labels), .wanted = "integers [N]"});
  }
  if (labels.size(0) != rows) {
    refuse("rows_disagree",
           {.what = "pictures and labels do not belong together",
            .seen = fmt::format("{} labels", labels.size(0)),
            .wanted = fmt::format("{}, one a picture", rows)});
  }
  const at::Tensor wide = labels.to(at::kLong).contiguous();
  const auto lowest = wide.min().item<std::int64_t>();
  if (lowest < 0) {
    refuse(
        "bad_labels",
        {.what = "a label is negative", .seen = std::to_string(lowest), .wanted = "class numbers from 0 on"});
  }
  return wide;
}

ImageShape shape_of(const at::Tensor& images) {
  return {.channels = images.size(1), .height = images.size(2), .width = images.size(3)};
}

ImagePreparationOptions with_defaults(ImagePreparationOptions options, const ImageShape& shape) {
  const bool like_mnist = shape.channels == 1 && shape.height == 28 && shape.width == 28;
  if (options.mean.empty()) options.mean = {like_mnist ? 0.1307 : 0.5};
  if (options.std.empty()) options.std = {like_mnist ? 0.3081 : 0.5};
  return options;
}

}  // namespace

ImageClassification::ImageClassification(at::Tensor images,
                                         at::Tensor labels,
                                         ImagePreparationOptions options)
    : images_(checked_images(images)),
      labels_(checked_labels(labels, images_.size(0))),
      classes_(labels_.max().item<std::int64_t>() + 1),
      preparation_(shape_of(images_), with_defaults(std::move(options), shape_of(images_))) {}

Batch ImageClassification::get(std::span<const std::int64_t> ids, const DrawKey& key) const {
  check_rows(ids, size());
  Batch batch{.tensors = {}, .ids = {ids.begin(), ids.end()}};
  const ImageShape& shape = preparation_.shape();
  const at::Tensor images = at::empty({batch.size(), shape.channels, shape.height, shape.width}, at::kFloat);
  const at::Tensor labels = at::empty({batch.size()}, at::kLong);
  const std::span pixels(images_.data_ptr<std::uint8_t>(), static_cast<std::size_t>(images_.numel()));
  const auto picture = static_cast<std::size_t>(shape.size());
  auto* out = images.data_ptr<float>();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    preparation_.prepare(
        pixels.subspan(static_cast<std::size_t>(ids[i]) * picture, picture), key, ids[i], out);
    out += picture;
    labels.data_ptr<std::int64_t>()[i] = labels_.data_ptr<std::int64_t>()[ids[i]];
  }
  batch.tensors = {images, labels};
  return batch;
}

std::string ImageClassification::fingerprint() const {
  std::call_once(hashed_, [&] {
    const std::array<at::Tensor, 2> content = {images_, labels_};
    fingerprint_ = sha256_hex(content_hash(content) + " " + preparation_.description());
  });
  return fingerprint_;
}

IdxPair find_idx_pair(const Path& folder, const std::string& part) {
  const auto find = [&](const std::string& kind, int rank) {
    for (const char* separator : {"-", "."}) {
      for (const char* ending : {"", ".gz"}) {
        Path path = folder / fmt::format("{}-{}{}idx{}-ubyte{}", part, kind, separator, rank, ending);
        if (path_exists(path)) return path;
      }
    }
    return Path();
  };
  IdxPair pair{.images = find("images", 3), .labels = find("labels", 1)};
  if (pair.images.empty() != pair.labels.empty()) {
    const bool no_images = pair.images.empty();
    throw Error(ErrorClass::kFile,
                "image_classification.half_a_pair",
                {.what = fmt::format(
                     "one file of the pair '{}' is missing in {}", part, printable(folder.string(), 400)),
                 .seen = fmt::format("{} alone", (no_images ? pair.labels : pair.images).filename().string()),
                 .wanted = fmt::format("{0}-{1}-idx{2}-ubyte or {0}-{1}-idx{2}-ubyte.gz too",
                                       part,
                                       no_images ? "images" : "labels",
                                       no_images ? 3 : 1),
                 .remedy = "get the missing file"});
  }
  return pair;
}

LabelledImages read_idx_pair(const IdxPair& files, std::uint64_t max_bytes) {
  const io::IdxArray images = io::read_idx(open_data_file(files.images), max_bytes);
  if (images.dtype != io::DType::kU8 || images.shape.size() != 3) {
    refuse("bad_images",
           {.what = printable(files.images.string(), 400) + ": these are no pictures",
            .seen = fmt::format("{} [{}]", io::to_string(images.dtype), fmt::join(images.shape, ", ")),
            .wanted = "U8 [N, H, W]"});
  }
  const io::IdxArray labels = io::read_idx(open_data_file(files.labels), max_bytes);
  return {.images = to_tensor(images.dtype, images.shape, images.data.bytes()).unsqueeze(1),
          .labels = to_tensor(labels.dtype, labels.shape, labels.data.bytes())};
}

}  // namespace tenfold::data
