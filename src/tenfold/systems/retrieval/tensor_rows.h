// SPDX-License-Identifier: Apache-2.0
// Vectors of LibTorch as those of search/.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

#include "tenfold/search/vectors.h"

namespace tenfold::retrieval {

// A view of a contiguous [N, d] float tensor, valid as long as it lives.
inline search::Vectors rows_of(const at::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), static_cast<std::size_t>(x.size(1))};
}

}  // namespace tenfold::retrieval
