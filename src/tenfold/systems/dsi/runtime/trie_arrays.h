// SPDX-License-Identifier: Apache-2.0
// How the arrays of a trie come about, and what must hold of arrays that came from a file. Internal to docid_trie.cc.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

struct TrieArrays {
  std::vector<DocidTrie::Node> nodes;    // [nodes + 1]
  std::vector<std::uint32_t> documents;  // [leaf]
  std::vector<std::uint32_t> leaves;     // [document]
  std::size_t depth = 0;
  std::uint32_t tokens = 0;
};

// Throws as DocidTrie::build().
TrieArrays build_trie_arrays(const DocidSequences& sequences);

struct TrieExtent {
  std::size_t depth = 0;
  std::uint32_t tokens = 0;
};

// Throws Error(kFile, "dsi.damaged_trie") unless the arrays are what build_trie_arrays() could have made: every number within bounds,
// children sorted by token and later than their parent, leaves of a node those of its children, documents a permutation.
TrieExtent check_trie_arrays(std::span<const DocidTrie::Node> nodes,
                             std::span<const std::uint32_t> documents,
                             std::span<const std::uint32_t> leaves);

[[noreturn]] void fail_damaged_trie(std::string what, std::string seen, std::string wanted);

}  // namespace tenfold::dsi
