// SPDX-License-Identifier: Apache-2.0
// What beam search and exact search share: a query, how probabilities are normalised under the constraint, and results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/dsi/runtime/docid_decoder.h"
#include "tenfold/systems/dsi/runtime/live_leaves.h"

namespace tenfold::dsi {

// Tokens [begin, end) of one level.
struct TokenBlock {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// log p of a continuation. In float32 from the decoder's logits.
struct NormalisationOptions {
  // false: softmax over all docid tokens, of which the trie then takes some away (as free decoding scores them); true: softmax over
  // the continuations that the trie has. Deletes and filters change neither.
  bool after_mask = false;
  // An identifier that cannot go on ends without a factor for its end token and without a step of the decoder. With after_mask that
  // factor is 1 in any case.
  bool free_forced_end = false;
  // Position-aware schemes: softmax of level t only over blocks[t] and the end token. Levels behind the last block take all tokens.
  std::vector<TokenBlock> blocks;

  void visit_fields(auto&& field) {
    field("after_mask", after_mask, {.help = "normalise probabilities over the continuations that exist"});
    field("free_forced_end", free_forced_end, {.help = "no factor for an end without alternative"});
  }
};

struct DecodingQuery {
  QueryMemory memory;
  const LeafSet* allowed = nullptr;  // live leaves, perhaps filtered; null: all
};

struct FoundDocid {
  std::uint32_t document = 0;
  float log_probability = 0.0F;  // sum over its tokens
  float score = 0.0F;            // log_probability / tokens^length_penalty; the order of results
};

// One continuation of a recorded search: the beam as a tree of prefixes.
struct BeamTreeNode {
  std::int32_t parent = -1;  // row of the tree; -1: the empty prefix
  std::uint32_t token = 0;
  std::uint32_t document = 0;  // when the token is the end token
  float log_probability = 0.0F;
  bool kept = false;  // went on, or became a result
};

// Throws Error(kData): "dsi.trie_of_another_model" (tokens that the decoder has not), "dsi.docid_too_long".
void check_trie_fits(const DocidTrie& trie, const DocidDecoder& decoder);

// Throws Error(kData, "dsi.filter_size") when the query's set of leaves is of another trie.
void check_filter(const DecodingQuery& query, const DocidTrie& trie);

// Error(kData, "dsi.not_finite"): the logits of a query are no numbers.
[[noreturn]] void fail_not_finite(float sum);

// Log-normalisers of the rows of a session.
class Normaliser {
 public:
  // `scratch` is the caller's, so that it keeps its memory from step to step.
  Normaliser(const DocidTrie& trie,
             const DocidDecoder& decoder,
             const NormalisationOptions& options,
             std::vector<float>& scratch)
      : trie_(trie), decoder_(decoder), options_(options), gathered_(scratch) {}

  // Computes the logits of the session's last step, whose rows are all at `level`, or leaves that to log_sum().
  void compute(DecoderSession& session, std::size_t level) const;
  // log of the sum that a token's logit is compared with, for a row whose prefix is `node`; the logits of its continuations are then there.
  // Throws Error(kData, "dsi.not_finite") when they are no numbers.
  float log_sum(DecoderSession& session, std::size_t row, std::uint32_t node, std::size_t level) const;
  // Throws Error(kConfig, "dsi.token_block") for a token outside the level's block.
  void check_token(std::uint32_t token, std::size_t level) const;
  // Whether the prefix ends here without a step of the decoder.
  bool ends_for_free(std::uint32_t node) const {
    return (options_.after_mask || options_.free_forced_end) && trie_.children(node).empty();
  }

 private:
  // Only the continuations that exist are looked at, and the vocabulary is large.
  bool one_by_one(const DecoderSession& session) const {
    return options_.after_mask && session.has_single_logits();
  }
  float log_sum_of_children(const float* logits, std::uint32_t node) const;
  TokenBlock block(std::size_t level) const {
    return level < options_.blocks.size() ? options_.blocks[level] : TokenBlock{0, decoder_.tokens()};
  }

  const DocidTrie& trie_;
  const DocidDecoder& decoder_;
  const NormalisationOptions& options_;
  std::vector<float>& gathered_;
};

// At most k results: best first, ties by document.
class FoundList {
 public:
  void reset(std::size_t k) {
    k_ = k;
    found_.clear();
    found_.reserve(k + 1);
  }
  bool full() const { return found_.size() >= k_; }
  std::size_t size() const { return found_.size(); }
  // The score that a further result must reach.
  float least() const;
  // Whether it is among the k best so far.
  bool add(const FoundDocid& found);
  const std::vector<FoundDocid>& sorted() const { return found_; }

 private:
  std::size_t k_ = 0;
  std::vector<FoundDocid> found_;
};

}  // namespace tenfold::dsi
