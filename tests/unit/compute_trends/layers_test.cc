// SPDX-License-Identifier: Apache-2.0
// FLOP by layer: rules of appendix B against hand counts, known networks, gradients that are not needed.
#include "tenfold/systems/compute_trends/layers.h"

#include <gtest/gtest.h>

#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

LayerReport count(std::string_view text, const LayerOptions& options = {}) {
  return count_layers(parse_layers(text), options);
}

Error error_of(std::string_view text) {
  try {
    parse_layers(text);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted: " << text;
  return Error(ErrorClass::kInternal, "none", {});
}

TEST(Layers, CountsLinear) {
  EXPECT_DOUBLE_EQ(count("linear 4096 1000").forward, 2.0 * 4096 * 1000);
  EXPECT_DOUBLE_EQ(count("linear 768 3072 n1024").forward, 2.0 * 1024 * 768 * 3072);
  EXPECT_DOUBLE_EQ(count("linear 4096 1000").parameters, 4096000.0);
}

// First layer of ResNet: 112 x 112 output pixels, 64 channels of 3 x 7 x 7 products.
TEST(Layers, CountsConvolution) {
  EXPECT_DOUBLE_EQ(count("conv2d 3x224x224 64 k7 s2").forward, 2.0 * 112 * 112 * 64 * 3 * 49);
  EXPECT_DOUBLE_EQ(count("conv2d 64x56x56 64").forward, 2.0 * 56 * 56 * 64 * 64 * 9);
  EXPECT_DOUBLE_EQ(count("conv2d 3x224x224 64 k11 s4 p2").forward, 2.0 * 55 * 55 * 64 * 3 * 121);
  EXPECT_DOUBLE_EQ(count("conv2d 32x10x10 32 g32").forward, 2.0 * 100 * 32 * 9);
  EXPECT_DOUBLE_EQ(count("conv2d 8x20x10 4 k3x1").forward, 2.0 * 20 * 10 * 4 * 8 * 3);
  EXPECT_DOUBLE_EQ(count("conv2d 8x10x10 4 k3 p0").forward, 2.0 * 8 * 8 * 4 * 8 * 9);
  EXPECT_DOUBLE_EQ(count("conv_transpose2d 16x8x8 4 k4 s2").forward, 2.0 * 64 * 16 * 4 * 16);
}

TEST(Layers, CountsAttentionWithAndWithoutProjections) {
  const double scores = 4.0 * 1024 * 1024 * 768, projections = 8.0 * 1024 * 768 * 768;
  EXPECT_DOUBLE_EQ(count("attention 768 t1024").forward, scores + projections);
  EXPECT_DOUBLE_EQ(count("attention 768 t1024 causal").forward, scores / 2 + projections);
  EXPECT_DOUBLE_EQ(count("attention 768 t1024 noproj").forward, scores);
  EXPECT_DOUBLE_EQ(count("attention 768 t1024").parameters, 4.0 * 768 * 768);
}

TEST(Layers, CountsLstmBmmMoeAndEmbedding) {
  EXPECT_DOUBLE_EQ(count("lstm 10 20 t5").forward, 8.0 * 5 * 20 * 30);
  EXPECT_DOUBLE_EQ(count("bmm 4 3 5 7").forward, 2.0 * 4 * 3 * 5 * 7);
  const LayerReport moe = count("moe 512 2048 e64 k2 n10");
  EXPECT_DOUBLE_EQ(moe.forward, 10.0 * (2 * 2 * (2.0 * 512 * 2048) + 2.0 * 512 * 64));
  EXPECT_DOUBLE_EQ(moe.parameters, 64 * 2.0 * 512 * 2048 + 512 * 64);
  EXPECT_DOUBLE_EQ(moe.active_parameters, 2 * 2.0 * 512 * 2048 + 512 * 64);
  const LayerReport embedding = count("embedding 50257 768 n1024");
  EXPECT_DOUBLE_EQ(embedding.forward, 0.0);
  EXPECT_DOUBLE_EQ(embedding.parameters, 50257.0 * 768);
  EXPECT_DOUBLE_EQ(embedding.active_parameters, 0.0);
}

TEST(Layers, CountsElementwiseOnlyOnRequest) {
  EXPECT_DOUBLE_EQ(count("elementwise 1000; linear 10 10").forward, 200.0);
  EXPECT_DOUBLE_EQ(count("elementwise 1000; linear 10 10", {.elementwise = true}).forward, 5200.0);
  EXPECT_DOUBLE_EQ(count("elementwise 1000 o8", {.elementwise = true}).forward, 8000.0);
}

TEST(Layers, FirstLayerHasNoDataGradient) {
  const LayerReport report = count("linear 10 20; linear 20 30");
  EXPECT_DOUBLE_EQ(report.layers[0].backward_data, 0.0);
  EXPECT_DOUBLE_EQ(report.layers[0].backward_weight, 400.0);
  EXPECT_DOUBLE_EQ(report.layers[1].backward_data, 1200.0);
  EXPECT_DOUBLE_EQ(report.backward, 400.0 + 2400.0);
}

TEST(Layers, AnEmbeddingInFrontNeedsTheFirstDataGradient) {
  EXPECT_DOUBLE_EQ(count("embedding 100 10; linear 10 20").backward_factor, 2.0);
  EXPECT_DOUBLE_EQ(count("embedding 100 10 frozen; linear 10 20").backward_factor, 1.0);
}

TEST(Layers, FrozenLayersHaveNoWeightGradientAndALeadingRunNoneAtAll) {
  const LayerReport head = count("linear 10 20 frozen; linear 20 30 frozen; linear 30 40");
  EXPECT_DOUBLE_EQ(head.layers[0].backward_data + head.layers[0].backward_weight, 0.0);
  EXPECT_DOUBLE_EQ(head.layers[1].backward_data + head.layers[1].backward_weight, 0.0);
  EXPECT_DOUBLE_EQ(head.layers[2].backward_data, 0.0);
  EXPECT_DOUBLE_EQ(head.layers[2].backward_weight, 2400.0);
  const LayerReport middle = count("linear 10 20; linear 20 30 frozen; linear 30 40");
  EXPECT_DOUBLE_EQ(middle.layers[1].backward_data, 1200.0);
  EXPECT_DOUBLE_EQ(middle.layers[1].backward_weight, 0.0);
}

TEST(Layers, RecurrentAndAttentionLayersBackpropagateInsideEvenWhenFirst) {
  const LayerReport lstm = count("lstm 10 20 t5");
  EXPECT_DOUBLE_EQ(lstm.layers[0].backward_weight, 24000.0);
  EXPECT_DOUBLE_EQ(lstm.layers[0].backward_data, 8.0 * 5 * 20 * 20);
  const LayerReport attention = count("embedding 5 8; attention 8 t4");
  EXPECT_DOUBLE_EQ(attention.layers[1].backward_data, 8.0 * 16 * 8 + 8.0 * 4 * 64);
  EXPECT_DOUBLE_EQ(attention.layers[1].backward_weight, 8.0 * 4 * 64);
  EXPECT_DOUBLE_EQ(count("embedding 5 8; bmm 1 2 3 4").layers[1].backward_data, 2 * 2.0 * 2 * 3 * 4);
}

TEST(Layers, CheckpointingAddsOneForward) {
  const LayerReport report = count("embedding 100 10; linear 10 20 x8", {.activation_checkpointing = true});
  EXPECT_DOUBLE_EQ(report.forward, 3200.0);
  EXPECT_DOUBLE_EQ(report.recompute, 3200.0);
  EXPECT_DOUBLE_EQ(report.total(), 4 * 3200.0);
}

TEST(Layers, ForwardOnlyHasNoBackward) {
  const LayerReport report = count("linear 10 20 x3", {.forward_only = true});
  EXPECT_DOUBLE_EQ(report.total(), 1200.0);
}

TEST(Layers, RepeatIsTheSameAsWritingTheLayerOut) {
  const LayerReport once = count("linear 20 20 x3; linear 20 5"),
                    out = count("linear 20 20;linear 20 20\nlinear 20 20; linear 20 5");
  EXPECT_DOUBLE_EQ(once.forward, out.forward);
  EXPECT_DOUBLE_EQ(once.backward, out.backward);
  EXPECT_DOUBLE_EQ(once.parameters, out.parameters);
}

// 1,814,073,344 multiply-adds: summed in Python over the network's 20 convolutions and the last layer.
TEST(Layers, CountsResNet18) {
  const LayerReport report = count(
      "# stem\nconv2d 3x224x224 64 k7 s2\n"
      "conv2d 64x56x56 64 x4\n"
      "conv2d 64x56x56 128 s2; conv2d 128x28x28 128 x3; conv2d 64x56x56 128 k1 s2\n"
      "conv2d 128x28x28 256 s2; conv2d 256x14x14 256 x3; conv2d 128x28x28 256 k1 s2\n"
      "conv2d 256x14x14 512 s2; conv2d 512x7x7 512 x3; conv2d 256x14x14 512 k1 s2\n"
      "linear 512 1000");
  EXPECT_DOUBLE_EQ(report.forward, 2.0 * 1814073344.0);
  EXPECT_NEAR(report.backward_factor, 2.0, 0.08);
}

// GPT-2 small, T = 1024: 6 N a token plus attention; N = 12 x 12 x 768^2 + 50257 x 768 for the output layer.
TEST(Layers, ATransformerIsSixNPlusAttention) {
  const LayerReport report = count(
      "embedding 50257 768 n1024; attention 768 t1024 x12; linear 768 3072 n1024 x12; linear 3072 768 n1024 "
      "x12;"
      "linear 768 50257 n1024");
  const double n = 12.0 * 12 * 768 * 768 + 50257.0 * 768;
  EXPECT_DOUBLE_EQ(report.active_parameters, n);
  EXPECT_DOUBLE_EQ(report.total(), 1024 * (6 * n + 12.0 * 12 * 768 * 1024));
}

TEST(Layers, RefusesWhatItCannotRead) {
  EXPECT_EQ(error_of("").code(), "layers.bad_layer");
  EXPECT_NE(error_of("con2d 3x8x8 4").text().remedy.find("did you mean conv2d?"), std::string::npos);
  for (const char* text : {"linear 10",
                           "linear a b",
                           "linear -1 5",
                           "linear 1.5 5",
                           "linear 0 5",
                           "conv2d 3x8 4",
                           "conv2d 3x8x8 4 k9 p0",
                           "conv2d 3x8x8 4 g2",
                           "conv2d 3x8x8 4 q2",
                           "conv2d 3x8x8 4 s0",
                           "attention 8",
                           "lstm 1 2 n3",
                           "moe 8 8",
                           "moe 8 8 e2 k3",
                           "bmm 1 2 3",
                           "linear 10 20 x0",
                           "linear 10 99999999999999999999",
                           "linear 10 20 x"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code(), "layers.bad_layer") << text;
    EXPECT_NE(error.text().remedy.find("write: "), std::string::npos) << text;
  }
}

TEST(Layers, ReadsTablesAndNamesTheLineOfAnError) {
  const auto layers = parse_layer_table("layer,repeat,frozen\nlinear 10 20,2,1\nlinear 20 5,,\n", "net.csv");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].repeat, 2.0);
  EXPECT_TRUE(layers[0].frozen);
  EXPECT_EQ(layers[1].line, 3);
  try {
    parse_layer_table("layer\nlinear 10 20\nlinear 20\n", "net.csv");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
    EXPECT_NE(error.text().what.find("net.csv line 3"), std::string::npos);
  }
  EXPECT_THROW(parse_layer_table("kind\nlinear\n", "net.csv"), Error);
}

ErrorText refusal_of(const std::string& layer) {
  try {
    parse_layers(layer);
  } catch (const Error& error) {
    return error.text();
  }
  return {};
}

TEST(Layers, GuessesNoKindForAnUnrelatedWord) {
  EXPECT_EQ(refusal_of("foo 1 2").remedy.find("did you mean"), std::string::npos);
  EXPECT_NE(refusal_of("liner 1 2").remedy.find("did you mean linear?"), std::string::npos);
}

TEST(Layers, PutsAnUnknownOptionUnderSeenAndTheFormUnderWanted) {
  const ErrorText text = refusal_of("attention 12 768 t1024");
  EXPECT_NE(text.seen.find("'768'"), std::string::npos) << text.seen;
  EXPECT_EQ(text.wanted.find("768"), std::string::npos) << text.wanted;
  EXPECT_NE(text.wanted.find("attention WIDTH tTOKENS"), std::string::npos) << text.wanted;
}

}  // namespace
}  // namespace tenfold::compute_trends
