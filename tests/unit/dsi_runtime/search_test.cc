// SPDX-License-Identifier: Apache-2.0
// Constrained searches: only identifiers that exist, scores of the model, exact search against scoring every document.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "tenfold/systems/dsi/runtime/beam_search.h"
#include "tenfold/systems/dsi/runtime/best_first.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/plain_t5.h"
#include "tests/unit/dsi_runtime/random_docids.h"

namespace tenfold::dsi {
namespace {

using Tokens = std::vector<std::uint32_t>;
using Docids = std::vector<Tokens>;

// A model, a trie of its docids and memories of random texts.
struct Case {
  PlainT5 plain;
  Docids docids;
  MemoryFile file;
  DocidDecoder decoder;
  LiveTrie live;
  std::vector<PlainT5::Rows> memories;
  std::vector<std::vector<float>> floats;
  std::vector<DecodingQuery> queries;

  Case(const PlainShape& shape, const RandomDocids& ids, int query_count)
      : plain(shape),
        docids(random_docids(ids)),
        file(plain.file()),
        decoder(DocidDecoder::open(file.reader(), {})),
        live(DocidTrie::build(as_sequences(docids))) {
    random::Generator draws(shape.seed, 1000);
    for (int i = 0; i < query_count; ++i) {
      PlainT5::Rows memory(1 + draws.below(18), PlainT5::Row(shape.d));
      for (auto& row : memory) {
        for (double& x : row) x = static_cast<float>(draws.normal());
      }
      memories.push_back(memory);
      floats.push_back(as_floats(memory));
    }
    for (int i = 0; i < query_count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      queries.push_back({{floats[at].data(), static_cast<std::ptrdiff_t>(shape.d), memories[at].size()}});
    }
  }
  const DocidTrie& trie() const { return live.trie(); }

  // log p of every document, from the oracle.
  std::map<std::uint32_t, double> score_all(std::size_t query, bool after_mask) const {
    std::map<std::uint32_t, double> scores;
    Tokens prefix;
    walk(query, after_mask, 0, 0.0, prefix, scores);
    return scores;
  }
  void walk(std::size_t query,
            bool after_mask,
            std::uint32_t node,
            double sum,
            Tokens& prefix,
            std::map<std::uint32_t, double>& scores) const {
    const auto logits = plain.logits(memories[query], prefix);
    PlainT5::Row seen;
    if (trie().may_end(node)) seen.push_back(logits[0]);
    const IndexRange children = trie().children(node);
    for (std::uint32_t child = children.begin; child < children.end; ++child)
      seen.push_back(logits[trie().token(child)]);
    const PlainT5::Row& over = after_mask ? seen : logits;
    double total = 0;
    for (const double logit : over) total += std::exp(logit);
    const double base = sum - std::log(total);
    if (trie().may_end(node)) scores[trie().document(trie().leaves(node).begin)] = base + logits[0];
    for (std::uint32_t child = children.begin; child < children.end; ++child) {
      prefix.push_back(trie().token(child));
      walk(query, after_mask, child, base + logits[prefix.back()], prefix, scores);
      prefix.pop_back();
    }
  }
};

// Every rule of a result list that needs no oracle.
void check_results(const Case& input,
                   const std::vector<FoundDocid>& found,
                   const BeamOptions& options,
                   std::size_t allowed) {
  std::set<std::uint32_t> seen;
  float last = std::numeric_limits<float>::infinity();
  for (const FoundDocid& hit : found) {
    ASSERT_LT(hit.document, input.trie().size());
    ASSERT_TRUE(seen.insert(hit.document).second) << "twice";
    ASSERT_TRUE(std::isfinite(hit.score));
    ASSERT_LE(hit.score, last);
    ASSERT_LE(hit.log_probability, 1e-4F);
    last = hit.score;
  }
  ASSERT_EQ(found.size(), std::min(allowed, static_cast<std::size_t>(options.k)));
}

TEST(BeamSearch, AnswersTenThousandRandomModelsWithValidIdentifiers) {
  random::Generator draws(77, 0);
  const std::int64_t beams[] = {1, 2, 20};
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    const std::uint32_t tokens = 2 + draws.below(6), longest = 1 + draws.below(5);
    // No more than half of the identifiers there are.
    const auto most = static_cast<std::uint32_t>(std::min(40.0, 1 + std::pow(tokens - 1, longest) / 2));
    const PlainShape shape{.d = 5,
                           .heads = 1,
                           .d_kv = 4,
                           .feed_forward = 4,
                           .encoder_layers = 1,
                           .decoder_layers = 1,
                           .vocabulary = 1,
                           .tokens = tokens,
                           .positions = longest + 1,
                           .buckets = 4,
                           .spread = seed % 3 == 0 ? 200.0 : 1.0,
                           .seed = seed};
    Case input(
        shape, {.seed = seed, .count = 1 + draws.below(most), .tokens = tokens - 1, .longest = longest}, 1);
    BeamSearch search(input.decoder, input.trie());
    for (const std::int64_t beam : beams) {
      const BeamOptions options{
          .beams = beam,
          .k = 1 + static_cast<std::int64_t>(draws.below(12)),
          .length_penalty = draws.below(4) == 0 ? 0.8 : 0.0,
          .normalisation = {.after_mask = draws.below(2) == 0, .free_forced_end = draws.below(2) == 0}};
      const auto results = search.search(input.queries, options);
      check_results(input, results[0].found, options, input.trie().size());
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << " beams " << beam;
    }
  }
}

TEST(BeamSearch, GivesTheOraclesProbabilitiesWithoutItsOwnCache) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Case input({.tokens = 9, .seed = seed}, {.seed = seed, .count = 60, .tokens = 8, .longest = 5}, 2);
    BeamSearch search(input.decoder, input.trie());
    const bool after_mask = seed % 2 == 0;
    const auto results =
        search.search(input.queries, {.beams = 4, .k = 4, .normalisation = {.after_mask = after_mask}});
    for (std::size_t query = 0; query < 2; ++query) {
      const auto scores = input.score_all(query, after_mask);
      for (const FoundDocid& hit : results[query].found)
        ASSERT_NEAR(hit.log_probability, scores.at(hit.document), 1e-3) << seed;
    }
  }
}

TEST(BeamSearch, LooksOnlyAtContinuationsOfALargeVocabulary) {
  for (const bool after_mask : {false, true}) {
    const Case input(
        {.tokens = 3000, .seed = 17}, {.seed = 17, .count = 150, .tokens = 2999, .longest = 3}, 2);
    BeamSearch search(input.decoder, input.trie());
    BestFirstSearch exact(input.decoder, input.trie());
    const NormalisationOptions normalisation{.after_mask = after_mask};
    const auto results = search.search(input.queries, {.beams = 20, .k = 20, .normalisation = normalisation});
    for (std::size_t query = 0; query < 2; ++query) {
      const auto scores = input.score_all(query, after_mask);
      ASSERT_EQ(results[query].found.size(), 20u);
      for (const FoundDocid& hit : results[query].found)
        ASSERT_NEAR(hit.log_probability, scores.at(hit.document), 1e-3);
      const auto best = exact.search(input.queries[query], {.k = 3, .normalisation = normalisation}).found;
      for (const FoundDocid& hit : best) ASSERT_NEAR(hit.log_probability, scores.at(hit.document), 1e-3);
    }
  }
}

TEST(BeamSearch, AsWideAsTheCorpusIsExact) {
  const Case input({.tokens = 9, .seed = 4}, {.seed = 4, .count = 200, .tokens = 8, .longest = 4}, 1);
  BeamSearch search(input.decoder, input.trie());
  const auto found = search.search(input.queries, {.beams = 200, .k = 200})[0].found;
  const auto scores = input.score_all(0, false);
  ASSERT_EQ(found.size(), 200u);
  for (const FoundDocid& hit : found) ASSERT_NEAR(hit.log_probability, scores.at(hit.document), 1e-3);
}

TEST(BestFirst, FindsTheTenBestOfTwoThousand) {
  for (const bool after_mask : {false, true}) {
    const Case input(
        {.d = 16, .d_kv = 8, .encoder_layers = 1, .decoder_layers = 1, .tokens = 9, .spread = 2.0, .seed = 8},
        {.seed = 8, .count = 2000, .tokens = 8, .longest = 5},
        2);
    BestFirstSearch search(input.decoder, input.trie());
    for (std::size_t query = 0; query < 2; ++query) {
      std::vector<std::pair<double, std::uint32_t>> wanted;
      for (const auto& [document, score] : input.score_all(query, after_mask))
        wanted.emplace_back(-score, document);
      std::sort(wanted.begin(), wanted.end());
      for (const std::int64_t at_once : {1, 8}) {
        const auto result = search.search(input.queries[query],
                                          {.at_once = at_once, .normalisation = {.after_mask = after_mask}});
        EXPECT_TRUE(result.exact);
        ASSERT_EQ(result.found.size(), 10u);
        EXPECT_LT(result.expanded, input.trie().prefixes());
        std::set<std::uint32_t> seen, best;
        for (std::size_t i = 0; i < 10; ++i) {
          seen.insert(result.found[i].document);
          best.insert(wanted[i].second);
          EXPECT_NEAR(result.found[i].log_probability, -wanted[i].first, 1e-4);
        }
        EXPECT_EQ(seen, best);
        EXPECT_LE(result.bound, result.found[9].score);
      }
    }
  }
}

TEST(BestFirst, SaysWhenItsBudgetRanOut) {
  const Case input({.tokens = 9, .seed = 8}, {.seed = 8, .count = 1000, .tokens = 8, .longest = 5}, 1);
  BestFirstSearch search(input.decoder, input.trie());
  const auto whole = search.search(input.queries[0], {});
  ASSERT_TRUE(whole.exact);
  const auto cut = search.search(input.queries[0],
                                 {.budget = static_cast<std::int64_t>(whole.expanded) / 3, .at_once = 1});
  EXPECT_FALSE(cut.exact);
  EXPECT_LE(cut.expanded, whole.expanded / 3);
  EXPECT_GE(cut.bound, whole.found[9].score);
  const auto all = search.search(input.queries[0], {.k = 2000});
  EXPECT_TRUE(all.exact);
  EXPECT_EQ(all.found.size(), 1000u);
  EXPECT_EQ(all.bound, -std::numeric_limits<float>::infinity());
}

TEST(BestFirst, MeasuresTheErrorOfABeam) {
  const Case input(
      {.tokens = 9, .spread = 3.0, .seed = 5}, {.seed = 5, .count = 500, .tokens = 8, .longest = 4}, 6);
  const BeamError wide = measure_beam_error(input.decoder, input.trie(), input.queries, {.beams = 500});
  EXPECT_EQ(wide.exact, 6u);
  EXPECT_DOUBLE_EQ(wide.top_1, 1.0);
  EXPECT_DOUBLE_EQ(wide.overlap, 1.0);
  EXPECT_NEAR(wide.missed_first, 0.0, 1e-6);
  const BeamError narrow =
      measure_beam_error(input.decoder, input.trie(), input.queries, {.beams = 1, .k = 1});
  EXPECT_LE(narrow.top_1, 1.0);
  EXPECT_GE(narrow.missed_first, 0.0);
  EXPECT_LT(narrow.beam_rows, narrow.expanded);
}

class Filtered : public testing::Test {
 protected:
  Case input_{PlainShape{.tokens = 9, .seed = 21},
              RandomDocids{.seed = 21, .count = 1000, .tokens = 8, .longest = 5},
              20};
  BeamSearch search_{input_.decoder, input_.trie()};
  BeamOptions options_{.beams = 5, .k = 5};
};

TEST_F(Filtered, DeletedDocumentsNeverComeAndTheOthersKeepTheirBits) {
  const auto before = search_.search(input_.queries, options_);
  random::Generator draws(3, 0);
  for (int i = 0; i < 100; ++i) input_.live.erase(draws.below(1000));
  for (auto& query : input_.queries) query.allowed = &input_.live.live();
  const auto after = search_.search(input_.queries, options_);
  for (std::size_t query = 0; query < after.size(); ++query) {
    ASSERT_EQ(after[query].found.size(), 5u);
    for (const FoundDocid& hit : after[query].found) {
      EXPECT_TRUE(input_.live.is_live(hit.document));
      for (const FoundDocid& old : before[query].found) {
        if (old.document == hit.document) {
          EXPECT_EQ(old.log_probability, hit.log_probability);
        }
      }
    }
  }
  for (std::uint32_t document = 0; document < 1000; ++document) input_.live.restore(document);
  const auto restored = search_.search(input_.queries, options_);
  for (std::size_t query = 0; query < after.size(); ++query) {
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(restored[query].found[i].document, before[query].found[i].document);
      EXPECT_EQ(restored[query].found[i].score, before[query].found[i].score);
    }
  }
}

TEST_F(Filtered, AFilterGivesAllItHasWhenThereAreFewer) {
  random::Generator draws(5, 0);
  for (std::uint32_t round = 0; round < 60; ++round) {
    search::Bitmap allowed(1000);
    const std::uint32_t wanted = round % 12;
    for (std::uint32_t i = 0; i < wanted; ++i) allowed.set(draws.below(1000));
    const LeafSet set = input_.live.filtered(allowed);
    DecodingQuery query = input_.queries[round % 20];
    query.allowed = &set;
    const auto found = search_.search({&query, 1}, {.beams = 2, .k = 5})[0].found;
    check_results(input_, found, {.k = 5}, allowed.count());
    for (const FoundDocid& hit : found) EXPECT_TRUE(allowed.test(hit.document));
    BestFirstSearch exact(input_.decoder, input_.trie());
    const auto best = exact.search(query, {.k = 5});
    EXPECT_TRUE(best.exact);
    EXPECT_EQ(best.found.size(), found.size());
    for (const FoundDocid& hit : best.found) EXPECT_TRUE(allowed.test(hit.document));
  }
}

TEST_F(Filtered, QueriesOfABatchDoNotTouchEachOther) {
  const auto together = search_.search(input_.queries, options_);
  for (std::size_t query = 0; query < together.size(); ++query) {
    const auto alone = search_.search({&input_.queries[query], 1}, options_)[0];
    ASSERT_EQ(alone.found.size(), together[query].found.size());
    for (std::size_t i = 0; i < alone.found.size(); ++i) {
      EXPECT_EQ(alone.found[i].document, together[query].found[i].document);
      EXPECT_EQ(alone.found[i].log_probability, together[query].found[i].log_probability);
    }
  }
}

TEST_F(Filtered, RefusesWhatNoSearchCanAnswer) {
  const LeafSet other(999, true);
  DecodingQuery query = input_.queries[0];
  query.allowed = &other;
  EXPECT_EQ(code_of([&] { search_.search({&query, 1}, options_); }), "dsi.filter_size");
  BestFirstSearch exact(input_.decoder, input_.trie());
  EXPECT_EQ(code_of([&] { exact.search(query, {}); }), "dsi.filter_size");
  EXPECT_EQ(code_of([&] { exact.search(input_.queries[0], {.k = 0}); }), "dsi.beam_options");
  EXPECT_EQ(code_of([&] { search_.search(input_.queries, {.beams = 0}); }), "dsi.beam_options");
  EXPECT_EQ(code_of([&] { search_.search(input_.queries, {.length_penalty = -1}); }), "dsi.beam_options");
  EXPECT_EQ(code_of([&] {
              search_.search(input_.queries, {.normalisation = {.blocks = {{3, 3}}}});
            }),
            "dsi.token_block");
  EXPECT_EQ(code_of([&] {
              search_.search(input_.queries, {.normalisation = {.blocks = {{1, 4}}}});
            }),
            "dsi.token_block");
  query.allowed = nullptr;
  query.memory.rows = 0;
  EXPECT_EQ(code_of([&] { search_.search({&query, 1}, options_); }), "dsi.empty_query");
  std::vector<float> damaged(24, std::nanf(""));
  query.memory = {damaged.data(), 24, 1};
  EXPECT_EQ(code_of([&] { search_.search({&query, 1}, options_); }), "dsi.not_finite");
  EXPECT_TRUE(search_.search({}, options_).empty());
  EXPECT_EQ(search_.search(input_.queries, options_)[0].found.size(), 5u);  // the object still works
}

TEST(BeamSearch, RefusesIdentifiersOfAnotherModel) {
  const Case input({.tokens = 9}, {.count = 10, .tokens = 8, .longest = 3}, 1);
  const DocidTrie tokens = DocidTrie::build(as_sequences({{9, 0}}));
  EXPECT_EQ(code_of([&] { BeamSearch(input.decoder, tokens); }), "dsi.trie_of_another_model");
  const DocidTrie deep = DocidTrie::build(as_sequences({{1, 1, 1, 1, 1, 1, 1, 1, 0}}));
  EXPECT_EQ(code_of([&] { BestFirstSearch(input.decoder, deep); }), "dsi.docid_too_long");
}

TEST(BeamSearch, NormalisesOverTheBlockOfALevel) {
  // Level 0 has tokens 1 to 4, level 1 tokens 5 to 8, then the end.
  Docids docids;
  for (std::uint32_t a = 1; a <= 4; ++a) {
    for (std::uint32_t b = 5; b <= 8; ++b) docids.push_back({a, b, 0});
  }
  const Case input({.tokens = 9, .seed = 6}, {.count = 1, .tokens = 8}, 1);
  const DocidTrie trie = DocidTrie::build(as_sequences(docids));
  BeamSearch search(input.decoder, trie);
  const NormalisationOptions blocks{.free_forced_end = true, .blocks = {{1, 5}, {5, 9}}};
  const auto found = search.search(input.queries, {.beams = 16, .k = 16, .normalisation = blocks})[0].found;
  ASSERT_EQ(found.size(), 16u);
  for (const FoundDocid& hit : found) {
    double wanted = 0;
    Tokens prefix;
    for (std::size_t level = 0; level < 2; ++level) {
      const auto logits = input.plain.logits(input.memories[0], prefix);
      double total = std::exp(logits[0]);
      for (std::size_t token = 4 * level + 1; token < 4 * level + 5; ++token)
        total += std::exp(logits[token]);
      wanted += logits[docids[hit.document][level]] - std::log(total);
      prefix.push_back(docids[hit.document][level]);
    }
    EXPECT_NEAR(hit.log_probability, wanted, 1e-3);
  }
}

TEST(BeamSearch, RecordsTheBeamAsATree) {
  const Case input({.tokens = 9, .seed = 13}, {.seed = 13, .count = 100, .tokens = 8, .longest = 4}, 1);
  BeamSearch search(input.decoder, input.trie());
  const BeamResult plain = search.search(input.queries, {.beams = 3, .k = 3})[0];
  const BeamResult result = search.search(input.queries, {.beams = 3, .k = 3, .record = true})[0];
  EXPECT_TRUE(plain.tree.empty());
  ASSERT_EQ(result.found.size(), plain.found.size());
  for (const FoundDocid& hit : result.found) {
    const auto end = std::find_if(result.tree.begin(), result.tree.end(), [&](const BeamTreeNode& node) {
      return node.token == kEndToken && node.document == hit.document;
    });
    ASSERT_NE(end, result.tree.end());
    EXPECT_TRUE(end->kept);
    Tokens reversed;
    float last = end->log_probability;
    for (auto at = static_cast<std::int32_t>(end - result.tree.begin()); at >= 0;
         at = result.tree[static_cast<std::size_t>(at)].parent) {
      const BeamTreeNode& node = result.tree[static_cast<std::size_t>(at)];
      EXPECT_GE(node.log_probability, last);
      EXPECT_TRUE(node.kept);
      last = node.log_probability;
      reversed.push_back(node.token);
    }
    EXPECT_EQ(Tokens(reversed.rbegin(), reversed.rend()), input.docids[hit.document]);
  }
  EXPECT_TRUE(
      std::any_of(result.tree.begin(), result.tree.end(), [](const auto& node) { return !node.kept; }));
}

TEST(BeamSearch, AnswersTheSameBitsFromAMappedFile) {
  const Case input({.tokens = 9, .seed = 31}, {.seed = 31, .count = 300, .tokens = 8, .longest = 5}, 3);
  MemoryFile file;
  write_trie(file, input.trie());
  const DocidTrie mapped = DocidTrie::open(file.reader());
  BeamSearch first(input.decoder, input.trie()), second(input.decoder, mapped);
  const auto a = first.search(input.queries, {}), b = second.search(input.queries, {});
  for (std::size_t query = 0; query < 3; ++query) {
    ASSERT_EQ(a[query].found.size(), b[query].found.size());
    for (std::size_t i = 0; i < a[query].found.size(); ++i) {
      EXPECT_EQ(a[query].found[i].document, b[query].found[i].document);
      EXPECT_EQ(a[query].found[i].score, b[query].found[i].score);
    }
  }
}

}  // namespace
}  // namespace tenfold::dsi
