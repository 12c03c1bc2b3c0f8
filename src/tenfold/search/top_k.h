// SPDX-License-Identifier: Apache-2.0
// The k best of a stream of hits: a reservoir of 2k that is cut back when it is full, so that a hit costs one comparison
// and k = 1000 costs no heap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "tenfold/search/hit.h"

namespace tenfold::search {

// Ties go to the lower row whatever the order of the hits. A score that is no number is not a hit. Not thread-safe; merge() joins two.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { hits_.reserve(2 * std::min<std::size_t>(k, 4096)); }

  // Hits below it cannot enter any more; one with exactly this score still can, by its row.
  float threshold() const { return threshold_; }

  void add(Hit hit) {
    if (!(hit.score >= threshold_) || k_ == 0) return;
    hits_.push_back(hit);
    if (hits_.size() >= 2 * k_ + 16) cut();
  }

  // Raises the threshold when k hits are known, without waiting until the reservoir is full. To be called now and then: it costs nothing
  // until a quarter more than k hits have come together.
  void tighten() {
    const std::size_t enough = threshold_ == kLowest ? k_ : k_ + k_ / 4 + 8;
    if (hits_.size() >= enough) cut();
  }

  void merge(const TopK& other) {
    for (const Hit& hit : other.hits_) add(hit);
  }

  // At most k hits, best first; the reservoir is empty afterwards.
  Hits take() {
    cut();
    std::sort(hits_.begin(), hits_.end(), better);
    threshold_ = kLowest;
    return std::exchange(hits_, {});
  }

 private:
  static constexpr float kLowest = -std::numeric_limits<float>::infinity();

  void cut() {
    if (k_ == 0 || hits_.size() < k_) return;
    const auto last = hits_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(hits_.begin(), last, hits_.end(), better);
    hits_.resize(k_);
    threshold_ = hits_[k_ - 1].score;
  }

  std::size_t k_;
  Hits hits_;
  float threshold_ = kLowest;
};

}  // namespace tenfold::search
