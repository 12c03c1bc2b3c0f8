// SPDX-License-Identifier: Apache-2.0
// Steps of the decoder allocate nothing. Counts calls of operator new, which this program replaces; sanitizers need their own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tenfold/systems/dsi/runtime/beam_search.h"
#include "tests/unit/dsi_runtime/plain_t5.h"
#include "tests/unit/dsi_runtime/random_docids.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

thread_local std::size_t allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, whole)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace tenfold::dsi {
namespace {

class Allocations : public testing::Test {
 protected:
  Allocations() { query_.memory = {memory_.data(), 24, 3}; }

  // In the second of two searches.
  std::size_t of_a_search(std::uint32_t length, const NormalisationOptions& normalisation) {
    random::Generator draws(3, 0);
    std::vector<std::vector<std::uint32_t>> docids;
    for (std::uint32_t i = 1; i <= 8; ++i) {
      docids.emplace_back(length, i);
      docids.back().push_back(kEndToken);
    }
    const DocidTrie trie = DocidTrie::build(as_sequences(docids));
    BeamSearch search(decoder_, trie);
    const BeamOptions options{.beams = 8, .k = 8, .normalisation = normalisation};
    search.search({&query_, 1}, options);
    const std::size_t before = allocations;
    const auto results = search.search({&query_, 1}, options);
    const std::size_t after = allocations;
    EXPECT_EQ(results[0].found.size(), 8u);
    EXPECT_EQ(search.rows_of_steps().size(), std::size_t{length} + 1);
    return after - before;
  }

  PlainT5 plain_{{.tokens = 9, .positions = 0}};
  MemoryFile file_ = plain_.file();
  DocidDecoder decoder_ = DocidDecoder::open(file_.reader(), {});
  std::vector<float> memory_ = std::vector<float>(72, 0.5F);
  DecodingQuery query_;
};

TEST_F(Allocations, AStepHasNone) {
  for (const char* weights : {"float32", "bfloat16", "int8"}) {
    const DocidDecoder decoder = DocidDecoder::open(file_.reader(), {.weights = weights});
    DecoderSession session(decoder);
    session.begin({&query_.memory, 1}, 4, 20);
    std::vector<std::uint32_t> tokens(4, 1), queries(4, 0), positions(4), paths(20);
    const std::size_t before = allocations;
    for (std::uint32_t t = 0; t < 5; ++t) {
      std::fill(positions.begin(), positions.end(), t);
      session.step({tokens, queries, positions, paths, 5});
      session.compute_logits(0, 9);
    }
    EXPECT_EQ(allocations, before) << weights;
  }
}

TEST_F(Allocations, ASearchOfManyStepsHasAsManyAsOneOfFew) {
  EXPECT_EQ(of_a_search(2, {}), of_a_search(12, {}));
  EXPECT_GT(of_a_search(2, {}), 0u);  // the results, and a sign that they are counted
  EXPECT_EQ(of_a_search(2, {.blocks = {{0, 9}}}), of_a_search(12, {.blocks = {{0, 9}}}));
}

}  // namespace
}  // namespace tenfold::dsi
#endif
