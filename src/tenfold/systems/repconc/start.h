// SPDX-License-Identifier: Apache-2.0
// How codewords begin before they are trained with the encoder.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "tenfold/search/product_quantizer.h"

namespace tenfold::repconc {

struct StartOptions {
  std::string method = "opq";  // "pq", "opq", "random"
  std::int64_t bytes = 16, bits = 8;
  std::uint64_t seed = 0;
};

// "pq" and "opq": trained on the vectors ([N, d]). "random": no rotation, and codewords drawn from a normal distribution with mean and
// deviation of each coordinate, for experiments: documents begin spread unevenly over them. Throws what train_product_quantizer() throws.
search::ProductQuantizer start_codewords(const torch::Tensor& vectors, const StartOptions& options);

}  // namespace tenfold::repconc
