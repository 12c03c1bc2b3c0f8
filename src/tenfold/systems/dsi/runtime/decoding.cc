// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/decoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tenfold/base/error.h"
#include "tenfold/kernels/transformer_ops.h"

namespace tenfold::dsi {

void check_trie_fits(const DocidTrie& trie, const DocidDecoder& decoder) {
  if (trie.token_count() > decoder.tokens())
    throw Error(ErrorClass::kData,
                "dsi.trie_of_another_model",
                {.what = "the identifiers have tokens that the decoder does not have",
                 .seen = fmt::format("token {}", trie.token_count() - 1),
                 .wanted = fmt::format("below {}", decoder.tokens()),
                 .remedy = "use the identifiers that the model was trained with"});
  if (trie.depth() > decoder.max_positions())
    throw Error(ErrorClass::kData,
                "dsi.docid_too_long",
                {.what = "an identifier is longer than the decoder can write",
                 .seen = fmt::format("{} tokens", trie.depth()),
                 .wanted = fmt::format("at most {}", decoder.max_positions()),
                 .remedy = "use the identifiers that the model was trained with"});
}

void check_filter(const DecodingQuery& query, const DocidTrie& trie) {
  if (query.allowed != nullptr && query.allowed->size() != trie.size())
    fail_filter_size(query.allowed->size(), trie.size());
}

void Normaliser::compute(DecoderSession& session, std::size_t level) const {
  const TokenBlock tokens = block(level);
  if (tokens.begin >= tokens.end || tokens.end > decoder_.tokens())
    throw Error(ErrorClass::kConfig,
                "dsi.token_block",
                {.what = fmt::format("the block of tokens of level {} is none", level),
                 .seen = fmt::format("[{}, {})", tokens.begin, tokens.end),
                 .wanted = fmt::format("within [0, {})", decoder_.tokens()),
                 .remedy = "use the blocks of the scheme that the model was trained with"});
  if (one_by_one(session)) return;
  session.compute_logits(tokens.begin, tokens.end);
  if (tokens.begin > 0) session.compute_logits(kEndToken, kEndToken + 1);
}

[[noreturn]] void fail_not_finite(float sum) {
  throw Error(ErrorClass::kData,
              "dsi.not_finite",
              {.what = "the decoder's logits are not finite",
               .seen = fmt::format("{}", sum),
               .wanted = "numbers",
               .remedy = "the weights are too large or the query's memory is damaged: train again"});
}

float Normaliser::log_sum_of_children(const float* logits, std::uint32_t node) const {
  gathered_.clear();
  if (trie_.may_end(node)) gathered_.push_back(logits[kEndToken]);
  const IndexRange children = trie_.children(node);
  for (std::uint32_t child = children.begin; child < children.end; ++child)
    gathered_.push_back(logits[trie_.token(child)]);
  return kernels::log_sum_exp(gathered_.data(), gathered_.size());
}

float Normaliser::log_sum(DecoderSession& session,
                          std::size_t row,
                          std::uint32_t node,
                          std::size_t level) const {
  const float* logits = session.logits(row);
  if (one_by_one(session)) {
    const IndexRange children = trie_.children(node);
    session.compute_logit(row, kEndToken);
    for (std::uint32_t child = children.begin; child < children.end; ++child)
      session.compute_logit(row, trie_.token(child));
  }
  float sum = 0.0F;
  if (options_.after_mask) {
    sum = log_sum_of_children(logits, node);
  } else {
    const TokenBlock tokens = block(level);
    sum = kernels::log_sum_exp(logits + tokens.begin, tokens.end - tokens.begin);
    if (tokens.begin > 0) {
      const float end = logits[kEndToken];
      sum = std::max(sum, end) + std::log1p(std::exp(-std::abs(sum - end)));
    }
  }
  if (std::isfinite(sum)) return sum;
  fail_not_finite(sum);
}

void Normaliser::check_token(std::uint32_t token, std::size_t level) const {
  const TokenBlock tokens = block(level);
  if (token == kEndToken || (token >= tokens.begin && token < tokens.end)) return;
  throw Error(ErrorClass::kConfig,
              "dsi.token_block",
              {.what = fmt::format("an identifier has a token outside the block of level {}", level),
               .seen = fmt::format("{}", token),
               .wanted = fmt::format("within [{}, {})", tokens.begin, tokens.end),
               .remedy = "use the blocks of the scheme that the model was trained with"});
}

namespace {

bool better(const FoundDocid& a, const FoundDocid& b) {
  return a.score != b.score ? a.score > b.score : a.document < b.document;
}

}  // namespace

float FoundList::least() const {
  if (k_ == 0) return std::numeric_limits<float>::infinity();
  return full() ? found_.back().score : -std::numeric_limits<float>::infinity();
}

bool FoundList::add(const FoundDocid& found) {
  if (k_ == 0 || (full() && !better(found, found_.back()))) return false;
  found_.insert(std::upper_bound(found_.begin(), found_.end(), found, better), found);
  if (found_.size() > k_) found_.pop_back();
  return true;
}

}  // namespace tenfold::dsi
