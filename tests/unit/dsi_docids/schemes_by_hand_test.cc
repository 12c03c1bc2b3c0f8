// SPDX-License-Identifier: Apache-2.0
// Identifiers that can be worked out by hand, one scheme after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tenfold/systems/dsi/docids/digit_code.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"
#include "tenfold/systems/dsi/docids/title_scheme.h"
#include "tenfold/systems/dsi/docids/tree_scheme.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_docids/docid_data.h"

namespace tenfold::dsi {
namespace {

using Tokens = std::vector<std::uint32_t>;
using Texts = std::vector<std::string>;

TEST(DigitCode, WritesDigitsAsTokensAndBack) {
  const DigitCode plain, by_level{.block = 30, .levels = 3};
  EXPECT_EQ(plain.tokens(), 11u);
  EXPECT_TRUE(plain.level_begins().empty());
  EXPECT_EQ(plain.encode({3, 1, 4}), (Tokens{4, 2, 5, 0}));
  EXPECT_EQ(by_level.tokens(), 91u);
  EXPECT_EQ(by_level.level_begins(), (Tokens{1, 31, 61}));
  EXPECT_EQ(by_level.encode({29, 0, 4}), (Tokens{30, 31, 65, 0}));
  EXPECT_EQ(by_level.decode(Tokens{30, 31, 65, 0}), (Digits{29, 0, 4}));
  EXPECT_EQ(by_level.decode(Tokens{30, 31}), (Digits{29, 0}));
  EXPECT_EQ(digits_text(Digits{3, 1, 4}), "3-1-4");
  EXPECT_EQ(code_of([&] { by_level.encode({1, 2, 3, 4}); }), "dsi.docids_full");
  EXPECT_EQ(code_of([&] { by_level.decode(Tokens{31}); }), "dsi.bad_docid");
  EXPECT_EQ(code_of([&] { by_level.decode(Tokens{1, 31, 61, 91}); }), "dsi.bad_docid");
  EXPECT_EQ(code_of([&] { plain.decode(Tokens{11}); }), "dsi.bad_docid");
}

TEST(DigitCode, WritesNumbers) {
  for (const auto& [number, base, expected] : std::vector<std::tuple<std::uint64_t, std::uint32_t, Digits>>{
           {0, 10, {0}}, {10, 10, {1, 0}}, {29, 30, {29}}, {30, 30, {1, 0}}, {6, 2, {1, 1, 0}}}) {
    Digits digits;
    append_number(number, base, digits);
    EXPECT_EQ(digits, expected);
    EXPECT_EQ(parse_number(digits, base), number);
  }
  EXPECT_EQ(code_of([] { parse_number({}, 10); }), "dsi.bad_docid");
  EXPECT_EQ(code_of([] { parse_number(Digits{2}, 2); }), "dsi.bad_docid");
  EXPECT_EQ(code_of([] { parse_number(Digits(80, 1), 2); }), "dsi.bad_docid");
}

TEST(NaiveDocids, AreTheNumbersInDrawnOrder) {
  const auto scheme = make_docid_scheme({.scheme = "naive"});
  Docids docids = scheme->assign({.count = 12});
  Texts texts = texts_of(*scheme, docids);
  const Texts sorted = {"0", "1", "1-0", "1-1", "2", "3", "4", "5", "6", "7", "8", "9"};
  EXPECT_FALSE(std::is_sorted(texts.begin(), texts.end()));
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(texts, sorted);
  // "1" is a prefix of "1-0", and both are documents.
  const DocidTrie trie = DocidTrie::build(docids.packed());
  const auto one = trie.document_of(Tokens{2, 0}), ten = trie.document_of(Tokens{2, 1, 0});
  ASSERT_TRUE(one && ten);
  EXPECT_EQ(scheme->text(docids.sequences[*one]), "1");
  EXPECT_EQ(scheme->text(docids.sequences[*ten]), "1-0");
  scheme->add({.count = 3}, docids);
  Texts added = texts_of(*scheme, docids);
  added.erase(added.begin(), added.begin() + 12);
  std::sort(added.begin(), added.end());
  EXPECT_EQ(added, (Texts{"1-2", "1-3", "1-4"}));
}

TEST(AtomicDocids, AreTheRows) {
  const auto scheme = make_docid_scheme({.scheme = "atomic"});
  Docids docids = scheme->assign({.count = 2});
  scheme->add({.count = 1}, docids);
  EXPECT_EQ(docids.sequences, (std::vector<Tokens>{{0}, {1}, {2}}));
  EXPECT_EQ(docids.tokens, 3u);
}

TEST(SemanticDocids, AreNumbersWhereOneLeafHoldsAll) {
  const MadeUp documents(grouped_vectors(100));
  const auto scheme = make_docid_scheme({.scheme = "semantic"});
  const Docids docids = scheme->assign(documents.documents());
  EXPECT_EQ(scheme->text(docids.sequences[0]), "0");
  EXPECT_EQ(scheme->text(docids.sequences[1]), "1");
  EXPECT_EQ(scheme->text(docids.sequences[10]), "1-0");
  EXPECT_EQ(scheme->text(docids.sequences[99]), "9-9");
  EXPECT_EQ(docids.tokens, 11u);
}

TEST(SemanticDocids, ShareTheDigitsOfTheirClusters) {
  const MadeUp documents({0.0f, 10.1f, 0.1f, 10.0f}, 1);
  const auto scheme = make_docid_scheme({.scheme = "semantic", .branches = 2, .leaf = 2});
  const Texts texts = texts_of(*scheme, scheme->assign(documents.documents()));
  const std::string low = texts[0].substr(0, 1), high = low == "0" ? "1" : "0";
  EXPECT_EQ(texts, (Texts{low + "-0", high + "-0", low + "-1", high + "-1"}));
}

TEST(SemanticDocids, DivideEqualVectorsEvenly) {
  const MadeUp documents(std::vector<float>(500, 2.0f), 1);
  for (const std::int64_t depth : {8, 0}) {
    const auto scheme = make_docid_scheme({.scheme = "semantic", .depth = depth});
    Docids docids = scheme->assign(documents.documents());
    EXPECT_EQ(scheme->text(docids.sequences[0]), "0-0");
    EXPECT_EQ(scheme->text(docids.sequences[50]), "1-0");
    EXPECT_EQ(scheme->text(docids.sequences[499]), "9-4-9");
    // New ones go where the fewest are: to each in turn.
    const MadeUp more(std::vector<float>(11, 2.0f), 1);
    scheme->add(more.documents(), docids);
    EXPECT_EQ(scheme->text(docids.sequences[500]), "0-5-0");
    EXPECT_EQ(scheme->text(docids.sequences[509]), "9-5-0");
    EXPECT_EQ(scheme->text(docids.sequences[510]), "0-5-1");
  }
}

TEST(SemanticDocids, NewDocumentsGoToTheNearestClusters) {
  const MadeUp documents(grouped_vectors(400));
  const auto scheme = make_docid_scheme({.scheme = "semantic", .leaf = 15});
  Docids docids = scheme->assign(documents.documents());
  scheme->add(documents.documents(), docids);  // the same vectors again
  const ClusterTree& tree = dynamic_cast<const TreeScheme&>(*scheme).tree();
  const DigitCode code;
  for (std::size_t i = 0; i < 400; ++i) {
    std::size_t used = 0;
    const std::uint32_t first = tree.leaf_at(code.decode(docids.sequences[i]), used);
    EXPECT_EQ(tree.leaf_at(code.decode(docids.sequences[400 + i]), used), first);
  }
}

TEST(ClusterTree, EveryVectorStandsAtItsNearestCentroidsInALeafOfAtMostC) {
  const std::vector<float> values = grouped_vectors(600);
  const search::Vectors rows = search::as_vectors(values, kWidth);
  std::vector<std::uint32_t> leaf_of;
  const ClusterTree tree = ClusterTree::build(rows, {.branches = 6, .leaf = 12, .seed = 3}, leaf_of);
  tree.check();
  const auto firsts = tree.first_centroids();
  const auto paths = tree.paths();
  std::vector<std::size_t> counts(tree.size(), 0);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    EXPECT_EQ(tree.kind(leaf_of[i]), ClusterTree::Kind::kLeaf);
    EXPECT_LE(++counts[leaf_of[i]], 12u);
    std::uint32_t node = 0;
    for (const std::uint32_t digit : paths[leaf_of[i]]) {
      std::vector<double> distances(6, 0.0);
      for (std::size_t k = 0; k < 6; ++k)
        for (std::size_t j = 0; j < kWidth; ++j) {
          const double difference =
              rows.row(i)[j] - static_cast<double>(tree.centroids[(firsts[node] + k) * kWidth + j]);
          distances[k] += difference * difference;
        }
      if (tree.kind(node) == ClusterTree::Kind::kClusters) {
        EXPECT_NEAR(distances[digit], *std::min_element(distances.begin(), distances.end()), 1e-3);
      }
      node = tree.children_of(node)[digit];
    }
  }
}

TEST(PositionDocids, HaveABlockOfTokensForEachLevelAndOneToSpare) {
  const MadeUp documents(std::vector<float>(40, 1.0f), 1);
  const auto scheme = make_docid_scheme({.scheme = "position"});
  const Docids docids =
      scheme->assign(documents.documents());  // 40 above c = 30: document i in group i * 30 / 40
  EXPECT_EQ(docids.tokens, 91u);
  EXPECT_EQ(docids.level_begins, (Tokens{1, 31, 61}));
  EXPECT_EQ(docids.sequences[0], (Tokens{1, 31, 0}));
  EXPECT_EQ(docids.sequences[1], (Tokens{1, 32, 0}));
  EXPECT_EQ(docids.sequences[39], (Tokens{30, 31, 0}));
}

TEST(PositionDocids, SayWhenTheirLevelsAreFull) {
  // k = c = 2 and equal vectors: leaves with two and one documents; two places for numbers in base 2: four documents a leaf.
  const MadeUp documents({1, 1, 1}, 1), six({1, 1, 1, 1, 1, 1}, 1), five({1, 1, 1, 1, 1}, 1);
  const auto scheme = make_docid_scheme({.scheme = "position", .branches = 2, .leaf = 2});
  Docids docids = scheme->assign(documents.documents());
  EXPECT_EQ(code_of([&] { scheme->add(six.documents(), docids); }), "dsi.docids_full");
  EXPECT_EQ(docids.sequences.size(), 3u);
  scheme->add(five.documents(), docids);
  Texts texts = texts_of(*scheme, docids);
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(texts, (Texts{"0-0", "0-1", "0-1-0", "0-1-1", "1-0", "1-1", "1-1-0", "1-1-1"}));
}

TEST(RandomTreeDocids, AreTheSemanticOnesInAnotherOrder) {
  const MadeUp documents(grouped_vectors(300));
  const auto semantic = make_docid_scheme({.scheme = "semantic", .leaf = 20})->assign(documents.documents());
  const auto random = make_docid_scheme({.scheme = "random_tree", .leaf = 20})->assign(documents.documents());
  EXPECT_NE(semantic.sequences, random.sequences);
  EXPECT_EQ(std::set(semantic.sequences.begin(), semantic.sequences.end()),
            std::set(random.sequences.begin(), random.sequences.end()));
  EXPECT_EQ(semantic.tokens, random.tokens);
}

TEST(ResidualDocids, NumberThoseWithTheSameCodes) {
  const MadeUp documents({0, 8, 0, 0}, 1);
  const auto scheme = make_docid_scheme({.scheme = "residual", .levels = 1, .codewords = 2});
  Docids docids = scheme->assign(documents.documents());
  const MadeUp more({1, 7}, 1);
  scheme->add(more.documents(), docids);
  const Texts texts = texts_of(*scheme, docids);
  const std::string low = texts[0], high = low == "0" ? "1" : "0";
  EXPECT_EQ(texts, (Texts{low, high, low + "-1", low + "-1-0", low + "-1-1", high + "-1"}));
  EXPECT_EQ(docids.tokens, 9u);  // codes, numbers up to "10", one level more
}

TEST(ResidualDocids, CodesAreOfWhatTheLevelsBeforeLeftOver) {
  // Sums of one of {0, 100} and one of {-3, 3}: two levels of two codewords tell the four apart.
  const MadeUp documents({-3, 3, 97, 103}, 1);
  const auto scheme = make_docid_scheme({.scheme = "residual", .levels = 2, .codewords = 2});
  const Texts texts = texts_of(*scheme, scheme->assign(documents.documents()));
  EXPECT_EQ(texts[0][0], texts[1][0]);
  EXPECT_EQ(texts[2][0], texts[3][0]);
  EXPECT_NE(texts[0][0], texts[2][0]);
  EXPECT_EQ(texts[0][2], texts[2][2]);
  EXPECT_EQ(texts[1][2], texts[3][2]);
  for (const std::string& text : texts) EXPECT_EQ(text.size(), 3u);
}

TEST(TitleDocids, AreWordsWithANumberWhereTheyRepeat) {
  const Texts titles = {"New York", "new, York!", "Paris", "", "", "Ärger"};
  const Texts texts = {"x", "y", "z", "Hello world again", "", ""};
  const auto scheme = make_docid_scheme({.scheme = "title", .words = 2});
  Docids docids = scheme->assign({.count = 6, .titles = titles, .texts = texts});
  EXPECT_EQ(texts_of(*scheme, docids),
            (Texts{"new york", "new york #1", "paris", "hello world", "#0", "ärger"}));
  // The words by frequency, then by letters: new york hello paris world ärger.
  EXPECT_EQ(docids.tokens, 17u);
  EXPECT_EQ(docids.sequences[0], (Tokens{11, 12, 0}));
  EXPECT_EQ(docids.sequences[1], (Tokens{11, 12, 2, 0}));
  EXPECT_EQ(docids.sequences[2], (Tokens{14, 0}));
  EXPECT_EQ(docids.sequences[4], (Tokens{1, 0}));
  const Texts more = {"York", "Zanzibar", "New Zanzibar York", "New"};
  scheme->add({.count = 4, .titles = more}, docids);
  const Texts all = texts_of(*scheme, docids);
  EXPECT_EQ(Texts(all.begin() + 6, all.end()), (Texts{"york", "#1", "new", "new #1"}));
  EXPECT_EQ(code_of([&] { scheme->add({.count = 4}, docids); }), "dsi.no_titles");
}

TEST(TitleDocids, KeepTheMostFrequentWordsOnly) {
  const Texts titles = {"red house", "red river", "house"};
  const auto scheme = make_docid_scheme({.scheme = "title", .vocabulary = 2});
  EXPECT_EQ(texts_of(*scheme, scheme->assign({.count = 3, .titles = titles})),
            (Texts{"red house", "red", "house"}));
}

}  // namespace
}  // namespace tenfold::dsi
