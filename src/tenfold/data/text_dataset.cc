// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/text_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/data/jsonl_dataset.h"
#include "tenfold/data/tensor_dataset.h"

namespace tenfold::data {
namespace {

constexpr std::int64_t kMaxWindow = 1'000'000'000;

void check_option(const char* name, std::int64_t value, std::int64_t low) {
  if (value >= low && value <= kMaxWindow) return;
  throw Error(ErrorClass::kConfig,
              "text_dataset.bad_option",
              {.what = fmt::format("the text option {} is out of range", name),
               .seen = std::to_string(value),
               .wanted = fmt::format("{} to {}", low, kMaxWindow),
               .remedy = fmt::format("set {} within the range", name)});
}

}  // namespace

TextDataset::TextDataset(at::Tensor bytes,
                         std::int64_t begin,
                         std::int64_t end,
                         const TextDatasetOptions& options)
    : bytes_(std::move(bytes)), begin_(begin), end_(end), options_(options) {
  check_option("window", options.window, 1);
  check_option("stride", options.stride, 0);
  if (options_.stride == 0) options_.stride = options_.window;
  check_internal(bytes_.scalar_type() == at::kByte && bytes_.dim() == 1 && bytes_.is_contiguous() &&
                     begin >= 0 && begin <= end && end <= bytes_.size(0),
                 "TextDataset: bytes [n] and a part of them");
  const std::int64_t length = end - begin;
  if (length <= options_.window) {
    throw Error(ErrorClass::kData,
                "text_dataset.too_short",
                {.what = "the text is shorter than one window and the byte after it",
                 .seen = fmt::format("{} bytes", length),
                 .wanted = fmt::format("at least {}", options_.window + 1),
                 .remedy = "lower window, or give more text to this part of the split"});
  }
  rows_ = (length - 1 - options_.window) / options_.stride + 1;
}

Batch TextDataset::get(std::span<const std::int64_t> ids, const DrawKey& key) const {
  check_rows(ids, rows_);
  Batch batch{.tensors = {}, .ids = {ids.begin(), ids.end()}};
  const std::int64_t window = options_.window;
  const at::Tensor inputs = at::empty({batch.size(), window}, at::kLong);
  const at::Tensor targets = at::empty({batch.size(), window}, at::kLong);
  const auto* text = bytes_.data_ptr<std::uint8_t>();
  auto* input = inputs.data_ptr<std::int64_t>();
  auto* target = targets.data_ptr<std::int64_t>();
  for (const std::int64_t id : ids) {
    std::int64_t start = begin_ + id * options_.stride;
    if (options_.random_offset) {
      const auto offset = example_draws(key, id).below(static_cast<std::uint32_t>(options_.stride));
      start = std::min<std::int64_t>(start + offset, end_ - 1 - window);
    }
    std::copy_n(text + start, window, input);
    std::copy_n(text + start + 1, window, target);
    input += window;
    target += window;
  }
  batch.tensors = {inputs, targets};
  return batch;
}

std::string TextDataset::fingerprint() const {
  std::call_once(hashed_, [&] {
    const std::array<at::Tensor, 1> content = {bytes_.narrow(0, begin_, end_ - begin_)};
    fingerprint_ = sha256_hex(fmt::format(
        "text {} {} {} {}", content_hash(content), options_.window, options_.stride, options_.random_offset));
  });
  return fingerprint_;
}

at::Tensor read_text_bytes(const Path& path, const std::string& text_field, std::uint64_t max_bytes) {
  const bool jsonl = to_lower(path.extension().string()) == ".jsonl";
  const std::string text =
      jsonl ? read_jsonl_texts(path, text_field, max_bytes) : read_text_file(path, max_bytes);
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

}  // namespace tenfold::data
