// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/codebook.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

namespace tenfold::repconc {
namespace {

torch::Tensor copy_of(std::span<const float> values, at::IntArrayRef shape) {
  torch::Tensor tensor = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

// Each row of the last dimension to length 1 / sqrt(M).
torch::Tensor to_unit_blocks(const torch::Tensor& x, std::int64_t blocks) {
  return x / (x.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12) * std::sqrt(static_cast<double>(blocks)));
}

std::vector<float> values_of(const torch::Tensor& tensor) {
  const torch::Tensor dense = tensor.detach().to(at::kFloat).contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

std::vector<std::uint32_t> column(const torch::Tensor& codes, std::int64_t block) {
  const auto values = codes.accessor<std::int64_t, 2>();
  std::vector<std::uint32_t> result(static_cast<std::size_t>(values.size(0)));
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<std::uint32_t>(values[static_cast<std::int64_t>(i)][block]);
  return result;
}

}  // namespace

CodebookImpl::CodebookImpl(const search::ProductQuantizer& start, double rate, bool unit_blocks)
    : blocks_(static_cast<std::int64_t>(start.blocks())),
      size_(static_cast<std::int64_t>(start.codewords())),
      width_(static_cast<std::int64_t>(start.width())),
      bits_(start.bits()),
      rate_(rate),
      rotated_(start.has_rotation()),
      unit_blocks_(unit_blocks) {
  const auto d = static_cast<std::int64_t>(start.dimension());
  scaled_ = register_parameter("scaled_codewords",
                               copy_of(start.parts().centroids, {blocks_, size_, width_}) / rate);
  rotation_ = register_buffer("rotation",
                              rotated_ ? copy_of(start.parts().rotation, {d, d}) : at::eye(d, at::kFloat));
}

torch::Tensor CodebookImpl::codewords() const {
  const torch::Tensor c = scaled_ * rate_;
  return unit_blocks_ ? to_unit_blocks(c, blocks_) : c;
}

torch::Tensor CodebookImpl::rotate(const torch::Tensor& x) const {
  const torch::Tensor y = at::mm(x, rotation_.t());
  return unit_blocks_ ? to_unit_blocks(y.reshape({-1, blocks_, width_}), blocks_).reshape(y.sizes()) : y;
}

torch::Tensor CodebookImpl::rotate_back(const torch::Tensor& rotated) const {
  return at::mm(rotated, rotation_);
}

torch::Tensor CodebookImpl::by_block(const torch::Tensor& x) const {
  return x.reshape({-1, blocks_, width_}).transpose(0, 1);
}

torch::Tensor CodebookImpl::nearest(const torch::Tensor& rotated) const {
  const c10::NoGradGuard no_grad;
  const torch::Tensor c = codewords().detach();
  // |x - c|^2 up to |x|^2, which is the same for all k: |c|^2 - 2 x . c
  const torch::Tensor cost =
      at::baddbmm(c.square().sum(2).unsqueeze(1), by_block(rotated.detach()), c.transpose(1, 2), 1, -2);
  return cost.argmin(2).t().contiguous();  // [B, M]
}

Assignment CodebookImpl::assign(const torch::Tensor& rotated,
                                const std::string& mode,
                                const search::SinkhornOptions& options) const {
  const auto codewords_count = static_cast<std::size_t>(size_);
  Assignment assignment;
  if (mode == "nearest") {
    assignment.codes = nearest(rotated);
    for (std::int64_t j = 0; j < blocks_; ++j)
      assignment.usage.push_back(search::code_usage(column(assignment.codes, j), codewords_count));
    assignment.nearest_usage = assignment.usage;
    assignment.disagreement.assign(static_cast<std::size_t>(blocks_), 0.0);
    return assignment;
  }
  const torch::Tensor x = rotated.detach().to(at::kFloat).contiguous();
  const search::Vectors rows(
      x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), static_cast<std::size_t>(x.size(1)));
  const std::vector<search::SinkhornResult> results =
      search::balanced_codes(rows, values_of(codewords()), static_cast<std::size_t>(blocks_), options);
  assignment.codes = at::empty({x.size(0), blocks_}, at::kLong);
  auto codes = assignment.codes.accessor<std::int64_t, 2>();
  for (std::int64_t j = 0; j < blocks_; ++j) {
    const search::SinkhornResult& result = results[static_cast<std::size_t>(j)];
    for (std::int64_t i = 0; i < x.size(0); ++i) codes[i][j] = result.codes[static_cast<std::size_t>(i)];
    assignment.usage.push_back(result.usage);
    assignment.nearest_usage.push_back(result.nearest_usage);
    assignment.disagreement.push_back(result.disagreement);
  }
  return assignment;
}

torch::Tensor CodebookImpl::decode(const torch::Tensor& codes) const {
  // Row j K + code of the codewords under each other.
  const torch::Tensor rows = codes + at::arange(blocks_, at::kLong) * size_;  // [B, M]
  return codewords()
      .reshape({blocks_ * size_, width_})
      .index_select(0, rows.reshape({-1}))
      .reshape({codes.size(0), blocks_ * width_});
}

torch::Tensor CodebookImpl::tables(const torch::Tensor& rotated_queries) const {
  return at::bmm(by_block(rotated_queries), codewords().transpose(1, 2)).transpose(0, 1);  // [Q, M, K]
}

search::ProductQuantizer CodebookImpl::quantizer() const {
  search::ProductQuantizerParts parts = quantizer_of_rotated().parts();
  if (rotated_) parts.rotation = values_of(rotation_);
  return search::ProductQuantizer(std::move(parts));
}

search::ProductQuantizer CodebookImpl::quantizer_of_rotated() const {
  search::ProductQuantizerParts parts;
  parts.dimension = static_cast<std::size_t>(blocks_ * width_);
  parts.blocks = static_cast<std::size_t>(blocks_);
  parts.bits = bits_;
  parts.centroids = values_of(codewords());
  return search::ProductQuantizer(std::move(parts));
}

torch::Tensor straight_through(const torch::Tensor& x, const torch::Tensor& decoded) {
  return decoded + x - x.detach();
}

}  // namespace tenfold::repconc
