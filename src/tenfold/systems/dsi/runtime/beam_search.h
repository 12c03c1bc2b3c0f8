// SPDX-License-Identifier: Apache-2.0
// Constrained beam search over the trie of identifiers: batches of queries, each with its own beam and filter. Never returns an
// identifier that does not exist, twice, or that a filter leaves out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/systems/dsi/runtime/decoding.h"

namespace tenfold::dsi {

struct BeamOptions {
  std::int64_t beams = 10;  // W; k when that is more, so that k results come whenever k documents are allowed
  std::int64_t k = 10;      // results a query
  double length_penalty = 0.0;  // results are ordered by log probability / tokens^penalty
  bool record = false;          // keep the tree of continuations
  NormalisationOptions normalisation;

  void visit_fields(auto&& field) {
    field("beams",
          beams,
          {.help = "hypotheses that go on at each step", .min = 1, .max = 4096, .served_max = 256});
    field("k", k, {.help = "documents a query", .min = 1, .max = 4096, .served_max = 256});
    field("length_penalty",
          length_penalty,
          {.help = "power of the length that divides scores", .min = 0, .max = 4});
    normalisation.visit_fields(field);
  }
};

struct BeamResult {
  std::vector<FoundDocid> found;   // best first
  std::vector<BeamTreeNode> tree;  // when recorded
};

// One thread's search with its buffers: after the first batch of a size, steps allocate nothing (results do).
//
// A continuation by the end token leaves at once with its document. Of all others the W best go on; there may be fewer. A query ends when no
// hypothesis is left or none can still reach its k best.
class BeamSearch {
 public:
  // Both must outlive the object. Throws as check_trie_fits().
  BeamSearch(const DocidDecoder& decoder, const DocidTrie& trie);

  // One result a query, independent of the others. Throws Error(kData): "dsi.empty_query", "dsi.filter_size" (a set of another trie),
  // "dsi.not_finite"; Error(kConfig): "dsi.beam_options", "dsi.token_block".
  std::vector<BeamResult> search(std::span<const DecodingQuery> queries, const BeamOptions& options);

  // Hypotheses of the last search that went through the decoder, altogether and at each step.
  std::size_t decoded_rows() const { return session_.used_slots(); }
  const std::vector<std::size_t>& rows_of_steps() const { return rows_of_steps_; }

 private:
  struct Hypothesis {
    std::uint32_t node = 0;
    double log_probability = 0.0;
    std::int32_t tree = -1;
  };
  struct Candidate {
    double log_probability;
    std::uint32_t node;
    std::uint32_t row;  // of the step
    std::int32_t tree;
  };
  struct Query {
    const LeafSet* allowed = nullptr;
    std::size_t beams = 0;
    FoundList found;
  };

  void begin(std::span<const DecodingQuery> queries, const BeamOptions& options);
  void step(std::size_t level);
  void expand(std::size_t query, std::size_t level, const Normaliser& normaliser);
  void expand_row(std::size_t query, std::size_t row, std::size_t level, const Normaliser& normaliser);
  void finish(
      std::size_t query, std::uint32_t node, double log_probability, std::size_t tokens, std::int32_t tree);
  void keep_best(std::size_t query, std::size_t level, const Normaliser& normaliser);
  std::int32_t record(std::size_t query, const BeamTreeNode& node);
  bool hopeless(std::size_t query, double log_probability) const;

  const DocidDecoder& decoder_;
  const DocidTrie& trie_;
  DecoderSession session_;
  const BeamOptions* options_ = nullptr;
  double longest_power_ = 1.0;  // depth^length_penalty

  std::vector<Query> queries_;
  std::vector<BeamResult>* results_ = nullptr;
  // Of the current step, by row; the next_ ones are filled while they are read.
  std::vector<Hypothesis> rows_, next_rows_;
  std::vector<std::uint32_t> row_queries_, next_queries_, tokens_, next_tokens_, positions_;
  std::vector<std::uint32_t> paths_, next_paths_;  // [rows, depth]
  std::vector<Candidate> candidates_;
  std::vector<float> scratch_;
  std::vector<std::size_t> rows_of_steps_;
};

}  // namespace tenfold::dsi
