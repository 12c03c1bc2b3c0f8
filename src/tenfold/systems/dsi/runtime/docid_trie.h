// SPDX-License-Identifier: Apache-2.0
// The identifiers of all documents as a trie in compressed rows (CSR): what constrained decoding may generate. Every identifier ends
// with the end token, so one may be a prefix of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tenfold/io/bundle.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::dsi {

inline constexpr std::uint32_t kEndToken = 0;

// Token sequences of documents 0, 1, ..., one after the other.
struct DocidSequences {
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint64_t> ends;  // [documents]; where each sequence ends in `tokens`

  std::size_t size() const { return ends.size(); }
  std::span<const std::uint32_t> operator[](std::size_t document) const {
    const std::uint64_t begin = document == 0 ? 0 : ends[document - 1];
    return std::span(tokens).subspan(begin, ends[document] - begin);
  }
  // `sequence` with its end token.
  void add(std::span<const std::uint32_t> sequence) {
    tokens.insert(tokens.end(), sequence.begin(), sequence.end());
    ends.push_back(tokens.size());
  }
};

// Half-open range of nodes or leaves.
struct IndexRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
};

// Nodes are prefixes of identifiers without the end token, level by level; node 0 is the empty prefix. Leaves are the documents in
// the order of their sequences, so the documents below a node are a range of leaves. At most 16 bytes for every node and leaf
// together. Immutable, cheap to copy, thread-safe.
class DocidTrie {
 public:
  // As it lies in memory and in a file.
  struct Node {
    std::uint32_t token = 0;  // of the edge into the node; 0 for the root
    std::uint32_t first_child =
        0;  // the children of node n are [nodes[n].first_child, nodes[n + 1].first_child)
    std::uint32_t first_leaf = 0;  // the leaves below the node are [first_leaf, end_leaf)
    std::uint32_t end_leaf = 0;
  };
  static_assert(sizeof(Node) == 16);

  DocidTrie() = default;

  // Millions of identifiers a second: new documents come in by building again from sequences() and theirs. Throws Error(kData):
  // "dsi.empty_corpus", "dsi.docid_without_end", "dsi.end_inside_docid", "dsi.duplicate_docid" (names both documents),
  // Error(kResource, "dsi.too_many_nodes").
  static DocidTrie build(const DocidSequences& sequences);

  // Maps the arrays of a file of add_trie_member() and checks all of them in one pass: no later call can leave them. Throws Error(kFile):
  // "dsi.damaged_trie" and what the reader throws.
  static DocidTrie open(const io::SafetensorsReader& file);

  std::size_t size() const { return documents_.size(); }                           // documents
  std::size_t prefixes() const { return nodes_.empty() ? 0 : nodes_.size() - 1; }  // nodes
  std::size_t bytes() const;                                                       // of the arrays
  std::size_t depth() const { return depth_; }           // tokens of the longest sequence, the end token too
  std::uint32_t token_count() const { return tokens_; }  // one more than the largest token

  std::uint32_t token(std::uint32_t node) const { return nodes_[node].token; }
  IndexRange children(std::uint32_t node) const {
    return {nodes_[node].first_child, nodes_[node + 1].first_child};
  }
  IndexRange leaves(std::uint32_t node) const { return {nodes_[node].first_leaf, nodes_[node].end_leaf}; }
  // Whether the prefix is a whole identifier itself; its leaf is then the first below it.
  bool may_end(std::uint32_t node) const {
    const IndexRange below = children(node);
    return below.empty() || nodes_[below.begin].first_leaf != nodes_[node].first_leaf;
  }
  // By binary search among the children; nullopt when there is none. `token` is not the end token.
  std::optional<std::uint32_t> child(std::uint32_t node, std::uint32_t token) const;
  // The node of a prefix without end token.
  std::optional<std::uint32_t> find(std::span<const std::uint32_t> prefix) const;
  // The document of a whole sequence with its end token.
  std::optional<std::uint32_t> document_of(std::span<const std::uint32_t> sequence) const;

  std::uint32_t document(std::uint32_t leaf) const { return documents_[leaf]; }
  std::uint32_t leaf(std::uint32_t document) const { return leaves_[document]; }

  // The sequence of a document with its end token: O(length x log children). Throws Error(kData, "dsi.unknown_document").
  std::vector<std::uint32_t> sequence(std::uint32_t document) const;
  DocidSequences sequences() const;

  // For writing.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const std::uint32_t> documents() const { return documents_; }
  std::span<const std::uint32_t> document_leaves() const { return leaves_; }

 private:
  void append_sequence(std::uint32_t leaf, std::vector<std::uint32_t>& tokens) const;

  std::span<const Node> nodes_;               // one more than there are nodes: where the last children end
  std::span<const std::uint32_t> documents_;  // [leaf]
  std::span<const std::uint32_t> leaves_;     // [document]
  std::size_t depth_ = 0;
  std::uint32_t tokens_ = 0;
  std::shared_ptr<const void> keep_;
};

// Throws Error(kData, "dsi.unknown_document") unless document < size.
void check_document(std::uint64_t document, std::size_t size);

// As the member docids.safetensors of a bundle. Opening verifies the hash and maps the file.
void add_trie_member(io::BundleWriter& bundle, const DocidTrie& trie);
DocidTrie open_trie_member(const io::BundleReader& bundle);
// The file itself.
void write_trie(WritableFile& file, const DocidTrie& trie);

}  // namespace tenfold::dsi
