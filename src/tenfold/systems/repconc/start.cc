// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/start.h"

#include <ATen/Functions.h>

#include <utility>

#include "tenfold/base/random.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kStartStream = 0x57A27;

search::ProductQuantizer random_codewords(const torch::Tensor& vectors, const StartOptions& options) {
  const torch::Tensor mean = vectors.mean(0).contiguous(), deviation = vectors.std(0, false).contiguous();
  search::ProductQuantizerParts parts;
  parts.dimension = static_cast<std::size_t>(vectors.size(1));
  parts.blocks = static_cast<std::size_t>(options.bytes * 8 / options.bits);
  parts.bits = static_cast<std::size_t>(options.bits);
  const std::size_t width = parts.dimension / parts.blocks, codewords = std::size_t{1} << parts.bits;
  random::Generator draws(options.seed, kStartStream);
  for (std::size_t block = 0; block < parts.blocks; ++block)
    for (std::size_t k = 0; k < codewords; ++k)
      for (std::size_t i = block * width; i < (block + 1) * width; ++i)
        parts.centroids.push_back(mean.data_ptr<float>()[i] +
                                  deviation.data_ptr<float>()[i] * static_cast<float>(draws.normal()));
  return search::ProductQuantizer(std::move(parts));
}

}  // namespace

search::ProductQuantizer start_codewords(const torch::Tensor& vectors, const StartOptions& options) {
  const torch::Tensor rows = vectors.detach().contiguous();
  if (options.method == "random") return random_codewords(rows, options);
  return search::train_product_quantizer(search::Vectors(rows.data_ptr<float>(),
                                                         static_cast<std::size_t>(rows.size(0)),
                                                         static_cast<std::size_t>(rows.size(1))),
                                         {.method = options.method,
                                          .bytes = options.bytes,
                                          .bits = options.bits,
                                          .seed = static_cast<std::int64_t>(options.seed)});
}

}  // namespace tenfold::repconc
