// SPDX-License-Identifier: Apache-2.0
// An open model that answers texts by several methods: by the model, by words, by the dual encoder, by model and words together. What `search`,
// `eval`, a served model and the page of the studio share.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tenfold/search/flat_index.h"
#include "tenfold/systems/dsi/model_file.h"

namespace tenfold::dsi {

enum class RankMethod { kDsi, kBm25, kDual, kFusion };
const std::vector<std::string>& rank_method_names();  // "dsi", "bm25", "dual", "fusion"
// Throws Error(kConfig, "dsi.unknown_method") with the nearest name.
RankMethod parse_rank_method(const std::string& name);
std::string_view to_string(RankMethod method);

// Of DSI's scores in the fusion, against BM25's: both scaled to [0, 1] over the best 100 (search/fusion.h).
inline constexpr double kFusionWeight = 0.5;

// Thread-safe as long as nobody changes the model.
class Ranker {
 public:
  explicit Ranker(OpenModel open) : open_(std::move(open)) {}

  const OpenModel& open() const { return open_; }
  OpenModel& open() { return open_; }

  // At most k live documents for each text, best first. `allowed`: only these, a bit a document. A text without known words finds nothing by
  // the model or the dual encoder. Throws Error(kConfig, "dsi.no_dual_encoder") when the method needs one that was not trained.
  std::vector<search::Hits> rank(RankMethod method,
                                 const std::vector<std::string>& texts,
                                 std::size_t k,
                                 const search::Bitmap* allowed = nullptr,
                                 double fusion_weight = kFusionWeight) const;

 private:
  std::vector<search::Hits> by_model(const std::vector<std::string>& texts,
                                     std::size_t k,
                                     const search::Bitmap& allowed) const;
  std::vector<search::Hits> by_dual(const std::vector<std::string>& texts,
                                    std::size_t k,
                                    const search::Bitmap& allowed) const;

  OpenModel open_;
  mutable std::mutex mutex_;  // LibTorch modules are not asked from two threads at once
  mutable std::unique_ptr<search::FlatIndex> vectors_;
};

// Scores of both lists scaled to [0, 1], the second with `weight`; one list alone at either end.
std::vector<search::Hits> fuse(const std::vector<search::Hits>& words,
                               const std::vector<search::Hits>& model,
                               double weight,
                               std::size_t k);

}  // namespace tenfold::dsi
