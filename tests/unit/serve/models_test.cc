// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/models.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ModelsTest : public testing::Test {
 protected:
  explicit ModelsTest(ModelOptions options = {}) : store_(options, metrics_) {}
  Model& add(std::shared_ptr<systems::Predictor> predictor) {
    Model& model = store_.add({std::move(predictor), {}});
    model.warm_up();
    return model;
  }
  static std::shared_ptr<FakeExchange> infer(Model& model, const std::string& body) {
    auto exchange = std::make_shared<FakeExchange>("/v2/models/m/infer");
    model.infer(exchange, body);
    return exchange;
  }
  ServerMetrics metrics_;
  ModelStore store_;
};

class BatchingModels : public ModelsTest {
 protected:
  BatchingModels() : ModelsTest({.workers = 1, .batch_delay = 3600.0}) {}
};

TEST_F(BatchingModels, RunRequestsOfEqualShapesInOneCall) {
  const auto echo = std::make_shared<EchoPredictor>("echo", 4);
  Model& model = add(echo);
  const auto a = infer(model, echo_body({{1, 1}, {2, 2}}));
  const auto other = infer(model, echo_body({{5}}));
  const auto b = infer(model, echo_body({{3, 3}, {4, 4}}));
  const json first = json::parse(a->wait().body), second = json::parse(b->wait().body);
  EXPECT_EQ(first["outputs"][0]["data"], json({1.0, 1.0, 2.0, 2.0}));
  EXPECT_EQ(second["outputs"][0]["data"], json({3.0, 3.0, 4.0, 4.0}));
  EXPECT_EQ(second["outputs"][1]["data"], json({4, 4})) << "one call of four rows";
  EXPECT_EQ(echo->calls, 1);
  EXPECT_FALSE(other->answered());
  model.dispatcher().drain();
  EXPECT_EQ(other->wait().status, 200);
  EXPECT_THAT(metrics_.text(), HasSubstr("tenfold_batch_size_sum{queue=\"echo\"} 5"));
}

TEST_F(BatchingModels, ABadRowFailsAloneOfAllRequestsInTheCall) {
  Model& model = add(std::make_shared<EchoPredictor>("echo", 3));
  const auto good = infer(model, echo_body({{1}}));
  const auto bad = infer(model, echo_body({{2}, {13}}));
  EXPECT_EQ(good->wait().status, 200);
  EXPECT_EQ(bad->wait().status, 400);
  EXPECT_THAT(bad->wait().body, HasSubstr("echo.row"));
  EXPECT_THAT(bad->wait().body, HasSubstr("row 1"));
}

TEST_F(BatchingModels, ACallThatFailsIsRepeatedOneByOne) {
  const auto echo = std::make_shared<EchoPredictor>("echo", 3);
  Model& model = add(echo);
  const auto a = infer(model, echo_body({{1}}));
  const auto bad = infer(model, echo_body({{666}}));
  const auto b = infer(model, echo_body({{2}}));
  EXPECT_EQ(a->wait().status, 200);
  EXPECT_EQ(b->wait().status, 200);
  EXPECT_EQ(bad->wait().status, 400);
  EXPECT_THAT(bad->wait().body, HasSubstr("echo.all"));
  EXPECT_EQ(echo->calls, 4);
  EXPECT_EQ(json::parse(b->wait().body)["outputs"][0]["data"], json({2.0}))
      << "the rows came back from the failed call";
}

TEST_F(ModelsTest, WorkersOfOneModelRunAtTheSameTime) {
  ModelStore store({.workers = 2}, metrics_);
  const auto echo = std::make_shared<EchoPredictor>("wide", 1);
  Model& model = store.add({echo, {}});
  echo->gate.close();
  const auto a = infer(model, echo_body({{1}})), b = infer(model, echo_body({{2}}));
  EXPECT_TRUE(eventually([&] { return echo->gate.waiting() == 2; })) << "no lock around the model";
  echo->gate.open();
  EXPECT_EQ(a->wait().status, 200);
  EXPECT_EQ(b->wait().status, 200);
}

TEST_F(ModelsTest, AreFoundWhenTheyAreWarm) {
  store_.add({std::make_shared<EchoPredictor>("cold"), {}});
  const auto code = [&](const char* name) {
    try {
      store_.get(name);
      return std::string("found");
    } catch (const HttpError& error) {
      return std::to_string(error.status()) + " " + error.code();
    }
  };
  EXPECT_EQ(code("cold"), "503 serve.not_ready");
  EXPECT_EQ(code("none"), "404 serve.unknown_model");
  store_.find("cold")->warm_up();
  EXPECT_EQ(code("cold"), "found");
  EXPECT_EQ(store_.all().size(), 1u);
}

TEST_F(ModelsTest, NamesFitIntoAUrl) {
  add(std::make_shared<EchoPredictor>("a.b-c_1"));
  for (const char* name : {"", ".", "..", "A", "a b", "a/b", "a.b-c_1", "ä"})
    EXPECT_THROW(add(std::make_shared<EchoPredictor>(name)), Error) << name;
  EXPECT_THROW(add(std::make_shared<EchoPredictor>(std::string(65, 'a'))), Error);
}

TEST_F(ModelsTest, ATimeoutOfTheRequestLimitsItsDeadline) {
  const auto echo = std::make_shared<EchoPredictor>();
  Model& model = add(echo);
  const auto exchange = infer(model, echo_body({{1}}, R"(,"parameters":{"timeout":1500000})"));
  EXPECT_EQ(exchange->deadline(), exchange->request().begun + std::chrono::milliseconds(1500));
}

// A model that breaks its promises must not break the server.
class BrokenPredictor final : public systems::Predictor {
 public:
  const systems::PredictorInfo& info() const override { return echo_.info(); }
  std::vector<systems::PredictAnswer> predict(std::span<const systems::PredictItem> items,
                                              Deadline deadline) override {
    const float value = items[0].inputs[0].values<float>()[0];
    if (value == 1) return {};
    if (value == 2) throw std::runtime_error("secret");
    auto answers = echo_.predict(items, deadline);
    if (value == 3) answers[0].outputs.clear();
    if (value == 4) answers[0].outputs[0].values<float>()[0] = std::nanf("");
    return answers;
  }

 private:
  EchoPredictor echo_;
};

TEST_F(ModelsTest, ABrokenModelIsAnInternalErrorWithoutDetails) {
  Model& model = add(std::make_shared<BrokenPredictor>());
  for (int kind : {1, 2, 3}) {
    const auto exchange = infer(model, echo_body({{1.0 * kind}}));
    EXPECT_EQ(exchange->wait().status, 500) << kind;
    EXPECT_EQ(exchange->wait().body.find("secret"), std::string::npos);
  }
  const auto not_finite = infer(model, echo_body({{4}}));
  EXPECT_EQ(not_finite->wait().status, 400);
  EXPECT_THAT(not_finite->wait().body, HasSubstr("predict.not_finite"));
  EXPECT_EQ(infer(model, echo_body({{5}}))->wait().status, 200);
}

}  // namespace
}  // namespace tenfold::serve
