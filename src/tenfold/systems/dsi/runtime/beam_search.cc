// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::dsi {
namespace {

void check_options(const BeamOptions& options) {
  if (options.beams >= 1 && options.k >= 1 && options.length_penalty >= 0.0 &&
      std::isfinite(options.length_penalty))
    return;
  throw Error(ErrorClass::kConfig,
              "dsi.beam_options",
              {.what = "no beam search has these options",
               .seen = fmt::format(
                   "beams {}, k {}, length_penalty {}", options.beams, options.k, options.length_penalty),
               .wanted = "beams and k at least 1, a penalty of at least 0",
               .remedy = "change the options"});
}

double power_of(std::size_t tokens, double penalty) {
  return penalty == 0.0 ? 1.0 : std::pow(static_cast<double>(tokens), penalty);
}

}  // namespace

BeamSearch::BeamSearch(const DocidDecoder& decoder, const DocidTrie& trie)
    : decoder_(decoder), trie_(trie), session_(decoder) {
  check_trie_fits(trie, decoder);
}

void BeamSearch::begin(std::span<const DecodingQuery> queries, const BeamOptions& options) {
  check_options(options);
  options_ = &options;
  longest_power_ = power_of(trie_.depth(), options.length_penalty);
  queries_.resize(queries.size());
  std::vector<QueryMemory> memories;
  std::size_t most_rows = 0;
  rows_.clear();
  row_queries_.clear();
  rows_of_steps_.clear();
  rows_of_steps_.reserve(trie_.depth());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const LeafSet* allowed = queries[i].allowed;
    check_filter(queries[i], trie_);
    const std::size_t left = allowed == nullptr ? trie_.size() : allowed->count();
    Query& query = queries_[i];
    query.allowed = allowed == nullptr || allowed->all() ? nullptr : allowed;
    query.beams = std::min(left, static_cast<std::size_t>(std::max(options.beams, options.k)));
    query.found.reset(static_cast<std::size_t>(options.k));
    memories.push_back(queries[i].memory);
    most_rows += query.beams;
    if (left == 0) continue;
    rows_.push_back({});
    row_queries_.push_back(static_cast<std::uint32_t>(i));
  }
  session_.begin(memories, most_rows, most_rows * trie_.depth());
  for (auto* rows : {&rows_, &next_rows_}) rows->reserve(most_rows);
  for (auto* numbers : {&row_queries_, &next_queries_, &tokens_, &next_tokens_, &positions_})
    numbers->reserve(most_rows);
  for (auto* paths : {&paths_, &next_paths_})
    paths->resize(std::max(paths->size(), most_rows * trie_.depth()));
  tokens_.assign(rows_.size(), decoder_.start_token());
}

std::vector<BeamResult> BeamSearch::search(std::span<const DecodingQuery> queries,
                                           const BeamOptions& options) {
  std::vector<BeamResult> results(queries.size());
  results_ = &results;
  begin(queries, options);
  for (std::size_t level = 0; !rows_.empty(); ++level) step(level);
  for (std::size_t i = 0; i < queries.size(); ++i) results[i].found = queries_[i].found.sorted();
  return results;
}

void BeamSearch::step(std::size_t level) {
  rows_of_steps_.push_back(rows_.size());
  positions_.assign(rows_.size(), static_cast<std::uint32_t>(level));
  session_.step({tokens_, row_queries_, positions_, paths_, trie_.depth()});
  const Normaliser normaliser(trie_, decoder_, options_->normalisation, scratch_);
  normaliser.compute(session_, level);
  next_rows_.clear();
  next_queries_.clear();
  next_tokens_.clear();
  for (std::size_t first = 0, end = 0; first < rows_.size(); first = end) {
    const std::uint32_t query = row_queries_[first];
    candidates_.clear();
    for (; end < rows_.size() && row_queries_[end] == query; ++end) expand_row(query, end, level, normaliser);
    keep_best(query, level, normaliser);
  }
  std::swap(rows_, next_rows_);
  std::swap(row_queries_, next_queries_);
  std::swap(tokens_, next_tokens_);
  std::swap(paths_, next_paths_);
}

std::int32_t BeamSearch::record(std::size_t query, const BeamTreeNode& node) {
  if (!options_->record) return -1;
  auto& tree = (*results_)[query].tree;
  tree.push_back(node);
  return static_cast<std::int32_t>(tree.size()) - 1;
}

// Further tokens only lower a log probability, and no identifier is longer than the deepest.
bool BeamSearch::hopeless(std::size_t query, double log_probability) const {
  const FoundList& found = queries_[query].found;
  return found.full() && static_cast<float>(log_probability / longest_power_) < found.least();
}

// The identifier of `node` ends: its end token is the last of `tokens`.
void BeamSearch::finish(
    std::size_t query, std::uint32_t node, double log_probability, std::size_t tokens, std::int32_t parent) {
  const std::uint32_t leaf = trie_.leaves(node).begin;
  const Query& state = queries_[query];
  if (state.allowed != nullptr && !state.allowed->test(leaf)) return;
  const double score = log_probability / power_of(tokens, options_->length_penalty);
  const FoundDocid found{
      trie_.document(leaf), static_cast<float>(log_probability), static_cast<float>(score)};
  const bool kept = queries_[query].found.add(found);
  record(query,
         {.parent = parent,
          .token = kEndToken,
          .document = found.document,
          .log_probability = found.log_probability,
          .kept = kept});
}

void BeamSearch::expand_row(std::size_t query,
                            std::size_t row,
                            std::size_t level,
                            const Normaliser& normaliser) {
  const Hypothesis& from = rows_[row];
  const LeafSet* allowed = queries_[query].allowed;
  const float* logits = session_.logits(row);
  const double base =
      from.log_probability - static_cast<double>(normaliser.log_sum(session_, row, from.node, level));
  if (trie_.may_end(from.node))
    finish(query, from.node, base + double{logits[kEndToken]}, level + 1, from.tree);
  const IndexRange children = trie_.children(from.node);
  if (children.empty()) return;
  normaliser.check_token(trie_.token(children.begin), level);  // sorted: the first and the last are enough
  normaliser.check_token(trie_.token(children.end - 1), level);
  for (std::uint32_t child = children.begin; child < children.end; ++child) {
    const double log_probability = base + double{logits[trie_.token(child)]};
    if (hopeless(query, log_probability)) continue;
    if (allowed != nullptr && !allowed->any(trie_.leaves(child))) continue;
    candidates_.push_back({log_probability, child, static_cast<std::uint32_t>(row), from.tree});
  }
}

// The candidates that go on become rows of the next step.
void BeamSearch::keep_best(std::size_t query, std::size_t level, const Normaliser& normaliser) {
  const std::size_t keep = std::min(candidates_.size(), queries_[query].beams);
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.log_probability != b.log_probability ? a.log_probability > b.log_probability : a.node < b.node;
  };
  // A record shows some of those that were dropped too.
  const std::size_t shown = options_->record ? std::min(candidates_.size(), 3 * keep) : keep;
  const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(shown);
  if (shown < candidates_.size()) std::nth_element(candidates_.begin(), end, candidates_.end(), better);
  std::sort(candidates_.begin(), end, better);
  const std::size_t depth = trie_.depth();
  for (std::size_t i = 0; i < shown; ++i) {
    const Candidate& candidate = candidates_[i];
    const std::int32_t tree = record(query,
                                     {.parent = candidate.tree,
                                      .token = trie_.token(candidate.node),
                                      .log_probability = static_cast<float>(candidate.log_probability),
                                      .kept = i < keep});
    if (i >= keep) continue;
    if (normaliser.ends_for_free(candidate.node)) {
      finish(query, candidate.node, candidate.log_probability, level + 2, tree);
      continue;
    }
    std::copy_n(paths_.begin() + static_cast<std::ptrdiff_t>(candidate.row * depth),
                level + 1,
                next_paths_.begin() + static_cast<std::ptrdiff_t>(next_rows_.size() * depth));
    next_rows_.push_back({candidate.node, candidate.log_probability, tree});
    next_queries_.push_back(static_cast<std::uint32_t>(query));
    next_tokens_.push_back(trie_.token(candidate.node));
  }
}

}  // namespace tenfold::dsi
