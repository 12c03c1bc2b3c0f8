// SPDX-License-Identifier: Apache-2.0
// Finds out the kind, lets open_parts.cc open it, and draws the parts that have no files of their own.
#include "tenfold/data/open.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/config/field.h"
#include "tenfold/data/image_classification.h"
#include "tenfold/data/open_parts.h"
#include "tenfold/data/subset.h"

namespace tenfold::data {
namespace {

[[noreturn]] void throw_unknown_kind(const DataOptions& options, std::string seen) {
  throw Error(ErrorClass::kData,
              "data.unknown_kind",
              {.what = "the kind of the data at " + printable(options.path, 400) + " is not known",
               .seen = std::move(seen),
               .wanted = "fashion-mnist, a folder or prefix of IDX files, a folder of class folders, or a "
                         ".npy, .jsonl or .txt file",
               .remedy = "check the path, or set kind"});
}

std::string kind_of_jsonl(const DataOptions& options) {
  if (!options.jsonl.fields.empty()) return "jsonl";
  const std::vector<std::string> names = first_jsonl_fields(options.path);
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const LabelledTextOptions& labelled = options.jsonl.labelled;
  if (!has(labelled.text_field)) {
    throw_unknown_kind(options,
                       fmt::format("the fields {} and no '{}': name those with numbers in jsonl.fields",
                                   printable(join(names, ", "), 200),
                                   printable(labelled.text_field, 60)));
  }
  return has(labelled.label_field) ? "jsonl" : "text";
}

std::string kind_of(const DataOptions& options) {
  if (options.kind != "auto") return options.kind;
  if (options.path == "fashion-mnist") return options.path;  // ./fashion-mnist is a folder
  const Path path = options.path;
  std::error_code unreadable;  // the readers say what is wrong with it
  if (std::filesystem::is_directory(path, unreadable)) {
    return find_idx_pair(path, "train").images.empty() ? "image-folder" : "idx";
  }
  const std::string ending = to_lower(path.extension().string());
  if (ending == ".npy") return "npy";
  if (ending == ".txt") return "text";
  if (ending == ".jsonl") return kind_of_jsonl(options);
  if (!idx_pair_at(path).images.empty()) return "idx";
  if (!path_exists(path)) {
    throw Error(ErrorClass::kFile,
                "file.not_found",
                {.what = "there are no data at " + printable(options.path, 400),
                 .seen = "no such file, folder or prefix of IDX files",
                 .remedy = "check the path"});
  }
  throw_unknown_kind(options, "a file that ends in '" + printable(ending, 40) + "'");
}

// The example of row 0: whether it can be loaded, and how it looks.
Batch first_example(const Dataset& data) {
  const std::vector<std::int64_t> row = {0};
  return data.get(row, {});
}

void check_agree(const Dataset& part, const Batch& train, const char* name) {
  const Batch other = first_example(part);
  bool same = other.tensors.size() == train.tensors.size();
  for (std::size_t i = 0; same && i < train.tensors.size(); ++i) {
    same = other.tensors[i].sizes() == train.tensors[i].sizes() &&
           other.tensors[i].scalar_type() == train.tensors[i].scalar_type();
  }
  if (same) return;
  const auto shape = [](const Batch& batch) {
    std::vector<std::string> shapes;
    for (const at::Tensor& tensor : batch.tensors) {
      const at::IntArrayRef sizes = tensor.sizes().slice(1);
      shapes.push_back(fmt::format("[{}]", fmt::join(sizes.begin(), sizes.end(), ", ")));
    }
    return join(shapes, " and ");
  };
  throw Error(ErrorClass::kData,
              "data.parts_disagree",
              {.what = fmt::format("{} and training data are of different shapes or types", name),
               .seen = shape(other),
               .wanted = shape(train),
               .remedy = "prepare both in the same way"});
}

// Draws the parts that `opened` lacks from its rows.
void split(OpenedParts& opened, const DataOptions& options) {
  const SplitOptions wanted{.valid_fraction = opened.valid || opened.cut ? 0.0 : options.valid_fraction,
                            .test_fraction = opened.test || opened.cut ? 0.0 : options.test_fraction,
                            .limit = options.limit,
                            .seed = static_cast<std::uint64_t>(options.split_seed)};
  if (wanted.valid_fraction == 0.0 && wanted.test_fraction == 0.0 && wanted.limit == 0) return;
  SplitRows rows = split_rows(opened.train->size(), wanted);
  if (!rows.valid.empty()) opened.valid = std::make_shared<Subset>(opened.plain, std::move(rows.valid));
  if (!rows.test.empty()) opened.test = std::make_shared<Subset>(opened.plain, std::move(rows.test));
  opened.train = std::make_shared<Subset>(opened.train, std::move(rows.train));
}

}  // namespace

DataSplits open_dataset(const DataOptions& options) {
  DataOptions checked = options;
  config::check_all(config::Fields(checked));
  checked.kind = kind_of(options);
  OpenedParts opened = open_parts(checked);
  split(opened, options);
  const Batch example = first_example(*opened.train);
  if (opened.valid) check_agree(*opened.valid, example, "validation");
  if (opened.test) check_agree(*opened.test, example, "test");
  opened.info.kind = checked.kind;
  opened.info.tensors = static_cast<std::int64_t>(example.tensors.size());
  opened.info.input_shape = example.tensors[0].sizes().slice(1).vec();
  if (example.tensors.size() > 1) opened.info.target_shape = example.tensors[1].sizes().slice(1).vec();
  return {.train = std::move(opened.train),
          .valid = std::move(opened.valid),
          .test = std::move(opened.test),
          .info = std::move(opened.info)};
}

}  // namespace tenfold::data
