// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/fusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "tenfold/base/error.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {
namespace {

std::vector<double> weights_of(const FusionOptions& options, std::size_t lists) {
  if (options.weights.empty()) return std::vector<double>(lists, 1.0);
  const bool usable = std::all_of(
      options.weights.begin(), options.weights.end(), [](double w) { return std::isfinite(w) && w >= 0; });
  if (options.weights.size() != lists || !usable) {
    throw Error(ErrorClass::kUsage,
                "fusion.weights",
                {.what = "rankings cannot be fused with these weights",
                 .seen = fmt::format(
                     "{} weights{}", options.weights.size(), usable ? "" : ", one negative or not finite"),
                 .wanted = fmt::format("{} numbers from 0 on, one a ranking", lists)});
  }
  return options.weights;
}

// `part` gives what list `l` adds for its hit at place `i`.
template <typename Part>
Hits fuse(std::span<const Hits> lists, std::size_t k, const Part& part) {
  std::unordered_map<std::uint32_t, double> scores;
  for (std::size_t l = 0; l < lists.size(); ++l) {
    for (std::size_t i = 0; i < lists[l].size(); ++i) scores[lists[l][i].row] += part(l, i);
  }
  TopK best(std::min(k, scores.size()));
  for (const auto& [row, score] : scores) best.add({row, static_cast<float>(score)});
  return best.take();
}

}  // namespace

Hits reciprocal_rank_fusion(std::span<const Hits> lists, std::size_t k, const FusionOptions& options) {
  const std::vector<double> weights = weights_of(options, lists.size());
  if (!(options.constant > 0)) {
    throw Error(ErrorClass::kUsage,
                "fusion.constant",
                {.what = "the constant of reciprocal ranks cannot be used",
                 .seen = fmt::format("{}", options.constant),
                 .wanted = "a number above 0, usually 60"});
  }
  return fuse(lists, k, [&](std::size_t list, std::size_t i) {
    return weights[list] / (options.constant + static_cast<double>(i) + 1);
  });
}

Hits weighted_fusion(std::span<const Hits> lists, std::size_t k, const FusionOptions& options) {
  const std::vector<double> weights = weights_of(options, lists.size());
  return fuse(lists, k, [&](std::size_t list, std::size_t i) {
    const Hits& hits = lists[list];  // best first
    const double largest = hits.front().score, least = hits.back().score;
    const double share = largest > least ? (hits[i].score - least) / (largest - least) : 1.0;
    return weights[list] * share;
  });
}

}  // namespace tenfold::search
