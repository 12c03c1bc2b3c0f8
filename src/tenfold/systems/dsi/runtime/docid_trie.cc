// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/docid_trie.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/io/dtype.h"
#include "tenfold/systems/dsi/runtime/trie_arrays.h"

namespace tenfold::dsi {
namespace {

constexpr const char* kMember = "docids.safetensors";

// The numbers of a tensor where they lie; copied only when they lie badly.
struct MappedNumbers {
  std::span<const std::uint32_t> values;
  std::shared_ptr<const void> keep;
};

MappedNumbers map_numbers(const io::SafetensorsReader& file, const char* name) {
  const io::TensorInfo info = file.info(name);
  if (info.dtype != io::DType::kU32) {
    fail_damaged_trie(fmt::format("tensor {} has another element type", name),
                      std::string(io::to_string(info.dtype)),
                      "U32");
  }
  io::InputFile::Mapping mapping = file.map(name);
  const std::size_t count = mapping.bytes.size() / sizeof(std::uint32_t);
  if (reinterpret_cast<std::uintptr_t>(mapping.bytes.data()) % alignof(std::uint32_t) == 0)
    return {{reinterpret_cast<const std::uint32_t*>(mapping.bytes.data()), count}, std::move(mapping.keep)};
  auto copy = std::make_shared<std::vector<std::uint32_t>>(count);
  std::memcpy(copy->data(), mapping.bytes.data(), mapping.bytes.size());
  return {*copy, copy};
}

}  // namespace

void check_document(std::uint64_t document, std::size_t size) {
  if (document < size) return;
  throw Error(ErrorClass::kData,
              "dsi.unknown_document",
              {.what = "there is no such document",
               .seen = fmt::format("{}", document),
               .wanted = fmt::format("a number below {}", size),
               .remedy = "give the row of an indexed document"});
}

DocidTrie DocidTrie::build(const DocidSequences& sequences) {
  auto arrays = std::make_shared<TrieArrays>(build_trie_arrays(sequences));
  DocidTrie trie;
  trie.nodes_ = arrays->nodes;
  trie.documents_ = arrays->documents;
  trie.leaves_ = arrays->leaves;
  trie.depth_ = arrays->depth;
  trie.tokens_ = arrays->tokens;
  trie.keep_ = std::move(arrays);
  return trie;
}

DocidTrie DocidTrie::open(const io::SafetensorsReader& file) {
  auto nodes = map_numbers(file, "nodes");
  auto documents = map_numbers(file, "documents"), leaves = map_numbers(file, "leaves");
  if (file.info("nodes").shape.size() != 2 || file.info("nodes").shape[1] != 4)
    fail_damaged_trie("the nodes are no rows of four numbers", "another shape", "[nodes + 1, 4]");
  DocidTrie trie;
  trie.nodes_ = {reinterpret_cast<const Node*>(nodes.values.data()), nodes.values.size() / 4};
  trie.documents_ = documents.values;
  trie.leaves_ = leaves.values;
  const TrieExtent extent = check_trie_arrays(trie.nodes_, trie.documents_, trie.leaves_);
  trie.depth_ = extent.depth;
  trie.tokens_ = extent.tokens;
  struct Kept {
    std::shared_ptr<const void> nodes, documents, leaves;
  };
  trie.keep_ = std::make_shared<const Kept>(
      Kept{std::move(nodes.keep), std::move(documents.keep), std::move(leaves.keep)});
  return trie;
}

std::size_t DocidTrie::bytes() const {
  return nodes_.size_bytes() + documents_.size_bytes() + leaves_.size_bytes();
}

std::optional<std::uint32_t> DocidTrie::child(std::uint32_t node, std::uint32_t token) const {
  const auto [begin, end] = children(node);
  const Node* const first = nodes_.data() + begin;
  const Node* const last = nodes_.data() + end;
  const Node* const found = std::lower_bound(
      first, last, token, [](const Node& other, std::uint32_t wanted) { return other.token < wanted; });
  if (found == last || found->token != token) return std::nullopt;
  return static_cast<std::uint32_t>(found - nodes_.data());
}

std::optional<std::uint32_t> DocidTrie::find(std::span<const std::uint32_t> prefix) const {
  if (prefixes() == 0) return std::nullopt;
  std::optional<std::uint32_t> node = 0;
  for (const std::uint32_t token : prefix) {
    if (token == kEndToken) return std::nullopt;
    node = child(*node, token);
    if (!node) break;
  }
  return node;
}

std::optional<std::uint32_t> DocidTrie::document_of(std::span<const std::uint32_t> sequence) const {
  if (sequence.empty() || sequence.back() != kEndToken) return std::nullopt;
  const auto node = find(sequence.first(sequence.size() - 1));
  if (!node || !may_end(*node)) return std::nullopt;
  return document(leaves(*node).begin);
}

void DocidTrie::append_sequence(std::uint32_t leaf, std::vector<std::uint32_t>& tokens) const {
  std::uint32_t node = 0;
  while (!(may_end(node) && leaves(node).begin == leaf)) {
    const auto [begin, end] = children(node);
    // The last child whose leaves begin at or before this one.
    const Node* const found = std::upper_bound(
        nodes_.data() + begin, nodes_.data() + end, leaf, [](std::uint32_t wanted, const Node& other) {
          return wanted < other.first_leaf;
        });
    node = static_cast<std::uint32_t>(found - nodes_.data()) - 1;
    tokens.push_back(token(node));
  }
  tokens.push_back(kEndToken);
}

std::vector<std::uint32_t> DocidTrie::sequence(std::uint32_t document) const {
  check_document(document, size());
  std::vector<std::uint32_t> tokens;
  append_sequence(leaf(document), tokens);
  return tokens;
}

DocidSequences DocidTrie::sequences() const {
  DocidSequences all;
  all.ends.reserve(size());
  for (std::uint32_t document = 0; document < size(); ++document) {
    append_sequence(leaf(document), all.tokens);
    all.ends.push_back(all.tokens.size());
  }
  return all;
}

void write_trie(WritableFile& file, const DocidTrie& trie) {
  const std::vector<io::TensorView> tensors{
      {"nodes", io::DType::kU32, {trie.nodes().size(), 4}, std::as_bytes(trie.nodes())},
      {"documents", io::DType::kU32, {trie.size()}, std::as_bytes(trie.documents())},
      {"leaves", io::DType::kU32, {trie.size()}, std::as_bytes(trie.document_leaves())}};
  io::write_safetensors(file, tensors);
}

void add_trie_member(io::BundleWriter& bundle, const DocidTrie& trie) {
  bundle.add(kMember, [&](WritableFile& file) { write_trie(file, trie); });
}

DocidTrie open_trie_member(const io::BundleReader& bundle) {
  return DocidTrie::open(bundle.open_tensors(kMember));
}

}  // namespace tenfold::dsi
