// SPDX-License-Identifier: Apache-2.0
// Prefix purity by hand, against all pairs, and that semantic identifiers have it where random ones do not.
#include "tenfold/systems/dsi/docids/docid_quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/support/error_code.h"
#include "tests/unit/dsi_docids/docid_data.h"

namespace tenfold::dsi {
namespace {

TEST(PrefixPurity, IsTheMeanCosineOfPairsWithTheSamePrefix) {
  const std::vector<float> vectors = {1, 0, 0, 2, 3, 0, 0, 1};
  const Docids docids{.sequences = {{1, 1, 0}, {2, 1, 0}, {1, 2, 0}, {2, 2, 0}}, .tokens = 3};
  const auto rows = prefix_purity(docids, search::as_vectors(vectors, 2));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].prefixes, 1u);
  EXPECT_EQ(rows[0].pairs, 6u);
  EXPECT_NEAR(rows[0].similarity, 2.0 / 6, 1e-12);
  EXPECT_EQ(rows[1].prefixes, 2u);
  EXPECT_EQ(rows[1].pairs, 2u);
  EXPECT_NEAR(rows[1].similarity, 1.0, 1e-12);
}

TEST(PrefixPurity, EqualsAllPairs) {
  const MadeUp documents(grouped_vectors(90));
  const auto scheme = make_docid_scheme({.scheme = "semantic", .branches = 3, .leaf = 12});
  const Docids docids = scheme->assign(documents.documents());
  const search::Vectors rows = documents.documents().embeddings;
  const auto purity = prefix_purity(docids, rows);
  ASSERT_GE(purity.size(), 3u);
  for (const PrefixPurity& row : purity) {
    double sum = 0;
    std::uint64_t pairs = 0;
    std::set<std::vector<std::uint32_t>> prefixes;
    for (std::size_t a = 0; a < 90; ++a)
      for (std::size_t b = 0; b < a; ++b) {
        const auto &first = docids.sequences[a], &second = docids.sequences[b];
        if (first.size() - 1 < row.length || second.size() - 1 < row.length) continue;
        const auto length = static_cast<std::ptrdiff_t>(row.length);
        if (!std::equal(first.begin(), first.begin() + length, second.begin())) continue;
        double product = 0, x = 0, y = 0;
        for (std::size_t j = 0; j < kWidth; ++j) {
          product += static_cast<double>(rows.row(a)[j]) * rows.row(b)[j];
          x += static_cast<double>(rows.row(a)[j]) * rows.row(a)[j];
          y += static_cast<double>(rows.row(b)[j]) * rows.row(b)[j];
        }
        sum += product / std::sqrt(x * y);
        ++pairs;
        prefixes.emplace(first.begin(), first.begin() + length);
      }
    EXPECT_EQ(row.pairs, pairs);
    EXPECT_EQ(row.prefixes, prefixes.size());
    EXPECT_NEAR(row.similarity, sum / static_cast<double>(pairs), 1e-9);
  }
}

TEST(PrefixPurity, SemanticIdentifiersHaveItAndRandomOnesDoNot) {
  const MadeUp documents(grouped_vectors(600));
  const auto purity_of = [&](const char* scheme) {
    const auto made = make_docid_scheme({.scheme = scheme, .leaf = 20, .levels = 2, .codewords = 8});
    return prefix_purity(made->assign(documents.documents()), documents.documents().embeddings);
  };
  const double by_chance = purity_of("naive")[0].similarity;
  for (const char* scheme : {"semantic", "position", "residual"})
    EXPECT_GT(purity_of(scheme)[1].similarity, by_chance + 0.5) << scheme;
  // Groups of the tree are at least 20 of 600 documents: random pairs of them differ from all pairs by little.
  for (const char* scheme : {"random_tree", "naive"})
    EXPECT_NEAR(purity_of(scheme)[1].similarity, by_chance, 0.1) << scheme;
}

TEST(PrefixPurity, TakesVectorsOfZerosAndRefusesOtherNumbers) {
  const std::vector<float> zeros(6, 0.0f);
  const Docids docids{.sequences = {{1, 0}, {1, 1, 0}, {2, 0}}, .tokens = 3};
  const auto rows = prefix_purity(docids, search::as_vectors(zeros, 2));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].similarity, 0.0);
  EXPECT_EQ(code_of([&] { prefix_purity(docids, search::as_vectors(zeros, 1)); }), "dsi.document_parts");
  EXPECT_TRUE(prefix_purity({}, {}).empty());
}

}  // namespace
}  // namespace tenfold::dsi
