// SPDX-License-Identifier: Apache-2.0
// One way from a path to training, validation and test data, for every system that trains.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/data/dataset.h"
#include "tenfold/data/image_folder.h"
#include "tenfold/data/jsonl_dataset.h"
#include "tenfold/data/text_dataset.h"

namespace tenfold::data {

struct JsonlOptions {
  std::vector<std::string> fields;  // of numbers: inputs, targets, ...; empty: labelled texts
  LabelledTextOptions labelled;

  void visit_fields(auto&& field) {
    field("fields", fields, {.help = "fields of a .jsonl file with numbers or arrays: inputs, targets, ..."});
    labelled.visit_fields(field);
  }
};

struct DataOptions {
  std::string path = "fashion-mnist";
  std::string kind = "auto";
  std::string targets;     // .npy of targets, when its name does not follow from that of the inputs
  std::string valid_path;  // own files for validation and test instead of a part of `path`
  std::string test_path;
  double valid_fraction = 0.1;  // of the rows (of the bytes, for text); used when there are no own files
  double test_fraction = 0.0;
  std::int64_t split_seed = 1;
  std::int64_t limit = 0;             // most training rows, drawn at random by split_seed; 0: all
  std::int64_t max_megabytes = 4096;  // of one file's content in memory
  ImageFolderOptions image;
  JsonlOptions jsonl;
  TextDatasetOptions text;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "fashion-mnist, a folder or prefix of IDX files, a folder of pictures, or a .npy, .jsonl "
                   "or .txt file",
           .file = config::FileUse::kRead});
    field("kind",
          kind,
          {.help = "kind of the data; auto: by the path",
           .choices = {"auto", "fashion-mnist", "idx", "image-folder", "npy", "jsonl", "text"}});
    field(
        "targets",
        targets,
        {.help = ".npy file of the targets; empty: found beside the inputs", .file = config::FileUse::kRead});
    field("valid_path",
          valid_path,
          {.help = "validation data; empty: found beside, or a part of the data",
           .file = config::FileUse::kRead});
    field("test_path",
          test_path,
          {.help = "test data; empty: found beside, or a part of the data", .file = config::FileUse::kRead});
    field("valid_fraction",
          valid_fraction,
          {.help = "part kept for validation when it has no files of its own", .min = 0.0, .max = 1.0});
    field("test_fraction",
          test_fraction,
          {.help = "part kept for the test when it has no files of its own", .min = 0.0, .max = 1.0});
    field("split_seed", split_seed, {.help = "seed of the split", .min = 0, .max = 9e15});
    field("limit", limit, {.help = "most rows for training, drawn at random; 0: all", .min = 0, .max = 4e9});
    field("max_megabytes",
          max_megabytes,
          {.help = "most memory for the content of one file",
           .unit = "MB",
           .min = 1,
           .max = 1e7,
           .affects_result = false});
    field("image", image, {});
    field("jsonl", jsonl, {});
    field("text", text, {});
  }
};

// What a model must know of its data.
struct DataInfo {
  std::string kind;                        // never "auto"
  std::vector<std::int64_t> input_shape;   // of one example: [C, H, W], [T], ...
  std::vector<std::int64_t> target_shape;  // of one example; empty for labels, and when there are no targets
  std::int64_t tensors = 0;                // of a batch
  std::int64_t classes = 0;                // labels are 0 to classes - 1; 0: the targets are no labels
  std::vector<std::string> class_names;    // when they are known
  std::int64_t vocabulary = 0;             // tokens are 0 to vocabulary - 1; 0: the inputs are no tokens
};

// The first tensor of a batch holds the inputs, the second, if any, the targets.
struct DataSplits {
  std::shared_ptr<const Dataset> train;  // crops, flips and random offsets are for this part alone
  std::shared_ptr<const Dataset> valid;  // null without validation data
  std::shared_ptr<const Dataset> test;   // null without test data
  DataInfo info;
};

// Opens the data and loads one example of each part. Same options and files: same parts, same batches.
//
// Own files are found beside the training data: t10k or test and valid pairs in a folder of IDX files, folders train, valid
// or val, and test in a folder of pictures. Other parts are drawn row by row (split_rows()); text is cut into three
// stretches, training first, so that no window lies in two parts. Whole numbers from 0 on, one a row, are taken as labels.
// Throws what the readers throw, and Error(kData): "data.unknown_kind" (neither the path nor its content tells the kind),
// "data.no_idx_pair", "data.no_targets"; Error(kConfig, "data.bad_option") and "split.bad_option"; Error(kFile,
// "file.not_found").
DataSplits open_dataset(const DataOptions& options);

}  // namespace tenfold::data
