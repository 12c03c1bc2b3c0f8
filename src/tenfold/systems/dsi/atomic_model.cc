// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/atomic_model.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "tenfold/systems/dsi/query_generator.h"

namespace tenfold::dsi {
namespace {

constexpr std::int64_t kRankBatch = 256;
constexpr double kK1 = 0.9, kB = 0.4;  // of BM25, which the wide weights begin as
constexpr double kWideStart = 0.5;     // of its scores
constexpr int kAddSteps = 200;
constexpr double kAddRate = 0.05;

torch::Tensor unit(const torch::Tensor& x) {
  return x / x.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

search::Hits hits_of(const float* scores, const std::int64_t* rows, std::int64_t count) {
  search::Hits hits;
  for (std::int64_t i = 0; i < count; ++i)
    if (scores[i] != -std::numeric_limits<float>::infinity())
      hits.push_back({static_cast<std::uint32_t>(rows[i]), scores[i]});
  return hits;
}

torch::Tensor forbidden_of(const search::Bitmap& allowed) {
  torch::Tensor forbidden = at::empty({static_cast<std::int64_t>(allowed.size())}, at::kBool);
  for (std::size_t i = 0; i < allowed.size(); ++i) forbidden.data_ptr<bool>()[i] = !allowed.test(i);
  return forbidden;
}

}  // namespace

AtomicModelImpl::AtomicModelImpl(std::shared_ptr<const retrieval::TokenLists> documents,
                                 std::size_t vocabulary,
                                 retrieval::Encoder encoder,
                                 const ModelOptions& options)
    : texts_(std::move(documents)), options_(options) {
  encoder_ = register_module("encoder", std::move(encoder));
  const torch::Tensor start = encoder_->encode(*texts_);
  rows_ = register_parameter("rows", options_.tied ? at::zeros_like(start) : start.clone());
  log_scale_ = register_parameter("log_scale", at::full({}, std::log(options_.scale), at::kFloat));
  if (options_.tied) {
    base_ = register_buffer("base", start.clone());
    epoch_ = register_buffer("epoch", at::zeros({}, at::kLong));
  }
  if (options_.wide) start_wide(*texts_, vocabulary);
}

void AtomicModelImpl::start_wide(const retrieval::TokenLists& documents, std::size_t vocabulary) {
  const auto count = static_cast<double>(documents.size());
  const double mean = std::max(1.0, static_cast<double>(documents.tokens.size()) / count);
  const std::vector<std::uint32_t> frequencies = document_frequencies(documents, vocabulary);
  std::vector<std::vector<std::pair<std::int64_t, float>>> postings(vocabulary);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    std::map<std::int64_t, int> counts;
    for (const std::int64_t token : documents[i]) ++counts[token];
    const double length = static_cast<double>(documents[i].size()) / mean;
    for (const auto& [token, tf] : counts) {
      const double n = frequencies[static_cast<std::size_t>(token)];
      if (n > static_cast<double>(options_.wide_documents)) continue;
      const double idf = std::log(1.0 + (count - n + 0.5) / (n + 0.5));
      const double score = idf * tf * (kK1 + 1.0) / (tf + kK1 * (1.0 - kB + kB * length));
      postings[static_cast<std::size_t>(token)].emplace_back(static_cast<std::int64_t>(i),
                                                             static_cast<float>(kWideStart * score));
    }
  }
  std::vector<std::int64_t> begins = {0}, rows;
  std::vector<float> values;
  for (const auto& list : postings) {
    for (const auto& [row, value] : list) {
      rows.push_back(row);
      values.push_back(value);
    }
    begins.push_back(static_cast<std::int64_t>(rows.size()));
  }
  if (!wide_values_.defined()) {
    wide_begins_ = register_buffer("wide_begins", at::empty({0}, at::kLong));
    wide_rows_ = register_buffer("wide_rows", at::empty({0}, at::kLong));
    wide_values_ = register_parameter("wide_values", at::empty({0}, at::kFloat));
  }
  wide_begins_.set_data(at::tensor(begins, at::kLong));
  wide_rows_.set_data(at::tensor(rows, at::kLong));
  wide_values_.set_data(at::tensor(values, at::kFloat));
}

torch::Tensor AtomicModelImpl::wide_logits(const retrieval::TokenBatch& texts, torch::Tensor logits) const {
  const std::int64_t *tokens = texts.tokens.data_ptr<std::int64_t>(),
                     *offsets = texts.offsets.data_ptr<std::int64_t>();
  const std::int64_t *begins = wide_begins_.data_ptr<std::int64_t>(),
                     *rows = wide_rows_.data_ptr<std::int64_t>();
  std::vector<std::int64_t> places, targets;
  for (std::int64_t text = 0; text < texts.size(); ++text) {
    const std::int64_t end = text + 1 < texts.size() ? offsets[text + 1] : texts.tokens.size(0);
    const std::set<std::int64_t> words(tokens + offsets[text], tokens + end);
    for (const std::int64_t word : words)
      for (std::int64_t place = begins[word]; place < begins[word + 1]; ++place) {
        places.push_back(place);
        targets.push_back(text * rows_.size(0) + rows[place]);
      }
  }
  const torch::Tensor values = wide_values_.index_select(0, at::tensor(places, at::kLong));
  return logits.reshape({-1}).index_add(0, at::tensor(targets, at::kLong), values).reshape(logits.sizes());
}

torch::Tensor AtomicModelImpl::rows() const {
  return unit(options_.tied ? base_ + rows_ : rows_);
}

torch::Tensor AtomicModelImpl::logits(const retrieval::TokenBatch& texts, const torch::Tensor& rows) {
  const torch::Tensor dense = log_scale_.exp() * at::mm(encoder_->forward(texts), rows.t());
  return options_.wide ? wide_logits(texts, dense) : dense;
}

torch::Tensor AtomicModelImpl::logits(const retrieval::TokenBatch& texts) {
  return logits(texts, rows());
}

// Normalising all rows costs more than a query. Writes that LibTorch knows of raise the version; those of training begin with loss().
torch::Tensor AtomicModelImpl::kept_rows() {
  const auto version = static_cast<std::uint32_t>(rows_._version());
  if (!kept_rows_.defined() || kept_version_ != version) {
    kept_rows_ = rows().contiguous();
    kept_version_ = version;
  }
  return kept_rows_;
}

torch::Tensor AtomicModelImpl::loss(const retrieval::TokenBatch& texts,
                                    const torch::Tensor& documents,
                                    const torch::Tensor&) {
  kept_rows_.reset();
  return at::cross_entropy_loss(
      logits(texts), documents, {}, at::Reduction::None, -100, options_.label_smoothing);
}

void AtomicModelImpl::begin_epoch(std::int64_t epoch) {
  if (!options_.tied || epoch_.item<std::int64_t>() >= epoch) return;
  const c10::NoGradGuard no_grad;
  epoch_.fill_(epoch);
  kept_rows_.reset();
  base_.copy_(encoder_->encode(*texts_));
}

std::vector<search::Hits> AtomicModelImpl::rank(const retrieval::TokenLists& texts,
                                                const RankOptions& options) {
  const c10::NoGradGuard no_grad;
  const auto count = static_cast<std::int64_t>(texts.size());
  const std::int64_t k = std::min(static_cast<std::int64_t>(options.k), documents());
  torch::Tensor forbidden;
  if (options.allowed != nullptr) forbidden = forbidden_of(*options.allowed);
  std::vector<search::Hits> result;
  for (std::int64_t begin = 0; begin < count; begin += kRankBatch) {
    std::vector<std::int64_t> part;
    for (std::int64_t i = begin; i < std::min(count, begin + kRankBatch); ++i) part.push_back(i);
    torch::Tensor scores = logits(retrieval::make_tokens(texts, part), kept_rows());
    if (forbidden.defined()) scores.masked_fill_(forbidden, -std::numeric_limits<float>::infinity());
    const auto [best, rows] = scores.topk(k);
    const torch::Tensor values = best.contiguous(), numbers = rows.contiguous();
    for (std::int64_t i = 0; i < values.size(0); ++i)
      result.push_back(
          hits_of(values.data_ptr<float>() + i * k, numbers.data_ptr<std::int64_t>() + i * k, k));
  }
  return result;
}

void AtomicModelImpl::extend_wide() {
  const torch::Tensor begins = wide_begins_.clone(), rows = wide_rows_.clone(),
                      values = wide_values_.detach().clone();
  start_wide(*texts_, static_cast<std::size_t>(begins.size(0) - 1));
  // What was learned stays; only the new document's weights start from BM25.
  const std::int64_t *old_begins = begins.data_ptr<std::int64_t>(), *old_rows = rows.data_ptr<std::int64_t>();
  const std::int64_t *new_begins = wide_begins_.data_ptr<std::int64_t>(),
                     *new_rows = wide_rows_.data_ptr<std::int64_t>();
  for (std::int64_t word = 0; word + 1 < begins.size(0); ++word)
    for (std::int64_t i = new_begins[word], j = old_begins[word]; i < new_begins[word + 1]; ++i) {
      while (j < old_begins[word + 1] && old_rows[j] < new_rows[i]) ++j;
      if (j < old_begins[word + 1] && old_rows[j] == new_rows[i])
        wide_values_.data_ptr<float>()[i] = values.data_ptr<float>()[j];
    }
}

torch::Tensor AtomicModelImpl::solve_row(std::int64_t document,
                                         const retrieval::TokenLists& views,
                                         double margin) {
  const std::vector<std::int64_t> text = {document};
  torch::Tensor row = encoder_->forward(retrieval::make_tokens(*texts_, text));    // [1, d]
  const torch::Tensor q = encoder_->encode(views);                                 // [Q, d]
  const torch::Tensor rival = std::get<0>(at::mm(q, rows().t()).max(1)) + margin;  // [Q]
  for (int step = 0; step < kAddSteps; ++step) {
    const torch::Tensor behind = at::mv(q, row.squeeze(0)).lt(rival);
    if (!behind.any().item<bool>()) break;
    // The gradient of sum max(0, rival - <q, row>), projected back to length 1.
    row =
        unit(row + kAddRate * at::mm(behind.to(at::kFloat).unsqueeze(0), q) / static_cast<double>(q.size(0)));
  }
  return row;
}

void AtomicModelImpl::add_documents(std::shared_ptr<const retrieval::TokenLists> documents,
                                    const std::vector<retrieval::TokenLists>& views,
                                    double margin) {
  const c10::NoGradGuard no_grad;
  texts_ = std::move(documents);
  kept_rows_.reset();
  for (const retrieval::TokenLists& texts : views) {
    const torch::Tensor row = solve_row(rows_.size(0), texts, margin);
    rows_.set_data(at::cat({rows_, options_.tied ? at::zeros_like(row) : row}));
    if (options_.tied) base_.set_data(at::cat({base_, row}));
  }
  if (options_.wide) extend_wide();
}

}  // namespace tenfold::dsi
