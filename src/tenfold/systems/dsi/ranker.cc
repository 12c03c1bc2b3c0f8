// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/ranker.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/search/fusion.h"
#include "tenfold/systems/dsi/runtime/live_leaves.h"
#include "tenfold/systems/retrieval/tensor_rows.h"

namespace tenfold::dsi {
namespace {

constexpr std::size_t kDepth = 100;  // of lists that are fused

search::Bitmap both(const search::Bitmap& live, const search::Bitmap* allowed) {
  if (allowed == nullptr) return live;
  if (allowed->size() != live.size()) fail_filter_size(allowed->size(), live.size());
  search::Bitmap result(live.size());
  for (std::size_t i = 0; i < live.size(); ++i)
    if (live.test(i) && allowed->test(i)) result.set(i);
  return result;
}

}  // namespace

const std::vector<std::string>& rank_method_names() {
  static const std::vector<std::string> names = {"dsi", "bm25", "dual", "fusion"};
  return names;
}

RankMethod parse_rank_method(const std::string& name) {
  const auto& names = rank_method_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<RankMethod>(found - names.begin());
  throw Error(ErrorClass::kConfig,
              "dsi.unknown_method",
              {.what = "no such way to search",
               .seen = name,
               .wanted = "dsi, bm25, dual or fusion",
               .remedy = "choose one of these"});
}

std::string_view to_string(RankMethod method) {
  return rank_method_names()[static_cast<std::size_t>(method)];
}

std::vector<search::Hits> fuse(const std::vector<search::Hits>& words,
                               const std::vector<search::Hits>& model,
                               double weight,
                               std::size_t k) {
  std::vector<search::Hits> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    search::Hits hits =
        weight <= 0.0 ? words[i]
        : weight >= 1.0
            ? model[i]
            : search::weighted_fusion(
                  std::array<search::Hits, 2>{words[i], model[i]}, k, {.weights = {1.0 - weight, weight}});
    hits.resize(std::min(hits.size(), k));
    result.push_back(std::move(hits));
  }
  return result;
}

std::vector<search::Hits> Ranker::by_model(const std::vector<std::string>& texts,
                                           std::size_t k,
                                           const search::Bitmap& allowed) const {
  const std::lock_guard lock(mutex_);
  retrieval::TokenLists known;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::int64_t> tokens = (*open_.vocabulary)(texts[i]);
    if (tokens.empty()) continue;
    known.add(tokens);
    places.push_back(i);
  }
  std::vector<search::Hits> result(texts.size());
  DocidModel model = open_.model;
  std::vector<search::Hits> found = model->rank(known, {.k = k, .allowed = &allowed});
  for (std::size_t i = 0; i < places.size(); ++i) result[places[i]] = std::move(found[i]);
  return result;
}

std::vector<search::Hits> Ranker::by_dual(const std::vector<std::string>& texts,
                                          std::size_t k,
                                          const search::Bitmap& allowed) const {
  if (open_.dual.is_empty())
    throw Error(ErrorClass::kConfig,
                "dsi.no_dual_encoder",
                {.what = "this model was trained without a dual encoder",
                 .seen = "dual.epochs = 0",
                 .wanted = "another method",
                 .remedy = "train with --dual.epochs above 0, or ask for dsi or bm25"});
  const c10::NoGradGuard no_grad;
  const std::lock_guard lock(mutex_);
  retrieval::Encoder dual = open_.dual;
  if (!vectors_ || vectors_->size() != open_.size()) {
    const torch::Tensor documents = dual->encode(*open_.documents).contiguous();
    vectors_ = std::make_unique<search::FlatIndex>(static_cast<std::size_t>(documents.size(1)));
    vectors_->add(retrieval::rows_of(documents));
  }
  const torch::Tensor queries = dual->encode((*open_.vocabulary)(texts)).contiguous();
  return vectors_->search(retrieval::rows_of(queries), {.k = k, .allowed = &allowed});
}

std::vector<search::Hits> Ranker::rank(RankMethod method,
                                       const std::vector<std::string>& texts,
                                       std::size_t k,
                                       const search::Bitmap* allowed,
                                       double fusion_weight) const {
  const search::Bitmap live = both(open_.live, allowed);
  const auto by_words = [&](std::size_t depth) {
    std::vector<search::Hits> result;
    for (const std::string& text : texts) result.push_back(open_.words.search(text, depth, &live));
    return result;
  };
  switch (method) {
    case RankMethod::kBm25:
      return by_words(k);
    case RankMethod::kDual:
      return by_dual(texts, k, live);
    case RankMethod::kFusion: {
      const std::size_t depth = std::max(k, kDepth);
      return fuse(by_words(depth), by_model(texts, depth, live), fusion_weight, k);
    }
    case RankMethod::kDsi:
      break;
  }
  return by_model(texts, k, live);
}

}  // namespace tenfold::dsi
