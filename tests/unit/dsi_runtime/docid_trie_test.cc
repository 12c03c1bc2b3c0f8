// SPDX-License-Identifier: Apache-2.0
// The trie against std::map, and what damaged files may not do.
#include "tenfold/systems/dsi/runtime/docid_trie.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <span>

#include "tenfold/base/file_system.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/memory_file.h"
#include "tests/unit/dsi_runtime/random_docids.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::dsi {
namespace {

using Tokens = std::vector<std::uint32_t>;

// All sequences below a node by walking down, in order.
void enumerate(const DocidTrie& trie, std::uint32_t node, Tokens& prefix, std::vector<Tokens>& out) {
  if (trie.may_end(node)) {
    out.push_back(prefix);
    out.back().push_back(kEndToken);
  }
  for (std::uint32_t child = trie.children(node).begin; child < trie.children(node).end; ++child) {
    prefix.push_back(trie.token(child));
    enumerate(trie, child, prefix, out);
    prefix.pop_back();
  }
}

TEST(DocidTrie, EqualsAMapOfAHundredThousandIdentifiers) {
  const auto docids = random_docids({.seed = 3, .count = 100'000, .tokens = 40, .longest = 6});
  const DocidTrie trie = DocidTrie::build(as_sequences(docids));
  std::map<Tokens, std::uint32_t> oracle;
  for (std::uint32_t i = 0; i < docids.size(); ++i) oracle[docids[i]] = i;
  ASSERT_EQ(trie.size(), docids.size());
  EXPECT_LE(trie.bytes(), 16 * (trie.prefixes() + trie.size()));
  std::vector<Tokens> found;
  Tokens prefix;
  enumerate(trie, 0, prefix, found);
  auto expected = oracle.begin();
  std::uint32_t leaf = 0;
  ASSERT_EQ(found.size(), oracle.size());
  for (const Tokens& sequence : found) {
    ASSERT_EQ(sequence, expected->first);
    ASSERT_EQ(trie.document(leaf), expected->second);
    ASSERT_EQ(trie.leaf(expected->second), leaf);
    ASSERT_EQ(trie.document_of(sequence), expected->second);
    ++leaf;
    ++expected;
  }
  EXPECT_EQ(trie.sequence(77), docids[77]);
  EXPECT_EQ(trie.sequences().tokens, as_sequences(docids).tokens);
}

TEST(DocidTrie, AnswersPrefixesAsAMapDoes) {
  const auto docids = random_docids({.seed = 5, .count = 3000, .tokens = 12, .longest = 5});
  const DocidTrie trie = DocidTrie::build(as_sequences(docids));
  const std::set<Tokens> oracle(docids.begin(), docids.end());
  random::Generator draws(11, 0);
  for (int round = 0; round < 5000; ++round) {
    Tokens prefix(draws.below(5));
    for (auto& token : prefix) token = 1 + draws.below(13);
    const auto below = oracle.lower_bound(prefix);
    std::size_t count = 0;
    for (auto it = below; it != oracle.end() && it->size() > prefix.size() &&
                          std::equal(prefix.begin(), prefix.end(), it->begin());
         ++it)
      ++count;
    const auto node = trie.find(prefix);
    ASSERT_EQ(node.has_value(), count > 0);
    if (node) {
      ASSERT_EQ(trie.leaves(*node).size(), count);
    }
    Tokens whole = prefix;
    whole.push_back(kEndToken);
    ASSERT_EQ(trie.document_of(whole).has_value(), oracle.count(whole) == 1);
  }
}

TEST(DocidTrie, KeepsAnIdentifierThatIsAPrefixOfAnother) {
  // "1" and "10" of a naive scheme with digits as tokens 1 to 10.
  const DocidTrie trie = DocidTrie::build(as_sequences({{2, 1, 0}, {2, 0}, {0}}));
  EXPECT_EQ(trie.document_of(Tokens{2, 0}), 1u);
  EXPECT_EQ(trie.document_of(Tokens{2, 1, 0}), 0u);
  EXPECT_EQ(trie.document_of(Tokens{0}), 2u);
  EXPECT_EQ(trie.document_of(Tokens{1, 0}), std::nullopt);
  EXPECT_EQ(trie.document_of(Tokens{2}), std::nullopt);
  EXPECT_EQ(trie.depth(), 3u);
  EXPECT_EQ(trie.token_count(), 3u);
}

TEST(DocidTrie, RefusesIdentifiersThatAreNone) {
  EXPECT_EQ(code_of([] { DocidTrie::build({}); }), "dsi.empty_corpus");
  EXPECT_EQ(code_of([] { DocidTrie::build(as_sequences({{1, 0}, {1, 2}})); }), "dsi.docid_without_end");
  EXPECT_EQ(code_of([] { DocidTrie::build(as_sequences({{1, 0}, {}})); }), "dsi.docid_without_end");
  EXPECT_EQ(code_of([] { DocidTrie::build(as_sequences({{1, 0, 1, 0}})); }), "dsi.end_inside_docid");
  EXPECT_EQ(code_of([] { DocidTrie::build(as_sequences({{0xFFFFFFFFu, 0}})); }), "dsi.too_many_nodes");
  try {
    DocidTrie::build(as_sequences({{1, 0}, {3, 4, 0}, {2, 0}, {3, 4, 0}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "dsi.duplicate_docid");
    EXPECT_EQ(error.text().seen, "documents 1 and 3");
  }
}

TEST(DocidTrie, NamesAnUnknownDocument) {
  const DocidTrie trie = DocidTrie::build(as_sequences({{1, 0}}));
  EXPECT_EQ(code_of([&] { trie.sequence(1); }), "dsi.unknown_document");
}

class TrieFile : public testing::Test {
 protected:
  static DocidTrie small() {
    return DocidTrie::build(as_sequences(random_docids({.seed = 9, .count = 60, .tokens = 4, .longest = 4})));
  }
  // The arrays as a file in memory that is opened; valid until the next one.
  DocidTrie open(std::span<const DocidTrie::Node> nodes,
                 std::span<const std::uint32_t> documents,
                 std::span<const std::uint32_t> leaves) {
    const std::vector<io::TensorView> tensors{
        {"nodes", io::DType::kU32, {nodes.size(), 4}, std::as_bytes(nodes)},
        {"documents", io::DType::kU32, {documents.size()}, std::as_bytes(documents)},
        {"leaves", io::DType::kU32, {leaves.size()}, std::as_bytes(leaves)}};
    file_ = MemoryFile();
    io::write_safetensors(file_, tensors);
    return DocidTrie::open(file_.reader());
  }

  MemoryFile file_;
};

TEST_F(TrieFile, ComesBackFromABundleByteForByte) {
  const io::TempFolder folder;
  const DocidTrie trie = small();
  io::BundleWriter writer(
      real_file_system(), folder.path() / "index", {.system = "dsi", .created_by = "test"});
  add_trie_member(writer, trie);
  writer.commit();
  const DocidTrie back = open_trie_member(io::BundleReader::open(folder.path() / "index"));
  ASSERT_EQ(back.nodes().size(), trie.nodes().size());
  EXPECT_EQ(std::memcmp(back.nodes().data(), trie.nodes().data(), trie.nodes().size_bytes()), 0);
  EXPECT_TRUE(std::ranges::equal(back.documents(), trie.documents()));
  EXPECT_EQ(back.depth(), trie.depth());
  EXPECT_EQ(back.token_count(), trie.token_count());
}

TEST_F(TrieFile, EveryChangedNumberIsRefusedOrGivesAWholeTrie) {
  const DocidTrie trie = small();
  const std::vector<DocidTrie::Node> nodes(trie.nodes().begin(), trie.nodes().end());
  random::Generator draws(2, 0);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    auto changed = nodes;
    auto* numbers = reinterpret_cast<std::uint32_t*>(changed.data());
    const std::uint32_t at = draws.below(static_cast<std::uint32_t>(4 * changed.size()));
    const std::uint32_t value = draws.below(2) == 0 ? draws.next_u32() : numbers[at] + draws.below(3) - 1;
    numbers[at] = value;
    const std::string code = code_of([&] {
      const DocidTrie opened = open(changed, trie.documents(), trie.document_leaves());
      std::vector<Tokens> all;
      Tokens prefix;
      enumerate(opened, 0, prefix, all);
      EXPECT_EQ(all.size(), opened.size());
    });
    EXPECT_TRUE(code.empty() || code == "dsi.damaged_trie") << code;
    refused += code.empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 200);
}

TEST_F(TrieFile, RefusesDocumentsThatAreNoPermutation) {
  const DocidTrie trie = small();
  std::vector<std::uint32_t> documents(trie.documents().begin(), trie.documents().end());
  documents[4] = documents[5];
  EXPECT_EQ(code_of([&] { open(trie.nodes(), documents, trie.document_leaves()); }), "dsi.damaged_trie");
  documents[4] = 60;
  EXPECT_EQ(code_of([&] { open(trie.nodes(), documents, trie.document_leaves()); }), "dsi.damaged_trie");
  EXPECT_EQ(code_of([&] { open({}, trie.documents(), trie.document_leaves()); }), "dsi.damaged_trie");
  EXPECT_EQ(code_of([&] { open(trie.nodes(), {}, {}); }), "dsi.damaged_trie");
}

}  // namespace
}  // namespace tenfold::dsi
