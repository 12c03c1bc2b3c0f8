// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/dataset.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

// From a Python transcription of Philox: the numbers of an example may never change, for resumed runs would differ.
TEST(ExampleDraws, AreTheDocumentedNumbers) {
  random::Generator draws = example_draws({.seed = 11, .epoch = 3}, 5 + (std::int64_t{1} << 32));
  for (const std::uint32_t word : {0xaea97cb5u, 0xae76fb02u, 0xc6b3d6b4u, 0x89ce3726u}) {
    EXPECT_EQ(draws.next_u32(), word);
  }
}

TEST(ExampleDraws, DifferBySeedEpochAndRow) {
  std::set<std::uint64_t> seen;
  for (const std::uint64_t seed : {0, 1}) {
    for (const std::int64_t epoch : {0, 1, 2}) {
      for (const std::int64_t id : {0, 1, 2}) seen.insert(example_draws({seed, epoch}, id).next_u64());
    }
  }
  EXPECT_EQ(seen.size(), 18u);
}

TEST(CheckRows, RefusesRowsThatAreNotThere) {
  const std::vector<std::int64_t> good = {0, 4, 4, 2};
  EXPECT_EQ(io::error_of([&] { check_rows(good, 5); }), "no error");
  EXPECT_EQ(io::error_of([&] { check_rows(good, 4); }), "internal internal.broken_invariant");
  const std::vector<std::int64_t> negative = {0, -1};
  EXPECT_EQ(io::error_of([&] { check_rows(negative, 4); }), "internal internal.broken_invariant");
}

}  // namespace
}  // namespace tenfold::data
