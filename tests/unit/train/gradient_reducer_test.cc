// SPDX-License-Identifier: Apache-2.0
// Two processes train as one does; buckets leave during the backward pass; what goes wrong is noticed.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <cstring>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/train/communicator.h"
#include "tenfold/train/optimizer.h"
#include "tenfold/train/reference_models.h"
#include "tests/support/rank_processes.h"

namespace tenfold::train {
namespace {

using train_test::RankResult;
using train_test::run_ranks;

class GradientReducers : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = train_test::loopback_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

// Runs `body` on two ranks; it returns what was wrong.
template <typename Body>
void expect_on_two_ranks(Body body) {
  const auto results = run_ranks(2, [&](const CommunicatorOptions& options) -> std::string {
    const auto communicator = make_communicator(options);
    std::string wrong = body(*communicator);
    communicator->barrier();  // nobody leaves while the other still works
    return wrong;
  });
  for (std::size_t rank = 0; rank < results.size(); ++rank) {
    EXPECT_TRUE(results[rank].finished) << "rank " << rank;
    EXPECT_EQ(results[rank].code + results[rank].text, "") << "rank " << rank;
  }
}

torch::Tensor normals(std::uint64_t stream, at::IntArrayRef shape, at::ScalarType type) {
  torch::Tensor values = at::empty(shape, at::kDouble);
  random::Generator generator(7, stream);
  for (double *at = values.data_ptr<double>(), *end = at + values.numel(); at != end; ++at)
    *at = generator.normal();
  return values.to(type);
}

struct TrainingCase {
  const char* model;
  const char* optimizer;
  at::ScalarType type;
  std::uint64_t steps = 5;
};

// Steps on batches of 12, 12, 12, 12 and 7 examples of which each rank takes a consecutive part; all parameters
// afterwards as float64.
template <typename Model>
torch::Tensor train_steps(Model model,
                          at::IntArrayRef example,
                          const TrainingCase& c,
                          Communicator& communicator) {
  model->to(c.type);
  std::vector<NamedParameter> parameters = trainable_parameters(*model);
  {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      torch::Tensor& value = parameters[i].value;
      value.copy_(normals(100 + i, value.sizes(), c.type) /
                  std::sqrt(static_cast<double>(value.numel() / value.size(0) + 1)));
    }
  }
  OptimizerOptions options;
  options.name = c.optimizer;
  options.learning_rate = c.optimizer == std::string("sgd") ? 0.1 : 1e-3;
  options.momentum = 0.9;
  const auto optimizer = make_optimizer(options, parameters);
  GradientReducer reducer(communicator, parameters, {.bucket_bytes = 4096});
  const std::int64_t n = communicator.world_size(), rank = communicator.rank();
  for (std::uint64_t step = 0; step < c.steps; ++step) {
    const std::int64_t count = step == 4 ? 7 : 12;
    std::vector<std::int64_t> shape = {count};
    shape.insert(shape.end(), example.begin(), example.end());
    const std::int64_t begin = rank * count / n, end = (rank + 1) * count / n;
    const torch::Tensor inputs = normals(step, shape, c.type).slice(0, begin, end);
    const torch::Tensor labels = at::arange(begin, end, at::kLong).remainder(10);
    model->zero_grad();
    reducer.prepare();
    const torch::Tensor mean_loss = torch::nn::functional::cross_entropy(model->forward(inputs), labels);
    (mean_loss * (static_cast<double>(end - begin) / static_cast<double>(count))).backward();
    reducer.finish();
    optimizer->step(options.learning_rate);
  }
  std::vector<torch::Tensor> flat;
  for (const NamedParameter& parameter : parameters)
    flat.push_back(parameter.value.detach().to(at::kDouble).flatten());
  return at::cat(flat);
}

torch::Tensor train_case(const TrainingCase& c, Communicator& communicator) {
  if (c.model == std::string("mlp")) {
    return train_steps(
        Mlp(MlpOptions{.inputs = 20, .hidden = {64, 48}, .outputs = 10}), {20}, c, communicator);
  }
  return train_steps(SmallCnn(SmallCnnOptions{.image = 8, .channels = 3, .width = 8, .classes = 10}),
                     {3, 8, 8},
                     c,
                     communicator);
}

// The parameters after training on `ranks` processes, one result a rank.
std::vector<std::vector<double>> trained(const TrainingCase& c, int ranks) {
  const auto results = run_ranks(ranks, [&](const CommunicatorOptions& options) {
    const torch::Tensor values = train_case(c, *make_communicator(options));
    return std::string(static_cast<const char*>(values.data_ptr()), values.nbytes());
  });
  std::vector<std::vector<double>> all;
  for (const RankResult& result : results) {
    EXPECT_EQ(result.code, "") << result.text;
    all.emplace_back(result.text.size() / sizeof(double));
    std::memcpy(all.back().data(), result.text.data(), result.text.size());
  }
  return all;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST_F(GradientReducers, TwoProcessesTrainAsOne) {
  for (const char* model : {"mlp", "cnn"}) {
    for (const char* optimizer : {"sgd", "adam"}) {
      for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
        const std::string name = fmt::format("{}_{}_{}", model, optimizer, c10::toString(type));
        SCOPED_TRACE(name);
        const auto alone = trained({model, optimizer, type}, 1);
        const auto both = trained({model, optimizer, type}, 2);
        ASSERT_GT(alone[0].size(), 1000u);
        ASSERT_EQ(both[0].size(), alone[0].size());
        EXPECT_EQ(both[0], both[1]);
        const double difference = largest_difference(alone[0], both[0]);
        RecordProperty(name, fmt::format("{:.3g}", difference));
        EXPECT_LE(difference, type == at::kDouble ? 1e-12 : 1e-5);
        EXPECT_GT(largest_difference(alone[0], trained({model, optimizer, type, 0}, 1)[0]), 1e-3);
      }
    }
  }
}

// A chain of three layers, each [8, 8] + [8], float32: 288 bytes a layer.
struct Chain {
  explicit Chain(at::ScalarType type = at::kFloat) {
    const at::NoGradGuard no_grad;
    for (int i = 0; i < 3; ++i) {
      layers.emplace_back(8, 8);
      layers.back()->to(type);
      for (const auto& item : layers.back()->named_parameters()) {
        torch::Tensor value = item.value();
        value.copy_(normals(static_cast<std::uint64_t>(value.dim() + 10 * i), value.sizes(), type) / 3);
        parameters.push_back({std::to_string(i) + "." + item.key(), value});
      }
    }
  }
  torch::Tensor loss(double scale) {
    torch::Tensor x = at::full({2, 8}, scale, parameters[0].value.options().requires_grad(false));
    for (auto& layer : layers) x = layer->forward(x).tanh();
    return x.sum();
  }
  void reset() {
    for (const NamedParameter& parameter : parameters) parameter.value.mutable_grad() = torch::Tensor();
  }
  void zero() {
    for (const NamedParameter& parameter : parameters) {
      if (parameter.value.grad().defined()) parameter.value.mutable_grad().zero_();
    }
  }
  std::vector<torch::Tensor> gradients() const {
    std::vector<torch::Tensor> all;
    for (const NamedParameter& parameter : parameters) all.push_back(parameter.value.grad().clone());
    return all;
  }
  std::vector<torch::nn::Linear> layers;
  std::vector<NamedParameter> parameters;
};

// The sum over ranks, computed on one rank alone: rank r contributes the gradient of loss(r + 1).
std::vector<torch::Tensor> expected_sum(const std::vector<double>& scales) {
  Chain chain;
  for (const double scale : scales) chain.loss(scale).backward();
  return chain.gradients();
}

std::string compare(const std::vector<torch::Tensor>& seen, const std::vector<torch::Tensor>& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!seen[i].allclose(wanted[i], 1e-5, 1e-6)) return "gradient " + std::to_string(i) + " differs";
  }
  return "";
}

constexpr std::uint64_t kLayerBytes = (64 + 8) * sizeof(float);

TEST_F(GradientReducers, ThreeBucketsLeaveDuringTheBackwardPass) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters, {.bucket_bytes = kLayerBytes});
    if (reducer.buckets() != 3) return std::to_string(reducer.buckets()) + " buckets";
    const std::uint64_t before = communicator.bytes_reduced();
    for (int step = 0; step < 3; ++step) {
      chain.zero();
      reducer.prepare();
      chain.loss(communicator.rank() + 1).backward();
      reducer.finish();
      if (reducer.overlapped_share() != 1.0) return "share " + std::to_string(reducer.overlapped_share());
      const std::string wrong = compare(chain.gradients(), expected_sum({1, 2}));
      if (!wrong.empty()) return wrong;
    }
    if (communicator.bytes_reduced() - before != 3 * 3 * kLayerBytes) return "bytes";
    return "";
  });
}

TEST_F(GradientReducers, OnlyTheLastMicroBatchIsSent) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters, {.bucket_bytes = kLayerBytes});
    const std::uint64_t before = communicator.bytes_reduced();
    const int first = 1 + 3 * communicator.rank();
    chain.loss(first).backward();
    chain.loss(first + 1).backward();
    if (communicator.bytes_reduced() != before) return "sent too early";
    reducer.prepare();
    chain.loss(first + 2).backward();
    reducer.finish();
    if (communicator.bytes_reduced() - before != 3 * kLayerBytes) return "bytes";
    return compare(chain.gradients(), expected_sum({1, 2, 3, 4, 5, 6}));
  });
}

TEST_F(GradientReducers, GradientsWithoutABackwardPassAreReducedAtTheEnd) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters);
    for (int step = 0; step < 2; ++step) {
      chain.reset();
      reducer.prepare();
      for (const NamedParameter& parameter : chain.parameters) {
        parameter.value.mutable_grad() = at::full_like(parameter.value, communicator.rank() + 1.0).detach();
      }
      reducer.finish();
      if (reducer.overlapped_share() != 0.0) return "share";
      for (const torch::Tensor& gradient : chain.gradients()) {
        if (!gradient.equal(at::full_like(gradient, 3.0))) return "sum";
      }
    }
    return "";
  });
}

TEST_F(GradientReducers, ParametersWithoutAGradientCountAsZeros) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters, {.bucket_bytes = kLayerBytes});
    for (int step = 0; step < 2; ++step) {
      chain.reset();
      reducer.prepare();
      // Layer 0 on both ranks, layer 1 on rank 1 alone, layer 2 on none: the hooks fire in another order on each rank.
      torch::Tensor x = chain.layers[0]->forward(at::ones({1, 8}));
      if (communicator.rank() == 1) x = chain.layers[1]->forward(x);
      x.sum().backward();
      reducer.finish();
      const auto seen = chain.gradients();
      if (!seen[4].equal(at::zeros({8, 8})) || !seen[5].equal(at::zeros({8}))) return "unused on both";
      if (!seen[3].equal(at::ones({8}))) return "unused on one";
      if (seen[1].equal(at::zeros({8}))) return "used on both";
    }
    return "";
  });
}

TEST_F(GradientReducers, BuffersAreReusedHoweverGradientsAreCleared) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters, {.bucket_bytes = 2 * kLayerBytes});
    const void* place = nullptr;
    for (int step = 0; step < 4; ++step) {
      step % 2 == 0 ? chain.reset() : chain.zero();
      reducer.prepare();
      chain.loss(communicator.rank() + 1).backward();
      reducer.finish();
      const void* now = chain.parameters[2].value.grad().data_ptr();
      if (place != nullptr && place != now) return "another buffer";
      place = now;
      const std::string wrong = compare(chain.gradients(), expected_sum({1, 2}));
      if (!wrong.empty()) return wrong;
    }
    return "";
  });
}

TEST_F(GradientReducers, TypesAndMemoryOrdersKeepTheirOwn) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    std::vector<NamedParameter> parameters = {
        {"a", at::ones({3, 4, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast)},
        {"b", at::ones({5}, at::kDouble)},
        {"c", at::ones({4, 6}).slice(1, 0, 3)},
        {"d", at::ones({1000})}};
    for (NamedParameter& parameter : parameters) parameter.value.set_requires_grad(true);
    GradientReducer reducer(communicator, parameters, {.bucket_bytes = 256});
    if (reducer.buckets() != 3) return std::to_string(reducer.buckets()) + " buckets";  // d; a with c; b
    reducer.prepare();
    torch::Tensor loss = at::zeros({}, at::kDouble);
    for (const NamedParameter& parameter : parameters) {
      const torch::Tensor weights =
          at::arange(parameter.value.numel(), parameter.value.options().requires_grad(false))
              .view(parameter.value.sizes());
      loss = loss + (parameter.value * weights).sum().to(at::kDouble);
    }
    loss.backward();
    reducer.finish();
    for (const NamedParameter& parameter : parameters) {
      const torch::Tensor wanted =
          2 * at::arange(parameter.value.numel(), parameter.value.options().requires_grad(false))
                  .view(parameter.value.sizes());
      if (!parameter.value.grad().equal(wanted)) return parameter.name;
      if (parameter.value.grad().scalar_type() != parameter.value.scalar_type())
        return parameter.name + " type";
    }
    if (parameters[0].value.grad().strides() != parameters[0].value.strides()) return "strides";
    return "";
  });
}

std::string code_of(const std::function<void()>& act) {
  try {
    act();
    return "no error";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST_F(GradientReducers, GradientThatComesInTwoPartsIsRefusedUnlessReducedAtTheEnd) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    const auto two_parts = [&](bool overlap) {
      Chain chain;
      GradientReducer reducer(
          communicator, chain.parameters, {.bucket_bytes = kLayerBytes, .overlap = overlap});
      reducer.prepare();
      chain.loss(communicator.rank() + 1).backward();
      chain.loss(communicator.rank() + 3).backward();
      reducer.finish();
      return compare(chain.gradients(), expected_sum({1, 2, 3, 4}));
    };
    const std::string code = code_of([&] { two_parts(true); });
    if (code != "distributed.late_gradient") return code;
    return two_parts(false);
  });
}

TEST_F(GradientReducers, GradientChangedAfterItsBucketLeftIsRefused) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    for (const bool replace : {false, true}) {
      Chain chain;
      GradientReducer reducer(communicator, chain.parameters);
      reducer.prepare();
      chain.loss(1.0).backward();
      torch::Tensor& gradient = chain.parameters[1].value.mutable_grad();
      if (replace) {
        gradient = gradient * 2;
      } else {
        gradient.mul_(2);
      }
      const std::string code = code_of([&] { reducer.finish(); });
      if (code != "distributed.late_gradient") return code;
    }
    return "";
  });
}

// All ranks leave the step at different places; the next one is right again.
TEST_F(GradientReducers, StepThatEndedByAnExceptionLeavesNothingBehind) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    GradientReducer reducer(communicator, chain.parameters, {.bucket_bytes = kLayerBytes});
    reducer.prepare();
    if (communicator.rank() == 0)
      chain.loss(5.0).backward();  // three buckets are on their way; none on rank 1
    chain.zero();
    reducer.prepare();
    chain.zero();
    chain.loss(communicator.rank() + 1).backward();
    reducer.finish();
    return compare(chain.gradients(), expected_sum({1, 2}));
  });
}

TEST_F(GradientReducers, DifferentModelsAreRefusedOnAllRanks) {
  const auto results = run_ranks(2, [](const CommunicatorOptions& options) -> std::string {
    const auto communicator = make_communicator(options);
    const std::vector<NamedParameter> parameters = {
        {"w", at::ones({options.rank == 0 ? 2 : 3}).set_requires_grad(true)}};
    const GradientReducer reducer(*communicator, parameters);
    return "";
  });
  for (const RankResult& result : results)
    EXPECT_EQ(result.code, "distributed.different_models") << result.text;
}

TEST_F(GradientReducers, NothingIsSentAfterItsEnd) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    { const GradientReducer reducer(communicator, chain.parameters); }
    const std::uint64_t before = communicator.bytes_reduced();
    if (communicator.rank() == 0) chain.loss(1.0).backward();
    return communicator.bytes_reduced() == before ? "" : "sent";
  });
}

TEST(GradientReducer, WorldOfOneLeavesGradientsAlone) {
  const auto communicator = make_communicator({});
  Chain chain;
  GradientReducer reducer(*communicator, chain.parameters);
  EXPECT_EQ(reducer.buckets(), 0u);
  reducer.prepare();
  chain.layers[0]->forward(at::ones({1, 8})).sum().backward();
  const void* place = chain.parameters[0].value.grad().data_ptr();
  reducer.finish();
  EXPECT_EQ(chain.parameters[0].value.grad().data_ptr(), place);
  EXPECT_FALSE(chain.parameters[4].value.grad().defined());
}

TEST(GradientReducer, FinishNeedsPrepare) {
  const auto communicator = make_communicator({});
  Chain chain;
  GradientReducer reducer(*communicator, chain.parameters);
  EXPECT_THROW(reducer.finish(), Error);
}

TEST_F(GradientReducers, BroadcastGivesAllRanksTheSameParameters) {
  expect_on_two_ranks([](Communicator& communicator) -> std::string {
    Chain chain;
    {
      const at::NoGradGuard no_grad;
      if (communicator.rank() == 1) {
        for (const NamedParameter& parameter : chain.parameters) parameter.value.detach().zero_();
      }
    }
    broadcast_parameters(communicator, chain.parameters, 0);
    const Chain wanted;
    for (std::size_t i = 0; i < 6; ++i) {
      if (!chain.parameters[i].value.equal(wanted.parameters[i].value))
        return "parameter " + std::to_string(i);
    }
    return "";
  });
}

}  // namespace
}  // namespace tenfold::train
