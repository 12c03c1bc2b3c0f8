// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/best_first.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tenfold/base/error.h"

namespace tenfold::dsi {
namespace {

constexpr std::size_t kFirstSlots = 256;

void check_options(const BestFirstOptions& options) {
  if (options.k >= 1 && options.budget >= 1 && options.at_once >= 1 && options.length_penalty >= 0.0 &&
      std::isfinite(options.length_penalty))
    return;
  throw Error(ErrorClass::kConfig,
              "dsi.beam_options",
              {.what = "no best-first search has these options",
               .seen = fmt::format("k {}, budget {}, at_once {}", options.k, options.budget, options.at_once),
               .wanted = "each at least 1, a penalty of at least 0",
               .remedy = "change the options"});
}

}  // namespace

BestFirstSearch::BestFirstSearch(const DocidDecoder& decoder, const DocidTrie& trie)
    : decoder_(decoder), trie_(trie), session_(decoder) {
  check_trie_fits(trie, decoder);
}

BestFirstResult BestFirstSearch::search(const DecodingQuery& query, const BestFirstOptions& options) {
  check_options(options);
  options_ = &options;
  allowed_ = query.allowed == nullptr || query.allowed->all() ? nullptr : query.allowed;
  check_filter(query, trie_);
  longest_power_ = std::pow(static_cast<double>(trie_.depth()), options.length_penalty);
  found_.reset(static_cast<std::size_t>(options.k));
  open_.clear();
  decoded_.clear();
  const auto at_once = static_cast<std::size_t>(options.at_once),
             budget = static_cast<std::size_t>(options.budget);
  session_.begin({&query.memory, 1}, at_once, std::min(budget, kFirstSlots));
  if (query.allowed == nullptr || query.allowed->count() > 0) open_.push_back({});
  BestFirstResult result;
  while (!open_.empty() && decoded_.size() < budget) {
    take_best(std::min(at_once, budget - decoded_.size()));
    if (taken_.empty()) break;  // nothing open can still reach the k best
    decode();
  }
  const bool reaches =
      !open_.empty() && static_cast<float>(bound(open_.front().log_probability)) >= found_.least();
  result.exact = !reaches;
  result.bound = reaches         ? static_cast<float>(bound(open_.front().log_probability))
                 : found_.full() ? found_.least()
                                 : -std::numeric_limits<float>::infinity();
  result.expanded = decoded_.size();
  result.found = found_.sorted();
  return result;
}

// The best open prefix and others of its length that may be needed too, up to `most`.
void BestFirstSearch::take_best(std::size_t most) {
  taken_.clear();
  while (!open_.empty() && taken_.size() < most) {
    const Prefix& best = open_.front();
    if (static_cast<float>(bound(best.log_probability)) < found_.least()) break;
    taken_.push_back(best);
    std::pop_heap(open_.begin(), open_.end(), worse);
    open_.pop_back();
  }
}

void BestFirstSearch::decode() {
  const std::size_t depth = trie_.depth(), rows = taken_.size();
  // Rows of one length share their block of tokens: order by length, then compute the logits of each length.
  std::stable_sort(
      taken_.begin(), taken_.end(), [](const Prefix& a, const Prefix& b) { return a.length < b.length; });
  if (session_.used_slots() + rows > session_.slots())
    session_.reserve_slots(std::max(2 * session_.slots(), session_.used_slots() + rows));
  paths_.resize(std::max(paths_.size(), rows * depth));
  const Normaliser normaliser(trie_, decoder_, options_->normalisation, scratch_);
  for (std::size_t first = 0, end = 0; first < rows; first = end) {
    const std::uint32_t length = taken_[first].length;
    while (end < rows && taken_[end].length == length) ++end;
    const std::size_t count = end - first;
    tokens_.assign(count, decoder_.start_token());
    queries_.assign(count, 0);
    positions_.assign(count, length);
    for (std::size_t i = 0; i < count; ++i) {
      const Prefix& prefix = taken_[first + i];
      if (length > 0) tokens_[i] = trie_.token(prefix.node);
      std::uint32_t at = prefix.parent;
      for (std::uint32_t position = length; position-- > 0; at = decoded_[at].parent)
        paths_[i * depth + position] = decoded_[at].slot;
    }
    const auto slot = static_cast<std::uint32_t>(session_.used_slots());
    session_.step({tokens_, queries_, positions_, paths_, depth});
    normaliser.compute(session_, length);
    for (std::uint32_t i = 0; i < count; ++i) decoded_.push_back({slot + i, taken_[first + i].parent});
    for (std::size_t i = 0; i < count; ++i) expand(first + i, i, normaliser);
  }
}

void BestFirstSearch::finish(std::uint32_t node, double log_probability, std::size_t tokens) {
  const std::uint32_t leaf = trie_.leaves(node).begin;
  if (allowed_ != nullptr && !allowed_->test(leaf)) return;
  const double score = log_probability / std::pow(static_cast<double>(tokens), options_->length_penalty);
  found_.add({trie_.document(leaf), static_cast<float>(log_probability), static_cast<float>(score)});
}

// taken_[taken] is row `row` of the last step and row decoded_.size() - (rows of the step) + row of decoded_.
void BestFirstSearch::expand(std::size_t taken, std::size_t row, const Normaliser& normaliser) {
  const Prefix& prefix = taken_[taken];
  const float* logits = session_.logits(row);
  const double base = prefix.log_probability -
                      static_cast<double>(normaliser.log_sum(session_, row, prefix.node, prefix.length));
  if (trie_.may_end(prefix.node)) finish(prefix.node, base + double{logits[kEndToken]}, prefix.length + 1);
  const IndexRange children = trie_.children(prefix.node);
  const auto self = static_cast<std::uint32_t>(decoded_.size() - positions_.size() + row);
  for (std::uint32_t child = children.begin; child < children.end; ++child) {
    if (child == children.begin || child + 1 == children.end)
      normaliser.check_token(trie_.token(child), prefix.length);
    if (allowed_ != nullptr && !allowed_->any(trie_.leaves(child))) continue;
    const double log_probability = base + double{logits[trie_.token(child)]};
    if (normaliser.ends_for_free(child)) {
      finish(child, log_probability, prefix.length + 2);
      continue;
    }
    if (static_cast<float>(bound(log_probability)) < found_.least()) continue;
    open_.push_back({log_probability, child, self, prefix.length + 1});
    std::push_heap(open_.begin(), open_.end(), worse);
  }
}

BeamError measure_beam_error(const DocidDecoder& decoder,
                             const DocidTrie& trie,
                             std::span<const DecodingQuery> queries,
                             const BeamOptions& beam,
                             std::int64_t budget) {
  BeamSearch beams(decoder, trie);
  BestFirstSearch exact(decoder, trie);
  const BestFirstOptions options{.k = beam.k,
                                 .budget = budget,
                                 .length_penalty = beam.length_penalty,
                                 .normalisation = beam.normalisation};
  BeamError error{.queries = queries.size()};
  double counted = 0.0;
  for (const DecodingQuery& query : queries) {
    const BeamResult approximate = std::move(beams.search({&query, 1}, beam).front());
    const BestFirstResult truth = exact.search(query, options);
    error.beam_rows += beams.decoded_rows();
    error.expanded += truth.expanded;
    if (!truth.exact || truth.found.empty() || approximate.found.empty()) continue;
    ++error.exact;
    const auto has = [&](const FoundDocid& wanted) {
      return std::any_of(approximate.found.begin(), approximate.found.end(), [&](const FoundDocid& seen) {
        return seen.document == wanted.document;
      });
    };
    error.top_1 += approximate.found[0].document == truth.found[0].document ? 1.0 : 0.0;
    error.overlap += static_cast<double>(std::count_if(truth.found.begin(), truth.found.end(), has)) /
                     static_cast<double>(truth.found.size());
    error.missed_first += static_cast<double>(truth.found[0].score - approximate.found[0].score);
    counted += 1.0;
  }
  for (double* mean : {&error.top_1, &error.overlap, &error.missed_first}) *mean /= std::max(counted, 1.0);
  return error;
}

}  // namespace tenfold::dsi
