// SPDX-License-Identifier: Apache-2.0
// Random identifiers without duplicates, some of them prefixes of others.
#pragma once

#include <set>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

struct RandomDocids {
  std::uint64_t seed = 1;
  std::size_t count = 100;
  std::uint32_t tokens = 10;  // 1 to this one
  std::uint32_t longest = 5;  // without the end token
};

inline std::vector<std::vector<std::uint32_t>> random_docids(const RandomDocids& wanted) {
  random::Generator draws(wanted.seed, 7);
  std::set<std::vector<std::uint32_t>> seen;
  std::vector<std::vector<std::uint32_t>> docids;
  while (docids.size() < wanted.count) {
    std::vector<std::uint32_t> docid(1 + draws.below(wanted.longest));
    for (auto& token : docid) token = 1 + draws.below(wanted.tokens);
    docid.push_back(kEndToken);
    if (seen.insert(docid).second) docids.push_back(docid);
  }
  return docids;
}

inline DocidSequences as_sequences(const std::vector<std::vector<std::uint32_t>>& docids) {
  DocidSequences sequences;
  for (const auto& docid : docids) sequences.add(docid);
  return sequences;
}

}  // namespace tenfold::dsi
