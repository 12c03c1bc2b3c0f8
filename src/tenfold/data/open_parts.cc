// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/open_parts.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/data/fashion_mnist.h"
#include "tenfold/data/io_tensor.h"
#include "tenfold/data/npy_dataset.h"
#include "tenfold/data/tensor_dataset.h"

namespace tenfold::data {
namespace {

std::uint64_t max_bytes_of(const DataOptions& options) {
  return static_cast<std::uint64_t>(options.max_megabytes) * 1'000'000;
}

bool is_folder(const Path& path) {
  std::error_code unreadable;  // the readers say what is wrong with it
  return std::filesystem::is_directory(path, unreadable);
}

ImagePreparationOptions without_draws(ImagePreparationOptions options) {
  options.crop_padding = 0;
  options.flip = false;
  return options;
}

std::vector<std::string> names_of(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

// ---- pictures in memory

struct MemoryImages {
  LabelledImages train;
  std::optional<LabelledImages> valid;
  std::optional<LabelledImages> test;
};

OpenedParts parts_of(const MemoryImages& images, const ImagePreparationOptions& preparation) {
  OpenedParts opened;
  const auto make = [&](const LabelledImages& part, const ImagePreparationOptions& options) {
    auto data = std::make_shared<ImageClassification>(part.images, part.labels, options);
    opened.info.classes = std::max(opened.info.classes, data->classes());
    return data;
  };
  const ImagePreparationOptions plain = without_draws(preparation);
  opened.train = make(images.train, preparation);
  opened.plain = make(images.train, plain);
  if (images.valid) opened.valid = make(*images.valid, plain);
  if (images.test) opened.test = make(*images.test, plain);
  return opened;
}

IdxPair pair_named(const std::string& path) {
  IdxPair pair = idx_pair_at(path);
  if (!pair.images.empty()) return pair;
  throw Error(ErrorClass::kData,
              "data.no_idx_pair",
              {.what = "there is no pair of IDX files at " + printable(path, 400),
               .wanted = "PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte, plain or .gz",
               .remedy = "name the prefix or the file of the images"});
}

OpenedParts open_idx(const DataOptions& options) {
  const std::uint64_t max_bytes = max_bytes_of(options);
  const Path path = options.path;
  const bool folder = is_folder(path);
  MemoryImages images;
  const auto beside = [&](std::initializer_list<const char*> names) {
    IdxPair pair;
    for (const char* name : names) {
      if (folder && pair.images.empty()) pair = find_idx_pair(path, name);
    }
    return pair;
  };
  const auto part = [&](const std::string& own, const IdxPair& found) -> std::optional<LabelledImages> {
    if (!own.empty()) return read_idx_pair(pair_named(own), max_bytes);
    if (found.images.empty()) return std::nullopt;
    return read_idx_pair(found, max_bytes);
  };
  images.train =
      read_idx_pair(folder ? pair_named((path / "train").string()) : pair_named(options.path), max_bytes);
  images.valid = part(options.valid_path, beside({"valid", "val"}));
  images.test = part(options.test_path, beside({"t10k", "test"}));
  return parts_of(images, options.image.preparation);
}

OpenedParts open_fashion_mnist(const DataOptions& options) {
  // The name alone means the package; any other path with this kind is a folder with the same files.
  FashionMnist fashion =
      options.path == "fashion-mnist" ? read_fashion_mnist() : read_fashion_mnist(Path(options.path));
  ImagePreparationOptions preparation = options.image.preparation;
  if (preparation.mean.empty()) preparation.mean = {kFashionMnistMean};
  if (preparation.std.empty()) preparation.std = {kFashionMnistStd};
  OpenedParts opened =
      parts_of({.train = std::move(fashion.train), .valid = std::nullopt, .test = std::move(fashion.test)},
               preparation);
  opened.info.class_names = names_of(kFashionMnistClasses);
  return opened;
}

// ---- pictures in folders

OpenedParts open_image_folder(const DataOptions& options) {
  const Path path = options.path;
  const auto beside = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (is_folder(path / name)) return path / name;
    }
    return Path();
  };
  const Path train_folder = beside({"train"});
  const bool parted = !train_folder.empty();
  const auto listing = std::make_shared<const ImageListing>(list_images(parted ? train_folder : path));
  ImageFolderOptions plain = options.image;
  plain.preparation = without_draws(plain.preparation);
  OpenedParts opened;
  opened.train = std::make_shared<ImageFolder>(listing, options.image);
  opened.plain = std::make_shared<ImageFolder>(listing, plain);
  const auto part = [&](const std::string& own, const Path& found) -> std::shared_ptr<const Dataset> {
    const Path folder = own.empty() ? found : Path(own);
    if (folder.empty()) return nullptr;
    return std::make_shared<ImageFolder>(
        std::make_shared<const ImageListing>(list_images(folder, listing->classes)), plain);
  };
  opened.valid = part(options.valid_path, parted ? beside({"valid", "val"}) : Path());
  opened.test = part(options.test_path, parted ? beside({"test"}) : Path());
  opened.info.classes = static_cast<std::int64_t>(listing->classes.size());
  opened.info.class_names = listing->classes;
  return opened;
}

// ---- tensors

using Tensors = std::vector<at::Tensor>;

// Labels are whole numbers from 0 on, one a row: the largest + 1. 0 for other targets.
std::int64_t classes_of(const Tensors& tensors) {
  if (tensors.size() != 2 || tensors[1].dim() != 1 || !at::isIntegralType(tensors[1].scalar_type(), false))
    return 0;
  if (tensors[1].min().item<std::int64_t>() < 0) return 0;
  return tensors[1].max().item<std::int64_t>() + 1;
}

OpenedParts parts_of(const Tensors& train,
                     const std::optional<Tensors>& valid,
                     const std::optional<Tensors>& test) {
  OpenedParts opened;
  const auto make = [&](const Tensors& tensors) {
    opened.info.classes = std::max(opened.info.classes, classes_of(tensors));
    return std::make_shared<TensorDataset>(tensors, BatchTypes::kForModels);
  };
  opened.train = make(train);
  opened.plain = opened.train;
  if (valid) opened.valid = make(*valid);
  if (test) opened.test = make(*test);
  return opened;
}

Tensors read_npy_files(const NpyFiles& files, std::uint64_t max_bytes) {
  Tensors tensors = {read_npy_tensor(files.inputs, max_bytes)};
  if (!files.targets.empty()) tensors.push_back(read_npy_tensor(files.targets, max_bytes));
  return tensors;
}

// 8-bit arrays of rank 3 or 4 with labels are pictures: [N, H, W], [N, C, H, W] or [N, H, W, C].
bool are_images(const Tensors& tensors) {
  const at::Tensor& inputs = tensors[0];
  return inputs.scalar_type() == at::kByte && (inputs.dim() == 3 || inputs.dim() == 4) &&
         classes_of(tensors) > 0;
}

LabelledImages as_images(const Tensors& tensors) {
  const auto is_channels = [](std::int64_t size) { return size == 1 || size == 3; };
  at::Tensor images = tensors[0];
  const bool channels_last = images.dim() == 4 && is_channels(images.size(3)) && !is_channels(images.size(1));
  if (channels_last) images = images.permute({0, 3, 1, 2}).contiguous();
  return {.images = images, .labels = tensors[1]};
}

OpenedParts open_npy(const DataOptions& options) {
  const std::uint64_t max_bytes = max_bytes_of(options);
  NpyFiles files = find_npy_files(options.path);
  if (!options.targets.empty()) files.targets = options.targets;
  const Tensors train = read_npy_files(files, max_bytes);
  const auto part = [&](const std::string& own) -> std::optional<Tensors> {
    if (own.empty()) return std::nullopt;
    const NpyFiles found = find_npy_files(own);
    if (found.targets.empty() && train.size() > 1) {
      throw Error(
          ErrorClass::kData,
          "data.no_targets",
          {.what = "no targets were found beside " + printable(own, 400),
           .wanted = "a file whose name has 'targets' for 'inputs', 'labels' for 'images' or 'y' for 'x'",
           .remedy = "rename the files"});
    }
    return read_npy_files(found, max_bytes);
  };
  const std::optional<Tensors> valid = part(options.valid_path);
  const std::optional<Tensors> test = part(options.test_path);
  const auto image_or_none = [&](const std::optional<Tensors>& tensors) {
    return !tensors || are_images(*tensors);
  };
  if (!are_images(train) || !image_or_none(valid) || !image_or_none(test))
    return parts_of(train, valid, test);
  MemoryImages images{.train = as_images(train), .valid = std::nullopt, .test = std::nullopt};
  if (valid) images.valid = as_images(*valid);
  if (test) images.test = as_images(*test);
  return parts_of(images, options.image.preparation);
}

OpenedParts open_jsonl(const DataOptions& options) {
  const std::uint64_t max_bytes = max_bytes_of(options);
  const JsonlOptions& jsonl = options.jsonl;
  std::vector<std::string> classes;
  const auto read = [&](const std::string& path) -> std::optional<Tensors> {
    if (path.empty()) return std::nullopt;
    if (!jsonl.fields.empty()) return read_jsonl_fields(path, jsonl.fields, max_bytes);
    LabelledTexts texts = read_labelled_texts(path, jsonl.labelled, classes, max_bytes);
    if (classes.empty()) classes = texts.classes;  // the training data come first
    return Tensors{texts.tokens, texts.labels};
  };
  const Tensors train = *read(options.path);
  OpenedParts opened = parts_of(train, read(options.valid_path), read(options.test_path));
  opened.info.class_names = classes;
  if (jsonl.fields.empty()) opened.info.vocabulary = kPaddedByteVocabulary;
  return opened;
}

// ---- text

OpenedParts open_text(const DataOptions& options) {
  const auto read = [&](const std::string& path) {
    return read_text_bytes(path, options.jsonl.labelled.text_field, max_bytes_of(options));
  };
  TextDatasetOptions plain = options.text;
  plain.random_offset = false;
  const auto stretch =
      [](const at::Tensor& bytes, std::int64_t begin, std::int64_t end, const TextDatasetOptions& text) {
        return std::make_shared<TextDataset>(bytes, begin, end, text);
      };
  const at::Tensor bytes = read(options.path);
  const std::int64_t size = bytes.size(0);
  const auto share = [&](const std::string& own, double fraction) {
    return own.empty() ? std::llround(fraction * static_cast<double>(size)) : 0;
  };
  const std::int64_t test_begin = size - share(options.test_path, options.test_fraction);
  const std::int64_t valid_begin =
      std::max<std::int64_t>(0, test_begin - share(options.valid_path, options.valid_fraction));
  OpenedParts opened{.cut = true};
  opened.train = stretch(bytes, 0, valid_begin, options.text);
  opened.plain = opened.train;
  const auto part =
      [&](const std::string& own, std::int64_t begin, std::int64_t end) -> std::shared_ptr<const Dataset> {
    if (!own.empty()) {
      const at::Tensor other = read(own);
      return stretch(other, 0, other.size(0), plain);
    }
    return begin == end ? nullptr : stretch(bytes, begin, end, plain);
  };
  opened.valid = part(options.valid_path, valid_begin, test_begin);
  opened.test = part(options.test_path, test_begin, size);
  opened.info.vocabulary = kByteVocabulary;
  return opened;
}

}  // namespace

IdxPair idx_pair_at(const Path& path) {
  const std::string name = path.filename().string();
  const std::size_t images = name.find("-images");
  return find_idx_pair(path.parent_path(), name.substr(0, images));
}

OpenedParts open_parts(const DataOptions& options) {
  if (options.kind == "fashion-mnist") return open_fashion_mnist(options);
  if (options.kind == "idx") return open_idx(options);
  if (options.kind == "image-folder") return open_image_folder(options);
  if (options.kind == "npy") return open_npy(options);
  if (options.kind == "jsonl") return open_jsonl(options);
  check_internal(options.kind == "text", "open_parts: an unknown kind");
  return open_text(options);
}

}  // namespace tenfold::data
