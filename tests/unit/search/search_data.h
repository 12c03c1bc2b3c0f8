// SPDX-License-Identifier: Apache-2.0
// Made-up vectors for the tests of quantisers and indexes.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

// Clusters with unequal spread along mixed directions, as encoders make them: coordinate j of a row mixes factors whose size falls.
inline std::vector<float> skewed_vectors(std::size_t rows, std::size_t dimension, std::uint64_t stream) {
  random::Generator mixing(99, 1), generator(99, 100 + stream);
  std::vector<double> mix(dimension * dimension);
  for (double& x : mix) x = mixing.normal();
  std::vector<float> values(rows * dimension);
  std::vector<double> factors(dimension);
  for (std::size_t i = 0; i < rows; ++i) {
    const double shift = generator.below(8) * 0.5;
    for (std::size_t f = 0; f < dimension; ++f) {
      factors[f] = (generator.normal() + (f < 3 ? shift : 0.0)) *
                   std::exp(-3.0 * static_cast<double>(f) / static_cast<double>(dimension));
    }
    for (std::size_t j = 0; j < dimension; ++j) {
      double sum = 0;
      for (std::size_t f = 0; f < dimension; ++f) sum += mix[j * dimension + f] * factors[f];
      values[i * dimension + j] = static_cast<float>(sum / std::sqrt(static_cast<double>(dimension)));
    }
  }
  return values;
}

inline std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

}  // namespace tenfold::search
