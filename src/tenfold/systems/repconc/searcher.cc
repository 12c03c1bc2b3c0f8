// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/searcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/search/fusion.h"
#include "tenfold/search/quantizer.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kFusionDepth = 100, kCodewords = 256;
constexpr int kRepeats = 5;              // the least time counts: the first finds pages and tables cold
constexpr std::int64_t kRotations = 10;  // a page waits for it; `eval` and the results use all of them

}  // namespace

const std::vector<std::string>& search_method_names() {
  static const std::vector<std::string> names = {"codes", "exact", "bm25", "hybrid"};
  return names;
}

SearchMethod parse_search_method(const std::string& name) {
  const std::vector<std::string>& names = search_method_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<SearchMethod>(found - names.begin());
  throw unknown_name({.error_class = ErrorClass::kConfig,
                      .code = "repconc.unknown_method",
                      .what = "there is no such way to search",
                      .name = name,
                      .known = names,
                      .remedy = "choose one of these"});
}

Searcher::Searcher(OpenIndex open, search::SearchRequest depth) : open_(std::move(open)), depth_(depth) {
  const search::Bitmap& removed = open_.codes->removed();
  for (std::uint32_t row = 0; row < open_.codes->size(); ++row) {
    if (removed.test(row)) removed_.push_back(row);
  }
  if (removed_.empty()) return;
  remaining_.emplace(open_.codes->size(), true);
  for (const std::uint32_t row : removed_) remaining_->clear(row);
}

std::vector<std::int64_t> Searcher::sizes() const {
  const auto own = static_cast<std::int64_t>(open_.codes->quantizer().code_bytes());
  const auto dimension = static_cast<std::int64_t>(open_.codes->dimension());
  std::vector<std::int64_t> sizes = {own};
  for (std::int64_t bytes = 1; bytes <= dimension / 2; bytes *= 2) {
    if (bytes != own && dimension % bytes == 0 && open_.corpus.ids.size() >= kCodewords)
      sizes.push_back(bytes);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

Searcher::Plan Searcher::plan(SearchMethod method,
                              const std::string& text,
                              std::size_t k,
                              std::int64_t bytes) const {
  Plan plan{.method = method, .text = text, .k = k, .query = {}};
  if (method != SearchMethod::kBm25) plan.query = open_.retriever.encode_query(text);
  if (method == SearchMethod::kCodes || method == SearchMethod::kHybrid) plan.codes = &codes(bytes);
  if (method == SearchMethod::kExact) plan.whole = &whole();
  if (method == SearchMethod::kBm25 || method == SearchMethod::kHybrid) plan.words = &words();
  return plan;
}

search::Hits Searcher::run(const Plan& plan) const {
  const search::Bitmap* remaining = remaining_ ? &*remaining_ : nullptr;
  search::SearchRequest request = depth_;
  if (plan.method == SearchMethod::kBm25) return plan.words->search(plan.text, plan.k, remaining);
  const search::Vectors row(plan.query.data(), 1, plan.query.size());
  if (plan.method == SearchMethod::kExact) return plan.whole->search(row, {.k = plan.k}).front();
  request.k = plan.method == SearchMethod::kCodes ? plan.k : kFusionDepth;
  if (plan.method == SearchMethod::kCodes) return plan.codes->search(row, request).front();
  const std::array<search::Hits, 2> both = {plan.words->search(plan.text, kFusionDepth, remaining),
                                            plan.codes->search(row, request).front()};
  return search::reciprocal_rank_fusion(both, plan.k);
}

search::Hits Searcher::hits(SearchMethod method,
                            const std::string& text,
                            std::size_t k,
                            std::int64_t bytes) const {
  return run(plan(method, text, k, bytes));
}

SearchAnswer Searcher::answer(SearchMethod method,
                              const std::string& text,
                              std::size_t k,
                              std::int64_t bytes) const {
  const Plan ready = plan(method, text, k, bytes);
  SearchAnswer answer{.method = search_method_names()[static_cast<std::size_t>(method)]};
  answer.microseconds = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const Stopwatch watch;
    answer.hits = run(ready);
    answer.microseconds = std::min(answer.microseconds, 1e6 * watch.wall_seconds());
  }
  if (ready.codes) answer.bytes_per_document += static_cast<double>(ready.codes->quantizer().code_bytes());
  if (ready.whole) answer.bytes_per_document += 4.0 * static_cast<double>(ready.query.size());
  if (ready.words)
    answer.bytes_per_document += static_cast<double>(ready.words->bytes()) /
                                 static_cast<double>(std::max<std::size_t>(1, ready.words->size()));
  if (method == SearchMethod::kCodes && ready.codes != open_.codes.get()) answer.method = "opq";
  return answer;
}

std::string Searcher::documents_fingerprint() const {
  std::string all;
  for (std::size_t i = 0; i < open_.corpus.ids.size(); ++i)
    if (!open_.codes->removed().test(i))
      all += sha256_hex(open_.corpus.ids[i] + "\n" + open_.corpus.texts[i]);
  return sha256_hex(all).substr(0, 16);
}

const search::FlatIndex& Searcher::whole() const {
  const std::lock_guard lock(mutex_);
  if (!whole_) {
    make_vectors();
    whole_ = std::make_unique<search::FlatIndex>(exact_index(vectors_, open_.codes->dimension()));
    whole_->remove(removed_);
  }
  return *whole_;
}

const search::Bm25Index& Searcher::words() const {
  if (open_.words) return *open_.words;
  const std::lock_guard lock(mutex_);
  if (!words_) words_ = std::make_unique<search::Bm25Index>(open_.corpus.texts);
  return *words_;
}

void Searcher::make_vectors() const {
  if (vectors_.empty()) vectors_ = open_.retriever.encode_documents(open_.corpus.texts);
}

const search::CodedIndex& Searcher::codes(std::int64_t bytes) const {
  if (bytes == 0 || bytes == static_cast<std::int64_t>(open_.codes->quantizer().code_bytes()))
    return *open_.codes;
  const std::vector<std::int64_t> known = sizes();
  if (std::find(known.begin(), known.end(), bytes) == known.end()) {
    throw Error(ErrorClass::kConfig,
                "repconc.bytes",
                {.what = "there are no codes of this size for the index",
                 .seen = fmt::format("{} bytes a document", bytes),
                 .wanted = fmt::format("one of {}", fmt::join(known, ", ")),
                 .remedy = "choose one of these, or train with --bytes"});
  }
  const std::lock_guard lock(mutex_);
  if (const auto found = other_.find(bytes); found != other_.end()) return found->second;
  make_vectors();
  const search::Vectors rows = search::as_vectors(vectors_, open_.codes->dimension());
  search::CodeIndex index(
      search::train_product_quantizer(rows, {.method = "opq", .bytes = bytes, .rotations = kRotations}));
  index.add(rows);
  index.remove(removed_);
  return other_.emplace(bytes, std::move(index)).first->second;
}

}  // namespace tenfold::repconc
