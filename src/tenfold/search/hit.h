// SPDX-License-Identifier: Apache-2.0
// One result of a search, and the order of results that every index here keeps.
#pragma once

#include <cstdint>
#include <vector>

namespace tenfold::search {

struct Hit {
  std::uint32_t row = 0;  // number of the document in the index, from 0
  float score = 0.0f;     // larger is better
  bool operator==(const Hit&) const = default;
};

using Hits = std::vector<Hit>;

// Best first; equal scores by row, so that a result is the same on every machine and for every thread count.
inline bool better(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

}  // namespace tenfold::search
