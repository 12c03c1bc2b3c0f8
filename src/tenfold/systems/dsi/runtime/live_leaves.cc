// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/live_leaves.h"

#include <fmt/format.h>

#include <bit>

#include "tenfold/base/error.h"

namespace tenfold::dsi {

LeafSet::LeafSet(std::size_t leaves, bool all)
    : size_(leaves), words_(leaves / 64 + 1, 0), counts_(words_.size() + 1, 0) {
  if (!all) return;
  for (std::size_t word = 0; word < leaves / 64; ++word) words_[word] = ~std::uint64_t{0};
  words_.back() = (std::uint64_t{1} << (leaves % 64)) - 1;
  recount();
}

void LeafSet::recount() {
  for (std::size_t word = 0; word < words_.size(); ++word)
    counts_[word + 1] = counts_[word] + static_cast<std::uint32_t>(std::popcount(words_[word]));
}

std::uint32_t LeafSet::rank(std::uint32_t leaf) const {
  const std::uint64_t before = words_[leaf / 64] & ((std::uint64_t{1} << (leaf % 64)) - 1);
  return counts_[leaf / 64] + static_cast<std::uint32_t>(std::popcount(before));
}

bool LeafSet::change(std::uint32_t leaf, bool value) {
  if (test(leaf) == value) return false;
  words_[leaf / 64] ^= std::uint64_t{1} << (leaf % 64);
  const std::uint32_t step = value ? 1 : ~std::uint32_t{0};
  for (std::size_t word = leaf / 64 + 1; word < counts_.size(); ++word) counts_[word] += step;
  return true;
}

bool LiveTrie::erase(std::uint32_t document) {
  check_document(document, trie_.size());
  return live_.clear(trie_.leaf(document));
}

bool LiveTrie::restore(std::uint32_t document) {
  check_document(document, trie_.size());
  return live_.set(trie_.leaf(document));
}

bool LiveTrie::is_live(std::uint32_t document) const {
  check_document(document, trie_.size());
  return live_.test(trie_.leaf(document));
}

[[noreturn]] void fail_filter_size(std::size_t seen, std::size_t wanted) {
  throw Error(ErrorClass::kData,
              "dsi.filter_size",
              {.what = "the filter is for another number of documents",
               .seen = fmt::format("{}", seen),
               .wanted = fmt::format("{}", wanted),
               .remedy = "make the filter for this index"});
}

LeafSet LiveTrie::filtered(const search::Bitmap& allowed) const {
  if (allowed.size() != trie_.size()) fail_filter_size(allowed.size(), trie_.size());
  LeafSet set(trie_.size(), false);
  for (std::size_t word = 0; word < allowed.words().size(); ++word) {
    for (std::uint64_t bits = allowed.words()[word]; bits != 0; bits &= bits - 1) {
      const auto document =
          static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(bits)));
      const std::uint32_t leaf = trie_.leaf(document);
      set.words_[leaf / 64] |= std::uint64_t{1} << (leaf % 64);
    }
  }
  for (std::size_t word = 0; word < set.words_.size(); ++word) set.words_[word] &= live_.words_[word];
  set.recount();
  return set;
}

search::Bitmap LiveTrie::erased() const {
  search::Bitmap bits(trie_.size());
  for (std::uint32_t document = 0; document < trie_.size(); ++document) {
    if (!live_.test(trie_.leaf(document))) bits.set(document);
  }
  return bits;
}

}  // namespace tenfold::dsi
