// SPDX-License-Identifier: Apache-2.0
// Windows of text for language models, a byte a token.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/data/dataset.h"

namespace tenfold::data {

inline constexpr std::int64_t kByteVocabulary = 256;

struct TextDatasetOptions {
  std::int64_t window = 128;  // tokens of an example, T
  std::int64_t stride = 0;    // bytes from one window to the next; 0: T, so that no two overlap
  bool random_offset =
      false;  // each epoch a window begins up to stride - 1 bytes later, by the example's random numbers

  void visit_fields(auto&& field) {
    field("window", window, {.help = "tokens of an example of text", .unit = "bytes", .min = 1, .max = 1e9});
    field("stride",
          stride,
          {.help = "bytes from one window of text to the next; 0: the window",
           .unit = "bytes",
           .min = 0,
           .max = 1e9});
    field("random_offset", random_offset, {.help = "move each window of text at random in training"});
  }
};

// A batch holds inputs [B, T] and targets [B, T], int64 in 0..255; targets are the inputs one byte later.
class TextDataset final : public Dataset {
 public:
  // `bytes`: uint8 [n], shared; the windows lie in [begin, end) of it. Throws Error(kConfig, "text_dataset.bad_option") for
  // a window or stride out of range, Error(kData, "text_dataset.too_short") when [begin, end) has no T + 1 bytes.
  TextDataset(at::Tensor bytes, std::int64_t begin, std::int64_t end, const TextDatasetOptions& options);

  std::int64_t size() const override { return rows_; }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override;
  std::string fingerprint() const override;  // sha256 of text and options; computed by the first call

 private:
  at::Tensor bytes_;
  std::int64_t begin_;
  std::int64_t end_;
  TextDatasetOptions options_;
  std::int64_t rows_ = 0;
  mutable std::once_flag hashed_;
  mutable std::string fingerprint_;
};

// A whole text file, or the texts of one field of a .jsonl file with an empty line ("\n\n") between them: uint8 [n].
// Throws Error(kFile, "file.not_found"), "file.too_large", ..., and what the JSON reader and jsonl_dataset.h throw.
at::Tensor read_text_bytes(const Path& path,
                           const std::string& text_field = "text",
                           std::uint64_t max_bytes = kDefaultReadLimit);

}  // namespace tenfold::data
