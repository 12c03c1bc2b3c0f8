// SPDX-License-Identifier: Apache-2.0
// Codes, decoding and the straight-through gradient, against loops and finite differences in double.
#include "tenfold/systems/repconc/codebook.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/random.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/systems/retrieval/losses.h"

namespace tenfold::repconc {
namespace {

constexpr std::int64_t kDimension = 8, kBlocks = 2, kWidth = 4;

std::vector<float> normals(std::size_t count, std::uint64_t stream) {
  random::Generator draws(7, stream);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(draws.normal());
  return values;
}

search::ProductQuantizer quantizer(std::size_t bits, bool rotated) {
  search::ProductQuantizerParts parts;
  parts.dimension = kDimension;
  parts.blocks = kBlocks;
  parts.bits = bits;
  parts.centroids = normals(kDimension << bits, 1);
  if (rotated) parts.rotation = search::random_rotation(kDimension, 3).dense();
  return search::ProductQuantizer(parts);
}

torch::Tensor rows(std::int64_t count, std::uint64_t stream) {
  const std::vector<float> values = normals(static_cast<std::size_t>(count * kDimension), stream);
  torch::Tensor tensor = at::empty({count, kDimension}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

search::Vectors vectors(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), static_cast<std::size_t>(x.size(1))};
}

TEST(Codebook, CodesAreThoseOfTheSearchLibrary) {
  for (const std::size_t bits : {4u, 8u}) {
    const search::ProductQuantizer start = quantizer(bits, true);
    Codebook codebook(start, 10.0);
    const torch::Tensor x = rows(200, 5);
    const torch::Tensor codes = codebook->nearest(codebook->rotate(x));
    std::vector<std::uint8_t> packed(200 * start.code_bytes()), bytes(200 * kBlocks);
    codebook->quantizer().encode(vectors(x), packed);
    start.unpack(packed, bytes);
    for (std::int64_t i = 0; i < 200; ++i)
      for (std::int64_t j = 0; j < kBlocks; ++j)
        EXPECT_EQ(codes[i][j].item<std::int64_t>(), bytes[static_cast<std::size_t>(i * kBlocks + j)]);
  }
}

TEST(Codebook, BalancedCodesUseEveryCodewordEquallyOften) {
  Codebook codebook(quantizer(4, false), 1.0);
  const torch::Tensor x = rows(1024, 6) * 0.3 + 1.0;  // far from most codewords
  const Assignment nearest = codebook->assign(x, "nearest", {});
  const Assignment balanced = codebook->assign(x, "sinkhorn", {.epsilon = 0.003, .iterations = 1000});
  for (std::size_t j = 0; j < kBlocks; ++j) {
    EXPECT_GT(nearest.usage[j].imbalance, 0.3);
    EXPECT_LT(balanced.usage[j].imbalance, 0.05);
    EXPECT_GT(balanced.usage[j].entropy, 3.98);  // of 4 bits
    EXPECT_GT(balanced.disagreement[j], 0.0);
  }
}

// Loss of the joint stage as a function of x and codewords with the codes fixed; `surrogate` uses x^ + (x - x0) with x0 constant.
TEST(Codebook, StraightThroughGradientIsThatOfTheSurrogate) {
  Codebook codebook(quantizer(4, false), 2.0);
  codebook->to(at::kDouble);
  const torch::Tensor x0 = rows(6, 8).to(at::kDouble), q = rows(6, 9).to(at::kDouble);
  const torch::Tensor codes = codebook->nearest(x0);
  const torch::Tensor positive = at::arange(6, at::kLong);
  const auto loss_at = [&](const torch::Tensor& x, const torch::Tensor& decoded) {
    const torch::Tensor scores = at::mm(q, (decoded + x - x0).t());
    return retrieval::softmax_loss(scores, positive, {}).mean() + 0.5 * (x - decoded).square().sum(1).mean();
  };
  torch::Tensor x = x0.clone().requires_grad_();
  const torch::Tensor decoded = codebook->decode(codes);
  const torch::Tensor loss =
      retrieval::softmax_loss(at::mm(q, straight_through(x, decoded).t()), positive, {}).mean() +
      0.5 * (x - decoded).square().sum(1).mean();
  loss.backward();

  constexpr double kStep = 1e-6;
  const c10::NoGradGuard no_grad;
  const torch::Tensor fixed = codebook->decode(codes);
  EXPECT_NEAR(loss.item<double>(), loss_at(x0, fixed).item<double>(), 1e-12);
  for (std::int64_t i = 0; i < x0.numel(); ++i) {
    torch::Tensor up = x0.clone(), down = x0.clone();
    up.view(-1)[i] += kStep;
    down.view(-1)[i] -= kStep;
    const double expected = (loss_at(up, fixed) - loss_at(down, fixed)).item<double>() / (2 * kStep);
    EXPECT_NEAR(x.grad().view(-1)[i].item<double>(), expected, 1e-7);
  }
  torch::Tensor scaled = codebook->named_parameters()["scaled_codewords"];
  const torch::Tensor gradient = scaled.grad();
  for (std::int64_t i = 0; i < scaled.numel(); i += 3) {
    const double before = scaled.view(-1)[i].item<double>();
    scaled.view(-1)[i] = before + kStep;
    const double up = loss_at(x0, codebook->decode(codes)).item<double>();
    scaled.view(-1)[i] = before - kStep;
    const double down = loss_at(x0, codebook->decode(codes)).item<double>();
    scaled.view(-1)[i] = before;
    EXPECT_NEAR(gradient.view(-1)[i].item<double>(), (up - down) / (2 * kStep), 1e-7);
  }
}

TEST(Codebook, TablesGiveTheInnerProductWithWhatCodesStandFor) {
  Codebook codebook(quantizer(8, true), 10.0);
  const torch::Tensor q = codebook->rotate(rows(5, 10));
  const torch::Tensor codes = codebook->nearest(codebook->rotate(rows(7, 11)));
  const torch::Tensor tables = codebook->tables(q), expected = at::mm(q, codebook->decode(codes).t());
  for (std::int64_t i = 0; i < 5; ++i) {
    for (std::int64_t n = 0; n < 7; ++n) {
      double sum = 0;
      for (std::int64_t j = 0; j < kBlocks; ++j)
        sum += tables[i][j][codes[n][j].item<std::int64_t>()].item<double>();
      EXPECT_NEAR(sum, expected[i][n].item<double>(), 1e-4);
    }
  }
}

TEST(Codebook, AnIndexOfItsCodesFindsWhatBruteForceOverDecodedVectorsFinds) {
  Codebook codebook(quantizer(8, true), 10.0);
  const search::ProductQuantizer own = codebook->quantizer();
  const torch::Tensor x = rows(500, 12), queries = rows(20, 13);
  search::CodeIndex index(own);
  index.add(vectors(x));
  std::vector<float> decoded(500 * kDimension);
  own.decode(index.codes(), decoded);
  search::FlatIndex flat(kDimension);
  flat.add(search::Vectors(decoded.data(), 500, kDimension));
  const auto found = index.search(vectors(queries), {.k = 10}),
             expected = flat.search(vectors(queries), {.k = 10});
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].size(), 10u);
    for (std::size_t place = 0; place < 10; ++place)
      EXPECT_NEAR(found[i][place].score, expected[i][place].score, 1e-4);
  }
}

TEST(Codebook, UnitBlocksScoreByTheMeanOfCosines) {
  const Codebook codebook(quantizer(4, true), 10.0, true);
  const torch::Tensor plain = rows(5, 2), q = codebook->rotate(plain), x = codebook->rotate(rows(40, 3));
  const torch::Tensor codes = codebook->nearest(x), scores = at::mm(q, codebook->decode(codes).t());
  const search::ProductQuantizer original = quantizer(4, true);
  const std::vector<float> rotated = original.rotate(vectors(plain));
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t document = 0; document < 40; ++document) {
      double mean = 0;
      for (std::int64_t j = 0; j < kBlocks; ++j) {
        double dot = 0, a = 0, b = 0;
        const std::int64_t code = codes[document][j].item<std::int64_t>();
        for (std::int64_t w = 0; w < kWidth; ++w) {
          const double left = rotated[static_cast<std::size_t>(i * kDimension + j * kWidth + w)];
          const double right =
              original.parts().centroids[static_cast<std::size_t>(((j << 4) + code) * kWidth + w)];
          dot += left * right;
          a += left * left;
          b += right * right;
        }
        mean += dot / std::sqrt(a * b) / kBlocks;
      }
      EXPECT_NEAR(scores[i][document].item<double>(), mean, 1e-5);
    }
  // Vectors scaled block by block and rotated back give an index that rotates them the same scores.
  search::CodeIndex index(codebook->quantizer());
  index.add(vectors(codebook->rotate_back(x).contiguous()));
  const torch::Tensor asked = codebook->rotate_back(q).contiguous();
  const std::vector<search::Hits> found = index.search(vectors(asked), {.k = 40});
  for (std::int64_t i = 0; i < 5; ++i)
    for (const search::Hit& hit : found[static_cast<std::size_t>(i)])
      EXPECT_NEAR(hit.score, scores[i][hit.row].item<double>(), 1e-5);
}

TEST(Losses, MaskedColumnsDoNotCount) {
  const torch::Tensor scores = at::zeros({1, 4});
  const torch::Tensor masked = at::zeros({1, 4}, at::kBool);
  masked[0][2] = true;
  const torch::Tensor positive = at::zeros({1}, at::kLong);
  EXPECT_NEAR(retrieval::softmax_loss(scores, positive, {}).item<double>(), std::log(4.0), 1e-6);
  EXPECT_NEAR(retrieval::softmax_loss(scores, positive, masked).item<double>(), std::log(3.0), 1e-6);
}

TEST(Losses, OnlyTheHardestNegativesStay) {
  const torch::Tensor scores = at::tensor({5.f, 1.f, 4.f, 3.f, 2.f}).unsqueeze(0);
  torch::Tensor masked = at::zeros({1, 5}, at::kBool);
  masked[0][2] = true;  // relevant too
  const torch::Tensor positive = at::full({1}, 1, at::kLong);
  const torch::Tensor result = retrieval::mask_all_but_hardest(scores, positive, masked, 2);
  const bool expected[] = {false, false, true, false, true};  // 5 and 3 stay, and the positive
  for (std::int64_t j = 0; j < 5; ++j) EXPECT_EQ(result[0][j].item<bool>(), expected[j]) << j;
}

TEST(Losses, PairsBeyondTheCutHaveNoWeight) {
  const torch::Tensor scores = at::tensor({1.f, 3.f, 0.f}).unsqueeze(0);
  const torch::Tensor masked = at::zeros({1, 3}, at::kBool);
  const auto ranks = [](std::int64_t positive) {
    return at::tensor({positive, std::int64_t{1}, std::int64_t{3}}).unsqueeze(0);
  };
  // Positive at rank 2 of cut 2: |1/2 - 1| log(1 + e^2), and |1/2 - 0| log(1 + e^-1).
  const double first = 0.5 * std::log(1 + std::exp(2.0)), second = 0.5 * std::log(1 + std::exp(-1.0));
  EXPECT_NEAR(
      retrieval::pairwise_loss(scores, ranks(2), masked, 2).item<double>(), (first + second) / 2, 1e-6);
  // Beyond the cut only the negative at rank 1 has weight.
  EXPECT_NEAR(retrieval::pairwise_loss(scores, ranks(9), masked, 2).item<double>(), 2 * first / 2, 1e-6);
}

TEST(Losses, DistillationIsTheCrossEntropyFromTheTeacher) {
  const torch::Tensor scores = at::log(at::tensor({0.5, 0.25, 0.25})).unsqueeze(0);
  const torch::Tensor teacher = at::log(at::tensor({0.25, 0.25, 0.5})).unsqueeze(0);
  const double expected = 0.25 * std::log(2.0) + 0.25 * std::log(4.0) + 0.5 * std::log(4.0);
  EXPECT_NEAR(retrieval::distillation_loss(scores, teacher).item<double>(), expected, 1e-6);
}

}  // namespace
}  // namespace tenfold::repconc
