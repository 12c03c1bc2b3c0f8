// SPDX-License-Identifier: Apache-2.0
// Made-up data for the benchmark: a pure function of its arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/search/product_quantizer.h"

namespace tenfold::repconc {

// Independent numbers around 0: for what takes the same time whatever the numbers are.
AlignedVector<float> noise(std::size_t count, std::uint64_t stream);
AlignedVector<std::uint8_t> noise_bytes(std::size_t count, std::uint64_t stream);

// Vectors of length 1 in 500 groups along 24 mixed directions and a little in all others, as encoders make them: for what depends on near
// neighbours.
AlignedVector<float> grouped_vectors(std::size_t rows, std::size_t dimension, std::uint64_t stream);

// Codewords of noise.
search::ProductQuantizer noise_quantizer(std::size_t dimension, std::size_t blocks, std::size_t bits);

// Texts whose words fall off as 1 / rank, numbered words with `words` of them a text; and queries of 3 to 6 rarer words.
struct Texts {
  std::vector<std::string> documents, queries;
  std::uint64_t postings = 0;  // of the words of all queries
};
Texts numbered_texts(std::size_t documents, std::size_t words, std::size_t queries);

}  // namespace tenfold::repconc
