// SPDX-License-Identifier: Apache-2.0
// Encoder and decoder against plain loops in double that know no cache.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenfold/systems/dsi/runtime/docid_decoder.h"
#include "tenfold/systems/dsi/runtime/text_encoder.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/plain_t5.h"

namespace tenfold::dsi {
namespace {

using Tokens = std::vector<std::uint32_t>;

std::vector<PlainShape> shapes() {
  return {{},
          {.d = 32, .heads = 2, .d_kv = 16, .feed_forward = 48, .positions = 0, .seed = 2},
          {.d = 17,
           .heads = 3,
           .d_kv = 5,
           .feed_forward = 9,
           .encoder_layers = 1,
           .decoder_layers = 1,
           .tokens = 50,
           .buckets = 8,
           .seed = 3},
          {.d = 8,
           .heads = 1,
           .d_kv = 40,
           .feed_forward = 33,
           .encoder_layers = 1,
           .decoder_layers = 3,
           .tokens = 2,
           .seed = 4}};
}

TEST(TextEncoder, EqualsPlainLoops) {
  for (const PlainShape& shape : shapes()) {
    const PlainT5 plain(shape);
    const MemoryFile file = plain.file();
    const TextEncoder encoder = TextEncoder::open(file.reader(), {});
    EncoderBuffers buffers;
    random::Generator draws(shape.seed, 99);
    for (int round = 0; round < 3; ++round) {
      std::vector<Tokens> texts;
      for (int i = 0; i < 4; ++i)
        texts.push_back(random_text(draws, i == 0 ? 60 : 20, static_cast<std::uint32_t>(shape.vocabulary)));
      encoder.encode(std::vector<TokenList>(texts.begin(), texts.end()), buffers);
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto wanted = plain.encode(texts[i]);
        const auto seen = buffers.memory(i);
        ASSERT_EQ(buffers.tokens(i), texts[i].size());
        for (std::size_t row = 0; row < wanted.size(); ++row) {
          for (std::size_t j = 0; j < shape.d; ++j)
            ASSERT_NEAR(
                seen.data[static_cast<std::ptrdiff_t>(row) * seen.stride + static_cast<std::ptrdiff_t>(j)],
                wanted[row][j],
                2e-4);
        }
      }
    }
  }
}

TEST(TextEncoder, GivesATextTheSameBitsInAnyBatch) {
  const PlainT5 plain({});
  const MemoryFile file = plain.file();
  const TextEncoder encoder = TextEncoder::open(file.reader(), {});
  const Tokens a{1, 5, 7, 2}, b{9, 9, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, c{0};
  EncoderBuffers together, alone;
  encoder.encode(std::vector<TokenList>{b, a, c}, together);
  encoder.encode(std::vector<TokenList>{a}, alone);
  for (std::size_t i = 0; i < a.size() * 32; ++i)
    ASSERT_EQ(together.memory(1).data[i], alone.memory(0).data[i]) << i;
}

TEST(TextEncoder, RefusesTextsItCannotRead) {
  const PlainT5 plain({});
  const MemoryFile file = plain.file();
  const TextEncoder encoder = TextEncoder::open(file.reader(), {});
  EncoderBuffers buffers;
  const Tokens empty, unknown{3, 30};
  EXPECT_EQ(code_of([&] { encoder.encode(std::vector<TokenList>{empty}, buffers); }), "dsi.empty_query");
  EXPECT_EQ(code_of([&] { encoder.encode(std::vector<TokenList>{unknown}, buffers); }),
            "dsi.token_out_of_vocabulary");
}

// Every prefix of random sequences, two queries at once, with the cache; against the oracle that computes all anew.
void check_decoder(const PlainShape& shape, const T5Options& options, double tolerance) {
  const PlainT5 plain(shape);
  const MemoryFile file = plain.file();
  const DocidDecoder decoder = DocidDecoder::open(file.reader(), options);
  DecoderSession session(decoder);
  random::Generator draws(shape.seed, 5);
  for (int round = 0; round < 2; ++round) {
    std::vector<PlainT5::Rows> memories;
    std::vector<std::vector<float>> floats;
    std::vector<QueryMemory> queries;
    for (int i = 0; i < 2; ++i) {
      memories.push_back(plain.encode(random_text(draws, 20, static_cast<std::uint32_t>(shape.vocabulary))));
      floats.push_back(as_floats(memories.back()));
      queries.push_back({floats.back().data(), static_cast<std::ptrdiff_t>(shape.d), memories.back().size()});
    }
    constexpr std::size_t kRows = 5, kLength = 6;
    session.begin(queries, kRows, kRows * kLength);
    const Tokens of_query{0, 0, 0, 1, 1};
    std::vector<Tokens> prefixes(kRows);
    std::vector<std::uint32_t> paths(kRows * 8);
    for (std::uint32_t t = 0; t < kLength; ++t) {
      Tokens tokens;
      for (Tokens& prefix : prefixes) {
        if (t > 0) prefix.push_back(draws.below(static_cast<std::uint32_t>(shape.tokens)));
        tokens.push_back(t == 0 ? decoder.start_token() : prefix.back());
      }
      const Tokens positions(kRows, t);
      session.step({tokens, of_query, positions, paths, 8});
      session.compute_logits(0, decoder.tokens());
      for (std::size_t row = 0; row < kRows; ++row) {
        const auto wanted = plain.logits(memories[of_query[row]], prefixes[row]);
        for (std::size_t token = 0; token < shape.tokens; ++token)
          ASSERT_NEAR(session.logits(row)[token], wanted[token], tolerance)
              << t << " " << row << " " << token;
      }
    }
    EXPECT_EQ(session.used_slots(), kRows * kLength);
  }
}

TEST(DocidDecoder, WithItsCacheEqualsPlainLoopsWithoutOne) {
  for (const PlainShape& shape : shapes()) check_decoder(shape, {}, 3e-4);
}

TEST(DocidDecoder, Takes8BitWeightsWithASmallError) {
  // Rounding to 1/254 of the largest weight of a row: about half a per cent of each product, some layers on top of each other.
  for (const PlainShape& shape : shapes()) check_decoder(shape, {.weights = "int8"}, 0.5);
}

TEST(DocidDecoder, TakesBfloat16WithASmallError) {
  // 8 bits of mantissa in weights and activations: as large an error as with 8-bit weights.
  for (const PlainShape& shape : shapes()) check_decoder(shape, {.weights = "bfloat16"}, 0.5);
}

TEST(DocidDecoder, ComputesOnlyTheBlockOfTokensThatIsAsked) {
  const PlainT5 plain({.tokens = 100});
  const MemoryFile file = plain.file();
  for (const char* weights : {"float32", "bfloat16", "int8"}) {
    const DocidDecoder decoder = DocidDecoder::open(file.reader(), {.weights = weights});
    const auto memory = as_floats(plain.encode({1, 2, 3}));
    const std::vector<QueryMemory> queries{{memory.data(), 24, 3}};
    DecoderSession session(decoder);
    session.begin(queries, 1, 1);
    std::vector<std::uint32_t> path(1);
    session.step({Tokens{100}, Tokens{0}, Tokens{0}, path, 1});
    session.compute_logits(0, 100);
    const std::vector<float> all(session.logits(0), session.logits(0) + 100);
    for (const auto& [begin, end] :
         std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 1}, {40, 75}, {97, 100}}) {
      session.compute_logits(begin, end);
      for (std::uint32_t token = begin; token < end; ++token) EXPECT_EQ(session.logits(0)[token], all[token]);
    }
  }
}

TEST(DocidDecoder, RefusesWeightsThatDoNotFit) {
  const auto code = [](const std::function<void(PlainT5&)>& change) {
    PlainT5 plain({});
    change(plain);
    const MemoryFile file = plain.file();
    return code_of([&] { DocidDecoder::open(file.reader(), {}); });
  };
  EXPECT_EQ(code([](PlainT5&) {}), "");
  EXPECT_EQ(code([](PlainT5& t) { t.drop("docid.head.weight"); }), "dsi.weights");
  EXPECT_EQ(code([](PlainT5& t) { t.drop("docid.position.weight"); }), "");
  EXPECT_EQ(code([](PlainT5& t) { t.drop("decoder.block.1.layer.1.EncDecAttention.k.weight"); }),
            "dsi.weights");
  EXPECT_EQ(code([](PlainT5& t) { t.drop("decoder.final_layer_norm.weight"); }), "dsi.weights");
  EXPECT_EQ(code([](PlainT5& t) {
              t.tensor("decoder.block.0.layer.2.DenseReluDense.wo.weight")[7] = std::nanf("");
            }),
            "dsi.weights");
  const MemoryFile whole = PlainT5({}).file();
  EXPECT_EQ(code_of([&] { DocidDecoder::open(whole.reader(), {.weights = "int4"}); }), "dsi.weight_format");
  const MemoryFile small = PlainT5({.buckets = 8}).file();
  EXPECT_EQ(code_of([&] { DocidDecoder::open(small.reader(), {.max_distance = 4}); }), "dsi.weights");
}

TEST(RelativeBucket, IsThatOfTheDefinition) {
  // Bidirectional, 32 buckets to 128: 8 exact ones a side, then 8 equal parts of log(128 / 8): 8 x 16^(i/8).
  EXPECT_EQ(relative_bucket(0, true, 32, 128), 0u);
  EXPECT_EQ(relative_bucket(-7, true, 32, 128), 7u);
  EXPECT_EQ(relative_bucket(7, true, 32, 128), 23u);
  EXPECT_EQ(relative_bucket(-8, true, 32, 128), 8u);
  EXPECT_EQ(relative_bucket(-11, true, 32, 128), 8u);  // 8 x 2^(1/2) = 11.3
  EXPECT_EQ(relative_bucket(-12, true, 32, 128), 9u);
  EXPECT_EQ(relative_bucket(-1000, true, 32, 128), 15u);
  EXPECT_EQ(relative_bucket(1000, true, 32, 128), 31u);
  EXPECT_EQ(relative_bucket(5, false, 32, 128), 0u);  // the future
  EXPECT_EQ(relative_bucket(-15, false, 32, 128), 15u);
  EXPECT_EQ(relative_bucket(-20, false, 32, 128), 17u);  // 16 + floor(16 log(20/16) / log 8) = 16 + 1
  EXPECT_EQ(relative_bucket(-128, false, 32, 128), 31u);
}

}  // namespace
}  // namespace tenfold::dsi
