// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/trie_arrays.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max() - 1;

[[noreturn]] void refuse(const char* code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              fmt::format("dsi.{}", code),
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "every document needs an identifier of its own that ends with token 0"});
}

[[noreturn]] void refuse_size(std::uint64_t seen) {
  throw Error(ErrorClass::kResource,
              "dsi.too_many_nodes",
              {.what = "the identifiers make too large a trie",
               .seen = fmt::format("{} nodes and leaves", seen),
               .wanted = fmt::format("at most {}", kMost),
               .remedy = "use shorter identifiers or several indexes"});
}

// Checks each sequence; the largest token of all.
std::uint32_t check_sequences(const DocidSequences& sequences) {
  if (sequences.size() == 0) refuse("empty_corpus", "there are no documents", "0", "at least 1");
  if (sequences.size() > kMost) refuse_size(sequences.size());
  std::uint32_t largest = 0;
  for (std::size_t document = 0; document < sequences.size(); ++document) {
    const auto sequence = sequences[document];
    const auto name = [&] { return fmt::format("the identifier of document {}", document); };
    if (sequence.empty() || sequence.back() != kEndToken)
      refuse("docid_without_end", name() + " does not end", "no end token", "token 0 at its end");
    for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
      if (sequence[i] == kEndToken)
        refuse(
            "end_inside_docid", name() + " goes on behind its end", fmt::format("token 0 at {}", i), "one");
      largest = std::max(largest, sequence[i]);
    }
  }
  if (largest > kMost) refuse_size(largest);
  return largest;
}

// The first tokens of a sequence in one number whose order is theirs; behind the end come zeros, which are less than any token.
struct SortKey {
  std::uint64_t head = 0;
  std::uint32_t document = 0;
};

std::vector<SortKey> sorted_keys(const DocidSequences& sequences, std::uint32_t largest_token) {
  const int bits = std::max(1, static_cast<int>(std::bit_width(largest_token)));
  const std::size_t in_key = 64 / static_cast<std::size_t>(bits);
  std::vector<SortKey> keys(sequences.size());
  for (std::size_t document = 0; document < keys.size(); ++document) {
    const auto sequence = sequences[document];
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < in_key; ++i) head = head << bits | (i < sequence.size() ? sequence[i] : 0);
    keys[document] = {head, static_cast<std::uint32_t>(document)};
  }
  std::sort(keys.begin(), keys.end(), [&](const SortKey& a, const SortKey& b) {
    if (a.head != b.head) return a.head < b.head;
    const auto left = sequences[a.document], right = sequences[b.document];
    return std::lexicographical_compare(
        left.begin() + static_cast<std::ptrdiff_t>(std::min(in_key, left.size())),
        left.end(),
        right.begin() + static_cast<std::ptrdiff_t>(std::min(in_key, right.size())),
        right.end());
  });
  return keys;
}

// [leaf]: how many tokens it shares with the leaf before it.
std::vector<std::uint32_t> shared_tokens(const DocidSequences& sequences, std::span<const SortKey> keys) {
  std::vector<std::uint32_t> shared(keys.size());
  for (std::size_t leaf = 1; leaf < keys.size(); ++leaf) {
    const auto before = sequences[keys[leaf - 1].document], here = sequences[keys[leaf].document];
    std::size_t common = 0;
    while (before[common] == here[common] && here[common] != kEndToken) ++common;
    if (before[common] == here[common]) {
      const auto [first, second] = std::minmax(keys[leaf - 1].document, keys[leaf].document);
      refuse("duplicate_docid",
             "two documents have the same identifier",
             fmt::format("documents {} and {}", first, second),
             "different identifiers");
    }
    shared[leaf] = static_cast<std::uint32_t>(common);
  }
  return shared;
}

// Where each level begins: [depth + 1], the last is the number of nodes. Level 0 is the root.
std::vector<std::uint64_t> level_starts(const DocidSequences& sequences,
                                        std::span<const SortKey> keys,
                                        std::span<const std::uint32_t> shared,
                                        std::size_t depth) {
  std::vector<std::int64_t> change(depth + 2, 0);  // of the number of new nodes from one level to the next
  for (std::size_t leaf = 0; leaf < keys.size(); ++leaf) {
    ++change[shared[leaf] + 1];
    --change[sequences[keys[leaf].document].size()];
  }
  std::vector<std::uint64_t> starts{0, 1};
  std::int64_t width = 0;
  for (std::size_t level = 1; level < depth; ++level) {
    width += change[level];
    starts.push_back(starts.back() + static_cast<std::uint64_t>(width));
  }
  return starts;
}

}  // namespace

TrieArrays build_trie_arrays(const DocidSequences& sequences) {
  TrieArrays out;
  const std::uint32_t largest = check_sequences(sequences);
  const std::vector<SortKey> keys = sorted_keys(sequences, largest);
  const std::vector<std::uint32_t> shared = shared_tokens(sequences, keys);
  for (std::size_t i = 0; i < sequences.size(); ++i) out.depth = std::max(out.depth, sequences[i].size());
  out.tokens = largest + 1;
  const std::vector<std::uint64_t> starts = level_starts(sequences, keys, shared, out.depth);
  if (starts.back() + keys.size() > kMost) refuse_size(starts.back() + keys.size());
  out.nodes.resize(starts.back() + 1);
  out.documents.resize(keys.size());
  out.leaves.resize(keys.size());
  std::vector<std::uint32_t> next(starts.begin(), starts.end());  // the next free node of each level
  const auto open_node = [&](std::size_t level, std::uint32_t token, std::uint32_t leaf) {
    out.nodes[next[level]++] = {token, next[level + 1], leaf, 0};
  };
  open_node(0, 0, 0);
  std::size_t open_levels = 0;  // levels 1 to this one have an open node: the last one made there
  for (std::uint32_t leaf = 0; leaf < keys.size(); ++leaf) {
    const auto sequence = sequences[keys[leaf].document];
    for (std::size_t level = shared[leaf] + 1; level <= open_levels; ++level)
      out.nodes[next[level] - 1].end_leaf = leaf;
    for (std::size_t level = shared[leaf] + 1; level < sequence.size(); ++level)
      open_node(level, sequence[level - 1], leaf);
    open_levels = sequence.size() - 1;
    out.documents[leaf] = keys[leaf].document;
    out.leaves[keys[leaf].document] = leaf;
  }
  const auto leaves = static_cast<std::uint32_t>(keys.size());
  for (std::size_t level = 0; level <= open_levels; ++level) out.nodes[next[level] - 1].end_leaf = leaves;
  out.nodes.back() = {0, static_cast<std::uint32_t>(starts.back()), leaves, leaves};
  return out;
}

[[noreturn]] void fail_damaged_trie(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              "dsi.damaged_trie",
              {.what = "the trie of identifiers is damaged: " + what,
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "get the file again or train the index again"});
}

namespace {

void require(bool condition, const char* what, std::uint64_t place) {
  if (condition) return;
  fail_damaged_trie(what, fmt::format("at {}", place), "what a trie of the identifiers has");
}

// The children of node n, whose numbers are in bounds, divide its leaves among them.
void check_children(std::span<const DocidTrie::Node> nodes, std::size_t n) {
  const DocidTrie::Node& node = nodes[n];
  const std::uint32_t begin = node.first_child, end = nodes[n + 1].first_child;
  std::uint32_t leaf = node.first_leaf;
  if (begin == end || nodes[begin].first_leaf != leaf) ++leaf;  // the prefix itself is an identifier
  std::uint32_t token = kEndToken;
  for (std::uint32_t child = begin; child < end; ++child) {
    require(nodes[child].token > token, "children are not sorted by their tokens", child);
    require(nodes[child].first_leaf == leaf && nodes[child].end_leaf > leaf,
            "leaves of children have holes",
            child);
    token = nodes[child].token;
    leaf = nodes[child].end_leaf;
  }
  require(leaf == node.end_leaf, "a node has other leaves than its children", n);
}

}  // namespace

TrieExtent check_trie_arrays(std::span<const DocidTrie::Node> nodes,
                             std::span<const std::uint32_t> documents,
                             std::span<const std::uint32_t> leaves) {
  require(nodes.size() >= 2 && nodes.size() <= kMost, "the number of nodes", nodes.size());
  require(!documents.empty() && documents.size() == leaves.size() && documents.size() <= kMost,
          "the number of documents",
          documents.size());
  const std::size_t count = nodes.size() - 1;
  require(nodes[0].first_child == 1 && nodes[count].first_child == count, "where the children begin", 0);
  require(nodes[0].first_leaf == 0 && nodes[0].end_leaf == documents.size(), "the leaves of the root", 0);
  TrieExtent extent{.depth = 1, .tokens = 1};
  for (std::size_t n = 0; n < count; ++n) {
    const std::uint32_t begin = nodes[n].first_child, end = nodes[n + 1].first_child;
    require(begin <= end && end <= count && begin > n, "children are out of bounds", n);
    require(nodes[n].token < kMost, "a token is out of bounds", n);
    extent.tokens = std::max(extent.tokens, nodes[n].token + 1);
  }
  for (std::size_t n = 0; n < count; ++n) check_children(nodes, n);
  for (std::size_t level_end = 1; level_end < count; level_end = nodes[level_end].first_child) ++extent.depth;
  for (std::size_t leaf = 0; leaf < documents.size(); ++leaf) {
    require(documents[leaf] < leaves.size() && leaves[documents[leaf]] == leaf,
            "documents and leaves do not answer each other",
            leaf);
  }
  return extent;
}

}  // namespace tenfold::dsi
