// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/tensor_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/data/io_tensor.h"

namespace tenfold::data {
namespace {

[[noreturn]] void refuse(const char* code, std::size_t index, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              fmt::format("tensor_dataset.{}", code),
              {.what = fmt::format("tensor {} cannot be part of a data set", index),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "give one or more dense CPU tensors of shape [N, ...] with the same N"});
}

std::string shape_text(const at::Tensor& tensor) {
  const at::IntArrayRef sizes = tensor.sizes();
  return fmt::format("[{}]", fmt::join(sizes.begin(), sizes.end(), ", "));
}

void check_tensor(const at::Tensor& tensor, std::size_t index) {
  if (!tensor.defined()) refuse("bad_tensor", index, "an undefined tensor", "a tensor [N, ...]");
  if (tensor.layout() != at::kStrided || !tensor.device().is_cpu()) {
    refuse(
        "bad_tensor", index, tensor.toString() + " on " + tensor.device().str(), "a dense tensor on the CPU");
  }
  if (tensor.dim() == 0) refuse("bad_tensor", index, "a scalar", "a tensor [N, ...]");
}

}  // namespace

TensorDataset::TensorDataset(std::vector<at::Tensor> tensors, BatchTypes types)
    : tensors_(std::move(tensors)), types_(types) {
  if (tensors_.empty()) refuse("bad_tensor", 0, "no tensor", "at least one");
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    check_tensor(tensors_[i], i);
    if (tensors_[i].size(0) != tensors_[0].size(0)) {
      refuse("rows_disagree", i, shape_text(tensors_[i]), fmt::format("{} rows", tensors_[0].size(0)));
    }
    tensors_[i] = tensors_[i].detach().contiguous();
  }
  rows_ = tensors_[0].size(0);
}

Batch TensorDataset::get(std::span<const std::int64_t> ids, const DrawKey&) const {
  check_rows(ids, rows_);
  Batch batch{.tensors = {}, .ids = {ids.begin(), ids.end()}};
  const at::Tensor index =
      at::from_blob(batch.ids.data(), {static_cast<std::int64_t>(ids.size())}, at::TensorOptions(at::kLong));
  batch.tensors.reserve(tensors_.size());
  for (const at::Tensor& tensor : tensors_) {
    const at::Tensor rows = tensor.index_select(0, index);
    batch.tensors.push_back(types_ == BatchTypes::kForModels ? to_model_type(rows) : rows);
  }
  return batch;
}

std::string TensorDataset::fingerprint() const {
  std::call_once(hashed_, [&] {
    fingerprint_ = content_hash(tensors_) + (types_ == BatchTypes::kForModels ? " for models" : "");
  });
  return fingerprint_;
}

std::string content_hash(std::span<const at::Tensor> tensors) {
  Sha256 hash;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor whole = tensor.contiguous();
    hash.update(fmt::format("{} {}\n", at::toString(whole.scalar_type()), shape_text(whole)));
    hash.update(std::span(static_cast<const std::byte*>(whole.data_ptr()), whole.nbytes()));
  }
  return hash.hex_digest();
}

}  // namespace tenfold::data
