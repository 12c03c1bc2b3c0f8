// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/image_folder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/image.h"

namespace tenfold::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPictureBytes = std::uint64_t{256} << 20;
constexpr std::int64_t kMaxSide = 4096;

std::string shown(const Path& path) {
  return printable(path.string(), 400);
}

[[noreturn]] void refuse(std::string_view code, ErrorText text) {
  throw Error(ErrorClass::kData, fmt::format("image_folder.{}", code), std::move(text));
}

[[noreturn]] void throw_unreadable(const Path& folder, const std::error_code& failure) {
  const bool missing =
      failure == std::errc::no_such_file_or_directory || failure == std::errc::not_a_directory;
  const bool forbidden = failure == std::errc::permission_denied;
  throw Error(ErrorClass::kFile,
              missing     ? "file.not_found"
              : forbidden ? "file.no_permission"
                          : "file.io",
              {.what = "cannot list the folder " + shown(folder),
               .seen = failure.message(),
               .remedy = "check the path and its rights"});
}

bool is_picture(const std::string& name) {
  const std::string lower = to_lower(name);
  return lower.ends_with(".png") || lower.ends_with(".jpg") || lower.ends_with(".jpeg");
}

// Names of the folders, or of the pictures, in a folder: sorted.
std::vector<std::string> entries(const Path& folder, bool folders) {
  std::error_code failure;
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    if (name.starts_with('.')) continue;
    std::error_code broken_link;
    const fs::file_status status = entry->status(broken_link);
    // A broken link with a picture's name is kept: reading it says what is wrong.
    if (folders ? fs::is_directory(status) : !fs::is_directory(status) && is_picture(name)) {
      names.push_back(std::move(name));
    }
  }
  if (failure) throw_unreadable(folder, failure);
  std::sort(names.begin(), names.end());
  return names;
}

ImageShape shape_of(const ImageListing& listing, const ImageFolderOptions& options) {
  if (options.size < 0 || options.size > kMaxSide) {
    throw Error(ErrorClass::kConfig,
                "image_folder.bad_option",
                {.what = "the image option size is out of range",
                 .seen = std::to_string(options.size),
                 .wanted = fmt::format("0 to {} pixels", kMaxSide),
                 .remedy = "set size, or 0 to keep the pictures' own"});
  }
  ImageShape shape{.channels = options.gray ? 1 : 3, .height = options.size, .width = options.size};
  if (options.size > 0) return shape;
  const Path first = listing.folder / listing.files.at(0);
  try {
    const io::ImageInfo info = io::image_info(read_binary_file(first, kMaxPictureBytes));
    shape.height = info.height;
    shape.width = info.width;
  } catch (const Error& error) {
    throw with_place(error, shown(first));
  }
  return shape;
}

ImagePreparationOptions with_defaults(ImagePreparationOptions options) {
  if (options.mean.empty()) options.mean = {0.5};
  if (options.std.empty()) options.std = {0.5};
  return options;
}

// [H, W, C] -> [C, H, W]
std::vector<std::uint8_t> to_planes(const io::Image& image) {
  const std::size_t area = std::size_t{image.width} * image.height;
  std::vector<std::uint8_t> planes(image.pixels.size());
  for (std::size_t c = 0; c < image.channels; ++c) {
    for (std::size_t i = 0; i < area; ++i) planes[c * area + i] = image.pixels[i * image.channels + c];
  }
  return planes;
}

// Cuts the middle square out and scales it to `side`, then as to_planes(). The filter is bilinear, widened by the factor of
// reduction so that no pixel is skipped.
std::vector<std::uint8_t> scaled_planes(const io::Image& image, std::int64_t side) {
  const at::NoGradGuard no_grad;
  const std::int64_t height = image.height;
  const std::int64_t width = image.width;
  const std::int64_t square = std::min(height, width);
  at::Tensor pixels = at::from_blob(const_cast<std::uint8_t*>(image.pixels.data()),
                                    {1, height, width, static_cast<std::int64_t>(image.channels)},
                                    at::TensorOptions(at::kByte))
                          .narrow(1, (height - square) / 2, square)
                          .narrow(2, (width - square) / 2, square)
                          .permute({0, 3, 1, 2})
                          .contiguous();
  if (square != side) {
    pixels =
        at::_upsample_bilinear2d_aa(pixels.to(at::kFloat), {side, side}, false, c10::nullopt, c10::nullopt)
            .round()
            .clamp(0, 255)
            .to(at::kByte);
  }
  const auto* data = pixels.data_ptr<std::uint8_t>();
  return {data, data + pixels.numel()};
}

}  // namespace

ImageListing list_images(const Path& folder, const std::vector<std::string>& classes) {
  ImageListing listing{.folder = folder, .classes = classes, .files = {}, .labels = {}};
  const std::vector<std::string> folders = entries(folder, true);
  if (folders.empty()) {
    refuse("no_classes",
           {.what = shown(folder) + " has no folders of pictures",
            .seen = "no folder inside",
            .wanted = "one folder a class, with .png, .jpg or .jpeg files",
            .remedy = "name the folder that holds the folders of the classes"});
  }
  if (classes.empty()) listing.classes = folders;
  for (const std::string& name : folders) {
    const auto found = std::find(listing.classes.begin(), listing.classes.end(), name);
    if (found == listing.classes.end()) {
      refuse("unknown_class",
             {.what = shown(folder / name) + " is a class that the training data do not have",
              .seen = printable(name),
              .wanted = "one of the " + std::to_string(classes.size()) + " classes of the training data",
              .remedy = "rename or remove the folder"});
    }
    const std::vector<std::string> pictures = entries(folder / name, false);
    if (pictures.empty()) {
      refuse("empty_class",
             {.what = shown(folder / name) + " has no pictures",
              .wanted = "files that end in .png, .jpg or .jpeg",
              .remedy = "add pictures or remove the folder"});
    }
    for (const std::string& picture : pictures) listing.files.push_back(name + "/" + picture);
    listing.labels.resize(listing.files.size(), found - listing.classes.begin());
  }
  return listing;
}

ImageFolder::ImageFolder(std::shared_ptr<const ImageListing> listing, const ImageFolderOptions& options)
    : listing_(std::move(listing)),
      options_(options),
      preparation_(shape_of(*listing_, options), with_defaults(options.preparation)) {}

std::vector<std::uint8_t> ImageFolder::planar_pixels(std::int64_t id) const {
  const Path path = listing_->folder / listing_->files[static_cast<std::size_t>(id)];
  io::Image image;
  try {
    image = io::read_image(path, {.color = options_.gray ? io::ColorMode::kGray : io::ColorMode::kRgb});
  } catch (const Error& error) {
    const bool named = error.text().what.find(path.string()) != std::string::npos;
    throw named ? error : with_place(error, shown(path));
  }
  if (options_.size > 0) return scaled_planes(image, options_.size);
  const ImageShape& shape = preparation_.shape();
  if (image.height != shape.height || image.width != shape.width) {
    refuse("size",
           {.what = shown(path) + " has another size than the first picture",
            .seen = fmt::format("{} x {}", image.width, image.height),
            .wanted = fmt::format("{} x {}", shape.width, shape.height),
            .remedy = "set the option size, so that all pictures are scaled to it"});
  }
  return to_planes(image);
}

Batch ImageFolder::get(std::span<const std::int64_t> ids, const DrawKey& key) const {
  check_rows(ids, size());
  Batch batch{.tensors = {}, .ids = {ids.begin(), ids.end()}};
  const ImageShape& shape = preparation_.shape();
  const at::Tensor images = at::empty({batch.size(), shape.channels, shape.height, shape.width}, at::kFloat);
  const at::Tensor labels = at::empty({batch.size()}, at::kLong);
  auto* out = images.data_ptr<float>();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    preparation_.prepare(planar_pixels(ids[i]), key, ids[i], out);
    out += shape.size();
    labels.data_ptr<std::int64_t>()[i] = listing_->labels[static_cast<std::size_t>(ids[i])];
  }
  batch.tensors = {images, labels};
  return batch;
}

std::string ImageFolder::fingerprint() const {
  std::call_once(hashed_, [&] {
    Sha256 hash;
    hash.update(
        fmt::format("{} size {} gray {}\n", preparation_.description(), options_.size, options_.gray));
    for (std::size_t i = 0; i < listing_->files.size(); ++i) {
      const std::vector<std::byte> content =
          read_binary_file(listing_->folder / listing_->files[i], kMaxPictureBytes);
      hash.update(fmt::format("{} {} {}\n", listing_->files[i], listing_->labels[i], content.size()));
      hash.update(content);
    }
    fingerprint_ = hash.hex_digest();
  });
  return fingerprint_;
}

}  // namespace tenfold::data
