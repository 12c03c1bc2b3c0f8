// SPDX-License-Identifier: Apache-2.0
// The exact k best documents under the model, by best-first search: no factor of a probability exceeds 1, so the log probability of a
// prefix bounds every identifier below it. And how often beam search differs from that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/systems/dsi/runtime/beam_search.h"

namespace tenfold::dsi {

struct BestFirstOptions {
  std::int64_t k = 10;
  std::int64_t budget = 20000;  // prefixes that may go through the decoder
  std::int64_t at_once = 8;     // prefixes decoded together; does not change the result
  double length_penalty = 0.0;
  NormalisationOptions normalisation;

  void visit_fields(auto&& field) {
    field("k", k, {.help = "documents a query", .min = 1, .max = 4096, .served_max = 256});
    field("budget",
          budget,
          {.help = "prefixes that may be decoded", .min = 1, .max = 1e8, .served_max = 20000});
    field("at_once", at_once, {.help = "prefixes decoded together", .min = 1, .max = 256, .served_max = 64});
    field("length_penalty",
          length_penalty,
          {.help = "power of the length that divides scores", .min = 0, .max = 4});
    normalisation.visit_fields(field);
  }
};

struct BestFirstResult {
  std::vector<FoundDocid> found;  // best first
  bool exact = false;             // false: the budget ran out
  float bound = 0.0F;        // no document that is missing has a higher score; -infinity when none is missing
  std::size_t expanded = 0;  // prefixes decoded
};

// One thread's search with its buffers.
class BestFirstSearch {
 public:
  // Both must outlive the object. Throws as check_trie_fits().
  BestFirstSearch(const DocidDecoder& decoder, const DocidTrie& trie);

  // Throws as BeamSearch::search().
  BestFirstResult search(const DecodingQuery& query, const BestFirstOptions& options);

 private:
  struct Prefix {
    double log_probability = 0.0;
    std::uint32_t node = 0;
    std::uint32_t parent = 0;  // row of decoded_; not of the root
    std::uint32_t length = 0;  // tokens
  };
  struct Decoded {
    std::uint32_t slot = 0;
    std::uint32_t parent = 0;
  };

  static bool worse(const Prefix& a, const Prefix& b) {
    return a.log_probability != b.log_probability ? a.log_probability < b.log_probability : a.node > b.node;
  }
  double bound(double log_probability) const { return log_probability / longest_power_; }
  void take_best(std::size_t most);
  void decode();
  void expand(std::size_t taken, std::size_t row, const Normaliser& normaliser);
  void finish(std::uint32_t node, double log_probability, std::size_t tokens);

  const DocidDecoder& decoder_;
  const DocidTrie& trie_;
  DecoderSession session_;
  const BestFirstOptions* options_ = nullptr;
  const LeafSet* allowed_ = nullptr;
  double longest_power_ = 1.0;
  std::vector<Prefix> open_;   // a heap
  std::vector<Prefix> taken_;  // decoded next
  std::vector<Decoded> decoded_;
  FoundList found_;
  std::vector<std::uint32_t> tokens_, queries_, positions_, paths_;
  std::vector<float> scratch_;
};

// Beam search beside the exact result.
struct BeamError {
  std::size_t queries = 0;
  std::size_t exact = 0;  // queries whose exact search stayed within its budget; the rest is left out below
  double top_1 = 0.0;     // share of queries with the same first document
  double overlap = 0.0;   // mean share of the exact k documents that the beam found
  double missed_first = 0.0;  // mean log probability by which the beam's first document falls short
  std::size_t expanded = 0;   // prefixes that the exact searches decoded, beside
  std::size_t beam_rows = 0;  // those of the beams
};
BeamError measure_beam_error(const DocidDecoder& decoder,
                             const DocidTrie& trie,
                             std::span<const DecodingQuery> queries,
                             const BeamOptions& beam,
                             std::int64_t budget = 20000);

}  // namespace tenfold::dsi
