// SPDX-License-Identifier: Apache-2.0
// Random directions: pure functions of their key, whatever the threads, the pieces or the layout.
#include "tenfold/train/directions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"

namespace tenfold::train {
namespace {

constexpr DirectionLaw kLaws[] = {
    DirectionLaw::kGaussian, DirectionLaw::kRademacher, DirectionLaw::kSphere, DirectionLaw::kRankOne};
const DirectionKey kKey{{.seed = 3, .step = 17, .micro_batch = 2}, 1};

std::vector<Perturbed> tensors_of(at::ScalarType type = at::kFloat) {
  return {{0, at::zeros({90, 800}, type)}, {1, at::zeros({64, 3, 5, 5}, type)}, {2, at::zeros({9}, type)}};
}

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(thread_count()) { set_thread_count(count); }
  ~ThreadCount() { set_thread_count(before_); }

 private:
  int before_;
};

TEST(Directions, AreEqualToTheBitForOneAndTwoThreads) {
  for (const DirectionLaw law : kLaws) {
    std::vector<at::Tensor> by_threads[2];
    for (int threads : {1, 2}) {
      const ThreadCount guard(threads);
      const auto direction = random_direction(law, kKey, tensors_of());
      for (std::size_t i = 0; i < 3; ++i) by_threads[threads - 1].push_back(direction->draw(i));
    }
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(at::equal(by_threads[0][i], by_threads[1][i])) << to_string(law);
  }
}

TEST(Directions, FillAndAddAgreeWithDraw) {
  for (const DirectionLaw law : kLaws) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kComplexDouble}) {
      const auto direction = random_direction(law, kKey, tensors_of(type));
      for (std::size_t i = 0; i < 3; ++i) {
        const at::Tensor v = direction->draw(i);
        const at::Tensor& like = direction->tensors()[i].value;
        ASSERT_EQ(v.sizes(), like.sizes());
        ASSERT_EQ(v.scalar_type(), type);
        const at::Tensor target = at::zeros_like(like);
        direction->add_to(i, target, 2.0);
        EXPECT_TRUE(at::equal(target, v * 2.0)) << to_string(law) << " " << type;
        if (type != at::kDouble) continue;
        std::vector<double> part(5000);
        const std::uint64_t first = 77;
        if (static_cast<std::uint64_t>(v.numel()) < first + part.size()) continue;
        direction->fill(i, first, part);
        const at::Tensor expected = v.reshape({-1}).narrow(0, 77, 5000);
        EXPECT_TRUE(at::equal(at::tensor(part, at::kDouble), expected)) << to_string(law);
      }
    }
  }
}

TEST(Directions, LayoutOfTheParameterDoesNotChangeEntries) {
  const auto plain = random_direction(DirectionLaw::kGaussian, kKey, {{4, at::zeros({6, 4, 3, 3})}});
  const at::Tensor last = at::zeros({6, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto strided = random_direction(DirectionLaw::kGaussian, kKey, {{4, last}});
  strided->add_to(0, last, 1.0);
  EXPECT_TRUE(at::equal(last, plain->draw(0)));
}

TEST(Directions, OtherKeysGiveOtherDirections) {
  const auto signs = [](DirectionKey key, std::uint64_t tensor) {
    return random_direction(DirectionLaw::kRademacher, key, {{tensor, at::zeros({10'000})}})->draw(0);
  };
  const at::Tensor base = signs(kKey, 0);
  std::vector<at::Tensor> others{signs(kKey, 1), signs(kKey, 1ull << 40)};
  for (int part = 0; part < 4; ++part) {
    DirectionKey key = kKey;
    (part == 0   ? key.estimate.seed
     : part == 1 ? key.estimate.step
     : part == 2 ? key.estimate.micro_batch
                 : key.tangent) += 1;
    others.push_back(signs(key, 0));
  }
  for (std::size_t a = 0; a < others.size(); ++a) {
    EXPECT_LT(std::abs((base * others[a]).sum().item<double>()), 5 * 100.0);  // five standard deviations
    for (std::size_t b = 0; b < a; ++b)
      EXPECT_LT(std::abs((others[a] * others[b]).sum().item<double>()), 5 * 100.0);
  }
}

TEST(Directions, SphereHasItsRadiusOverAllTensors) {
  const auto direction = random_direction(DirectionLaw::kSphere, kKey, tensors_of(at::kDouble));
  double squared = 0.0;
  for (std::size_t i = 0; i < 3; ++i) squared += direction->draw(i).square().sum().item<double>();
  EXPECT_NEAR(squared / static_cast<double>(direction->numel()), 1.0, 1e-6);
}

TEST(Directions, RankOneIsAnOuterProductOfTheDocumentedSigns) {
  const auto direction = random_direction(DirectionLaw::kRankOne, kKey, tensors_of());
  for (std::size_t i : {0u, 1u}) {
    const at::Tensor v = direction->draw(i).flatten(1);
    std::vector<float> rows(static_cast<std::size_t>(v.size(0))),
        columns(static_cast<std::size_t>(v.size(1)));
    kernels::fill_signs_plain(direction_stream(kKey, i, StreamUse::kRows), 0, rows);
    kernels::fill_signs_plain(direction_stream(kKey, i, StreamUse::kColumns), 0, columns);
    EXPECT_TRUE(at::equal(v, at::outer(at::tensor(rows), at::tensor(columns))));
  }
  EXPECT_TRUE(at::equal(direction->draw(2).abs(), at::ones({9})));  // a vector: plain signs
}

TEST(Directions, RankOneWithLongRowsIsStillAnOuterProduct) {
  const auto direction =
      random_direction(DirectionLaw::kRankOne, kKey, {{0, at::zeros({5, 9000}, at::kDouble)}});
  const at::Tensor v = direction->draw(0);
  EXPECT_TRUE(at::equal(v, v.select(0, 0).unsqueeze(0) * v.select(1, 0).unsqueeze(1) * v[0][0]));
}

TEST(Directions, StreamsAreTheDocumentedPhiloxChain) {
  // By hand from base/random.h: block of (step, micro batch) under the seed, then the tangent, tensor and use folded in.
  const auto place = random::philox4x32({17, 0, 2, 0}, {3, 0});
  const auto name =
      random::philox4x32({place[0] ^ 1, place[1], place[2] ^ 5, place[3] ^ 2}, {0x66776467u, 0x64697231u});
  const kernels::RandomStream stream = direction_stream(kKey, 5, StreamUse::kColumns);
  EXPECT_EQ(stream.seed, name[0] | std::uint64_t{name[1]} << 32);
  EXPECT_EQ(stream.stream, name[2] | std::uint64_t{name[3]} << 32);
}

TEST(Directions, RefuseIntegerTensors) {
  try {
    random_direction(DirectionLaw::kGaussian, kKey, {{0, at::zeros({3}, at::kLong)}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "gradient.unsupported_dtype");
  }
}

TEST(Directions, UnknownLawNamesTheNearest) {
  try {
    parse_direction_law("rademecher");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "gradient.unknown_direction");
    EXPECT_NE(error.text().remedy.find("'rademacher'"), std::string::npos);
  }
}

TEST(GivenDirection, IsTheGivenTensorsAndZeroWhereUndefined) {
  const at::Tensor given = at::arange(6, at::kDouble).view({2, 3});
  const auto direction =
      given_direction({{0, at::zeros({2, 3})}, {1, at::zeros({4})}}, {given, at::Tensor()});
  EXPECT_TRUE(at::equal(direction->draw(0), given.to(at::kFloat)));
  EXPECT_TRUE(at::equal(direction->draw(1), at::zeros({4})));
  std::vector<double> part(3);
  direction->fill(0, 2, part);
  EXPECT_EQ(part, (std::vector<double>{2, 3, 4}));
  direction->fill(1, 1, part);
  EXPECT_EQ(part, (std::vector<double>{0, 0, 0}));
}

TEST(GivenDirection, RefusesWhatDoesNotFit) {
  const std::vector<Perturbed> tensors{{0, at::zeros({2, 3})}};
  for (const std::vector<at::Tensor>& bad : std::vector<std::vector<at::Tensor>>{
           {}, {at::zeros({3, 2})}, {at::full({2, 3}, NAN)}, {at::zeros({2, 3}, at::kComplexFloat)}}) {
    try {
      given_direction(tensors, bad);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "gradient.bad_guess");
    }
  }
}

}  // namespace
}  // namespace tenfold::train
