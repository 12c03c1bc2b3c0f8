// SPDX-License-Identifier: Apache-2.0
// JSON lines as a data set: numbers and arrays by the names of their fields, or a text and its label. Every line is an
// object; errors name the file and the line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/data/dataset.h"

namespace tenfold::data {

inline constexpr std::int64_t kPaddingToken = 256;
inline constexpr std::int64_t kPaddedByteVocabulary = 257;  // the bytes and the padding

// All readers throw what io::FileSource and io::JsonlReader throw, and Error(kData): "jsonl_dataset.missing_field",
// "jsonl_dataset.wrong_type", "jsonl_dataset.no_lines". `max_bytes` limits the file and what is made of it.

// One tensor a field, [N] for numbers and [N, ...] for arrays of numbers: int64 when all values are whole numbers or truth
// values, float32 otherwise. Throws Error(kData, "jsonl_dataset.shape") when an array has not the shape that the first line's
// has, is ragged, empty or deeper than 8, and Error(kConfig, "jsonl_dataset.bad_option") without fields.
std::vector<at::Tensor> read_jsonl_fields(const Path& path,
                                          const std::vector<std::string>& fields,
                                          std::uint64_t max_bytes = kDefaultReadLimit);

struct LabelledTextOptions {
  std::string text_field = "text";
  std::string label_field = "label";
  std::int64_t text_bytes = 256;  // T: a text is cut to it, or filled up with kPaddingToken

  void visit_fields(auto&& field) {
    field("text_field", text_field, {.help = "field of a .jsonl file that holds the text"});
    field("label_field", label_field, {.help = "field of a .jsonl file that holds the label"});
    field("text_bytes",
          text_bytes,
          {.help = "length to which labelled texts are cut or filled up",
           .unit = "bytes",
           .min = 1,
           .max = 1e6});
  }
};

struct LabelledTexts {
  at::Tensor tokens;  // int16 [N, T]: bytes and kPaddingToken
  at::Tensor labels;  // int64 [N]
  std::vector<std::string>
      classes;  // names of the labels when they are texts; empty when they are whole numbers
};

// Labels are whole numbers from 0 on, or texts, which are numbered in the order of their bytes, or by their place in
// `classes` when that is not empty. Throws Error(kData, "jsonl_dataset.unknown_class") for a text that is not in it,
// Error(kConfig, "jsonl_dataset.bad_option"), Error(kResource, "jsonl_dataset.too_large").
LabelledTexts read_labelled_texts(const Path& path,
                                  const LabelledTextOptions& options,
                                  const std::vector<std::string>& classes = {},
                                  std::uint64_t max_bytes = kDefaultReadLimit);

// The texts of one field with an empty line ("\n\n") between them.
std::string read_jsonl_texts(const Path& path,
                             const std::string& field,
                             std::uint64_t max_bytes = kDefaultReadLimit);

// Names of the fields of the first object, in the order of their bytes; empty for a file without one.
std::vector<std::string> first_jsonl_fields(const Path& path, std::uint64_t max_bytes = kDefaultReadLimit);

}  // namespace tenfold::data
