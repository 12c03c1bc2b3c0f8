// SPDX-License-Identifier: Apache-2.0
// One result of a search, and the order of results that every index here keeps.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace tenfold::search {

struct Hit {
  std::uint32_t row = 0;  // number of the document in the index, from 0
  float score = 0.0f;     // larger is better
  bool operator==(const Hit&) const = default;
};

using Hits = std::vector<Hit>;

// Best first; equal scores by row, so that a result is the same on every machine and for every thread count. Scores that are no numbers
// come last, so that this is an order whatever a file holds.
inline bool better(const Hit& a, const Hit& b) {
  if (a.score > b.score) return true;
  if (a.score < b.score) return false;
  const bool no_a = std::isnan(a.score), no_b = std::isnan(b.score);
  return no_a == no_b ? a.row < b.row : no_b;
}

}  // namespace tenfold::search
