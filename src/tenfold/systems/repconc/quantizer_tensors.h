// SPDX-License-Identifier: Apache-2.0
// Quantisers as tensors of weights.safetensors, and back.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/search/product_quantizer.h"
#include "tenfold/train/tensor_file.h"

namespace tenfold::repconc {

std::vector<float> floats_of(const torch::Tensor& tensor);  // a copy in C order
torch::Tensor tensor_of(const std::vector<float>& values, const std::vector<std::int64_t>& shape);
// The tensor of this name. Throws Error(kFile, "repconc.weights") when it is missing or of another rank.
const torch::Tensor& member(const train::TensorMap& tensors, const std::string& name, std::int64_t rank);

torch::Tensor codewords_of(const search::ProductQuantizer& quantizer);  // [M, K, d / M]
torch::Tensor rotation_of(const search::ProductQuantizer& quantizer);   // [d, d]; 1 without one
// From the tensors `codewords` and "rotation". Throws Error(kFile, "repconc.weights") and Error(kData) as search::ProductQuantizer.
search::ProductQuantizer quantizer_of(const train::TensorMap& tensors, const std::string& codewords);

}  // namespace tenfold::repconc
