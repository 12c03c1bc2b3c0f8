// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/live_leaves.h"

#include <gtest/gtest.h>

#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/random_docids.h"

namespace tenfold::dsi {
namespace {

class LiveLeaves : public testing::Test {
 protected:
  LiveTrie live_{DocidTrie::build(as_sequences(random_docids({.count = 777, .tokens = 9, .longest = 4})))};

  // What is left below a node, counted one by one.
  std::uint32_t count_below(std::uint32_t node) const {
    std::uint32_t count = 0;
    const IndexRange leaves = live_.trie().leaves(node);
    for (std::uint32_t leaf = leaves.begin; leaf < leaves.end; ++leaf)
      count += live_.is_live(live_.trie().document(leaf)) ? 1 : 0;
    return count;
  }
};

TEST_F(LiveLeaves, CountsEverySubtreeAfterDeletesAndRestores) {
  random::Generator draws(4, 0);
  std::size_t left = live_.trie().size();
  EXPECT_TRUE(live_.live().all());
  for (int round = 0; round < 600; ++round) {
    const std::uint32_t document = draws.below(777);
    const bool was = live_.is_live(document);
    if (draws.below(4) == 0) {
      EXPECT_EQ(live_.restore(document), !was);
      left += was ? 0 : 1;
    } else {
      EXPECT_EQ(live_.erase(document), was);
      left -= was ? 1 : 0;
    }
  }
  EXPECT_EQ(live_.size(), left);
  EXPECT_EQ(live_.erased().count(), 777 - left);
  for (std::uint32_t node = 0; node < live_.trie().prefixes(); ++node) {
    const IndexRange leaves = live_.trie().leaves(node);
    ASSERT_EQ(live_.live().count(leaves), count_below(node));
    ASSERT_EQ(live_.live().any(leaves), count_below(node) > 0);
  }
}

TEST_F(LiveLeaves, FilterIsTheAndOfBitmapAndDeletes) {
  random::Generator draws(6, 0);
  search::Bitmap allowed(777);
  for (int i = 0; i < 300; ++i) allowed.set(draws.below(777));
  for (int i = 0; i < 300; ++i) live_.erase(draws.below(777));
  const LeafSet set = live_.filtered(allowed);
  std::size_t count = 0;
  for (std::uint32_t document = 0; document < 777; ++document) {
    const bool wanted = allowed.test(document) && live_.is_live(document);
    ASSERT_EQ(set.test(live_.trie().leaf(document)), wanted);
    count += wanted ? 1 : 0;
  }
  EXPECT_EQ(set.count(), count);
  EXPECT_EQ(set.count(live_.trie().leaves(0)), count);
}

TEST_F(LiveLeaves, RefusesUnknownDocumentsAndFiltersOfOtherSizes) {
  EXPECT_EQ(code_of([&] { live_.erase(777); }), "dsi.unknown_document");
  EXPECT_EQ(code_of([&] { live_.restore(1u << 31); }), "dsi.unknown_document");
  EXPECT_EQ(code_of([&] { live_.filtered(search::Bitmap(776)); }), "dsi.filter_size");
  EXPECT_EQ(live_.size(), 777u);
}

TEST(LeafSet, HoldsNumbersThatFillWholeWords) {
  for (const std::size_t size : {1u, 63u, 64u, 65u, 128u}) {
    LeafSet set(size, true);
    const auto end = static_cast<std::uint32_t>(size);
    EXPECT_EQ(set.count(), size);
    EXPECT_EQ(set.count({0, end}), size);
    EXPECT_TRUE(set.clear(end - 1));
    EXPECT_FALSE(set.clear(end - 1));
    EXPECT_EQ(set.count({0, end}), size - 1);
    EXPECT_FALSE(set.any({end - 1, end}));
    EXPECT_TRUE(set.set(end - 1));
    EXPECT_TRUE(set.all());
    EXPECT_EQ(LeafSet(size, false).count(), 0u);
  }
}

}  // namespace
}  // namespace tenfold::dsi
