// SPDX-License-Identifier: Apache-2.0
// Which documents of a trie may be found: deletes and filters as a set of leaves with counts for every subtree, so that a search skips
// branches that hold nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tenfold/search/bitmap.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

// A bit a leaf and a running count a word: 1.5 bits a document. Counting takes two reads, a change O(leaves / 64).
class LeafSet {
 public:
  LeafSet() = default;
  // All leaves, or none.
  LeafSet(std::size_t leaves, bool all);

  std::size_t size() const { return size_; }
  std::size_t count() const { return counts_.empty() ? 0 : counts_.back(); }
  bool all() const { return count() == size_; }
  bool test(std::uint32_t leaf) const { return ((words_[leaf / 64] >> (leaf % 64)) & 1) != 0; }
  std::uint32_t count(IndexRange leaves) const { return rank(leaves.end) - rank(leaves.begin); }
  bool any(IndexRange leaves) const { return rank(leaves.end) != rank(leaves.begin); }

  // Whether this changed anything.
  bool set(std::uint32_t leaf) { return change(leaf, true); }
  bool clear(std::uint32_t leaf) { return change(leaf, false); }

 private:
  friend class LiveTrie;
  std::uint32_t rank(std::uint32_t leaf) const;  // members before `leaf`
  bool change(std::uint32_t leaf, bool value);
  void recount();

  std::size_t size_ = 0;
  std::vector<std::uint64_t> words_;   // one more than needed, so that rank(size) reads in bounds
  std::vector<std::uint32_t> counts_;  // [words]: members in the words before
};

// The trie and its deleted documents. Changes must not run beside searches.
class LiveTrie {
 public:
  explicit LiveTrie(DocidTrie trie) : trie_(std::move(trie)), live_(trie_.size(), true) {}

  const DocidTrie& trie() const { return trie_; }
  const LeafSet& live() const { return live_; }
  std::size_t size() const { return live_.count(); }  // documents that are left

  // False when nothing changed. Throw Error(kData, "dsi.unknown_document").
  bool erase(std::uint32_t document);
  bool restore(std::uint32_t document);
  bool is_live(std::uint32_t document) const;

  // Live documents that `allowed` (a bit a document) holds too, for one query or many. Throws Error(kData, "dsi.filter_size") when it
  // has another size than the trie.
  LeafSet filtered(const search::Bitmap& allowed) const;
  // A bit a document that is deleted, for saving.
  search::Bitmap erased() const;

 private:
  DocidTrie trie_;
  LeafSet live_;
};

// Error(kData, "dsi.filter_size").
[[noreturn]] void fail_filter_size(std::size_t seen, std::size_t wanted);

}  // namespace tenfold::dsi
