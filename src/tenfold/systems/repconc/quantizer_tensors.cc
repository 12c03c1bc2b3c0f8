// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/quantizer_tensors.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <utility>

#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {

std::vector<float> floats_of(const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach().to(at::kFloat).contiguous();
  return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
}

torch::Tensor tensor_of(const std::vector<float>& values, const std::vector<std::int64_t>& shape) {
  torch::Tensor tensor = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

const torch::Tensor& member(const train::TensorMap& tensors, const std::string& name, std::int64_t rank) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw retrieval::bad_weights("no tensor " + name);
  if (found->second.dim() != rank) throw retrieval::bad_weights(name + " of another rank");
  return found->second;
}

torch::Tensor codewords_of(const search::ProductQuantizer& quantizer) {
  return tensor_of(quantizer.parts().centroids,
                   {static_cast<std::int64_t>(quantizer.blocks()),
                    static_cast<std::int64_t>(quantizer.codewords()),
                    static_cast<std::int64_t>(quantizer.width())});
}

torch::Tensor rotation_of(const search::ProductQuantizer& quantizer) {
  const auto d = static_cast<std::int64_t>(quantizer.dimension());
  return quantizer.has_rotation() ? tensor_of(quantizer.parts().rotation, {d, d}) : at::eye(d, at::kFloat);
}

search::ProductQuantizer quantizer_of(const train::TensorMap& tensors, const std::string& codewords_name) {
  const torch::Tensor& codewords = member(tensors, codewords_name, 3);  // [M, K, d / M]
  const torch::Tensor& rotation = member(tensors, "rotation", 2);
  if (codewords.size(1) != 16 && codewords.size(1) != 256)
    throw retrieval::bad_weights(codewords_name + " of another number");
  search::ProductQuantizerParts parts;
  parts.dimension = static_cast<std::size_t>(codewords.size(0) * codewords.size(2));
  parts.blocks = static_cast<std::size_t>(codewords.size(0));
  parts.bits = codewords.size(1) == 16 ? 4 : 8;
  parts.centroids = floats_of(codewords);
  parts.rotation = floats_of(rotation);
  return search::ProductQuantizer(std::move(parts));
}

}  // namespace tenfold::repconc
