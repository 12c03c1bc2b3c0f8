// SPDX-License-Identifier: Apache-2.0
// The losses of the three stages: against plain loops, and that training by them lowers them.
#include "tenfold/systems/repconc/tasks.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tenfold/systems/training/verbs.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/trainer.h"

namespace tenfold::repconc {
namespace {

constexpr retrieval::EncoderOptions kSmall{.width = 32, .hidden = 32, .dimension = 16};

const std::shared_ptr<const retrieval::Corpus>& corpus() {
  static const auto made = std::make_shared<const retrieval::Corpus>(
      retrieval::DataOptions{.pseudo_queries = 1, .label_repeats = 1}, retrieval::VocabularyOptions{});
  return made;
}

retrieval::Encoder encoder() {
  training::seed_initial_weights(1);
  return retrieval::make_encoder(kSmall, *corpus()->vocabulary);
}

JointModule joint_module() {
  retrieval::Encoder made = encoder();
  const torch::Tensor x = made->encode(corpus()->documents);
  const search::ProductQuantizer start = search::train_product_quantizer(
      search::Vectors(x.data_ptr<float>(), corpus()->size(), 16),
      {.method = "opq", .bytes = 2, .bits = 4, .kmeans_iterations = 5, .rotations = 2});
  return JointModule(made, Codebook(start, 10.0));
}

data::Batch batch_of(std::vector<std::int64_t> ids) {
  return corpus()->pairs.get(ids, {.seed = 1, .epoch = 0});
}

double trained_loss(training::SystemTask& task, std::int64_t steps, double rate) {
  train::TrainerOptions options;
  options.steps = steps;
  options.batch_size = 128;
  options.optimizer.learning_rate = rate;
  options.count_flops = false;
  options.metric = "mrr@10";
  options.lower_is_better = false;
  const auto estimator = train::make_backprop();
  return train::train(task, *estimator, options, {.seed = 1, .peak_gflops = 1.0}).last_loss;
}

double loss_of(training::SystemTask& task, const data::Batch& batch) {
  const c10::NoGradGuard no_grad;
  return task.run(batch).loss.item<double>();
}

TEST(Encoder, IsTheFormulaWordByWord) {
  retrieval::Encoder model = encoder();
  retrieval::TokenLists lists;
  lists.add(std::vector<std::int64_t>{3, 5, 3});
  lists.add({});
  const torch::Tensor y = model->encode(lists);
  const auto weights = model->named_parameters();
  const torch::Tensor w = weights["word_weights"], table = weights["table"];
  const torch::Tensor h = 2 * w[3] * table[3] + w[5] * table[5];
  const torch::Tensor normal = (h - h.mean()) / (h.var(false) + 1e-5).sqrt();  // LayerNorm as it starts
  const torch::Tensor inner = at::mv(weights["inner.weight"], normal) + weights["inner.bias"];
  const torch::Tensor gelu = 0.5 * inner * (1 + at::erf(inner / std::sqrt(2.0)));
  const torch::Tensor out =
      at::mv(weights["project.weight"], h) + at::mv(weights["outer.weight"], gelu) + weights["outer.bias"];
  EXPECT_LT((y[0] - out / out.norm()).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(y[1].isfinite().all().item<bool>());  // a text without known words
}

TEST(DenseTask, LossIsTheSoftmaxOverTheDifferentDocumentsOfTheBatch) {
  retrieval::DenseTask task("repconc", corpus(), kSmall, {.scale = 4.0});
  // Rows 0 and 1024: a made-up query of document 0, and a labelled one.
  const data::Batch batch = batch_of({0, 1, 0, 1024, 1025});
  const c10::NoGradGuard no_grad;
  const torch::Tensor q = task.encoder()->forward(retrieval::make_tokens(batch.tensors[0]));
  const torch::Tensor d = task.encoder()->encode(corpus()->documents);
  std::set<std::int64_t> documents;
  for (std::int64_t i = 0; i < 5; ++i) documents.insert(batch.tensors[1][i].item<std::int64_t>());
  double sum = 0;
  for (std::int64_t i = 0; i < 5; ++i) {
    double total = 0;
    const auto score = [&](std::int64_t document) { return 4.0 * q[i].dot(d[document]).item<double>(); };
    for (const std::int64_t document : documents) total += std::exp(score(document));
    sum += std::log(total) - score(batch.tensors[1][i].item<std::int64_t>());
  }
  EXPECT_NEAR(loss_of(task, batch), sum / 5, 1e-5);
}

TEST(DenseTask, LossFalls) {
  training::seed_initial_weights(1);
  retrieval::DenseTask task("repconc", corpus(), kSmall, {});
  const data::Batch batch = batch_of({1, 9, 17, 300, 301, 302, 1024, 1100});
  const double before = loss_of(task, batch);
  trained_loss(task, 30, 5e-3);
  EXPECT_LT(loss_of(task, batch), before);
}

TEST(DenseTask, MinesNegativesWithTheEncoderOfEachEpochButTheFirst) {
  training::seed_initial_weights(1);
  retrieval::DenseTask task(
      "repconc", corpus(), kSmall, {.scale = 4.0}, {.negatives = 3, .negatives_depth = 1});
  retrieval::DenseTask plain("repconc", corpus(), kSmall, {.scale = 4.0});
  train::copy_into(plain.module(), train::module_tensors(*task.encoder()));
  const std::vector<std::int64_t> ids = {0, 1, 5, 1024, 1025};
  const auto batch = [&](std::int64_t epoch) {
    return corpus()->pairs.get(ids, {.seed = 1, .epoch = epoch});
  };
  EXPECT_EQ(loss_of(task, batch(0)), loss_of(plain, batch(0)));

  const data::Batch later = batch(2);
  const double loss = loss_of(task, later);
  // By hand: the best document of each row that is neither relevant nor its own, by a labelled query or else by the document.
  const c10::NoGradGuard no_grad;
  const torch::Tensor d = task.encoder()->encode(corpus()->documents),
                      q = task.encoder()->encode(corpus()->queries);
  std::set<std::int64_t> columns;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::int64_t own = later.tensors[1][row].item<std::int64_t>(),
                       query = later.tensors[2][row].item<std::int64_t>();
    torch::Tensor scores = at::mv(d, query >= 0 ? q[query] : d[own]);
    scores[own] = -9.0;
    columns.insert(own);
    columns.insert(scores.argmax().item<std::int64_t>());
  }
  const torch::Tensor asked = task.encoder()->forward(retrieval::make_tokens(later.tensors[0]));
  double sum = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    double total = 0;
    const auto score = [&](std::int64_t document) {
      return 4.0 * asked[row].dot(d[document]).item<double>();
    };
    for (const std::int64_t document : columns) total += std::exp(score(document));
    sum += std::log(total) - score(later.tensors[1][row].item<std::int64_t>());
  }
  EXPECT_NEAR(loss, sum / 5, 1e-5);
  EXPECT_GT(columns.size(), 5u);
}

TEST(DenseTask, KeepsItsNegativesInACheckpoint) {
  training::seed_initial_weights(1);
  retrieval::DenseTask task("repconc", corpus(), kSmall, {}, {.negatives = 2, .negatives_depth = 4});
  const data::Batch batch =
      corpus()->pairs.get(std::vector<std::int64_t>{3, 4, 1024}, {.seed = 1, .epoch = 1});
  loss_of(task, batch);
  retrieval::DenseTask other("repconc", corpus(), kSmall, {}, {.negatives = 2, .negatives_depth = 4});
  train::copy_into(other.module(), train::module_tensors(task.module()));
  {
    const c10::NoGradGuard no_grad;  // weights move on; the lists are those of the epoch's beginning
    for (retrieval::DenseTask* each : {&task, &other})
      for (auto& parameter : each->module().parameters()) parameter.add_(0.01);
  }
  at::manual_seed(5);
  const double one = loss_of(task, batch);
  at::manual_seed(5);
  EXPECT_EQ(loss_of(other, batch), one);
}

TEST(JointTask, LossFallsAndCodesAreLogged) {
  JointModule model = joint_module();
  JointTask task(corpus(), model, {}, {.sinkhorn = {.iterations = 10}});
  std::vector<std::int64_t> ids(128);
  std::iota(ids.begin(), ids.end(), 900);
  const train::StepOutput output = task.run(batch_of(ids));
  std::map<std::string, double> figures;
  for (const auto& [name, value] : output.metrics) figures[name] = value.item<double>();
  EXPECT_NEAR(output.loss.item<double>(), figures["rank_loss"] + figures["mse"], 1e-5);
  EXPECT_NEAR(
      figures["entropy"],
      (figures["entropy/00"] + figures["entropy/01"] + figures["entropy/02"] + figures["entropy/03"]) / 4,
      1e-9);
  EXPECT_LE(figures["entropy"], 4.0);
  EXPECT_GE(figures["imbalance"], 0.0);
  EXPECT_GE(figures["disagreement"], 0.0);
  const double before = output.loss.item<double>();
  trained_loss(task, 20, 2e-3);
  EXPECT_LT(loss_of(task, batch_of(ids)), before);
}

TEST(JointTask, LogsTheBalanceOfTheNearestCodewordsToo) {
  JointTask nearest(corpus(), joint_module(), {}, {.assignment = "nearest"});
  std::vector<std::int64_t> ids(512);
  std::iota(ids.begin(), ids.end(), 0);
  std::map<std::string, double> figures;
  for (const auto& [name, value] : nearest.run(batch_of(ids)).metrics) figures[name] = value.item<double>();
  EXPECT_EQ(figures.at("nearest_imbalance"), figures.at("imbalance"));
  const double before = figures.at("imbalance");
  JointTask balanced(corpus(), joint_module(), {}, {.sinkhorn = {.iterations = 300}});
  for (const auto& [name, value] : balanced.run(batch_of(ids)).metrics) figures[name] = value.item<double>();
  EXPECT_EQ(figures.at("nearest_imbalance"), before);
  EXPECT_LT(figures.at("imbalance"), 0.6 * before);
}

TEST(JointTask, HardNegativesAreMoreColumnsOfTheSoftmax) {
  JointModule model = joint_module();
  JointTask plain(corpus(), model, {}, {.mse_weight = 0.0, .assignment = "nearest", .negatives = 0});
  JointTask mined(corpus(), model, {}, {.mse_weight = 0.0, .assignment = "nearest", .negatives = 5});
  const data::Batch batch = batch_of({7, 1024, 1100});
  EXPECT_GT(loss_of(mined, batch), loss_of(plain, batch));
}

TEST(JointTask, AllNegativesAreTheHardestOnes) {
  JointModule model = joint_module();
  const JointOptions all{.mse_weight = 0.0, .assignment = "nearest", .negatives = 0};
  JointOptions many = all, one = all;
  many.hardest = 1000;
  one.hardest = 1;
  JointTask a(corpus(), model, {}, all), b(corpus(), model, {}, many), c(corpus(), model, {}, one);
  const data::Batch batch = batch_of({7, 20, 30, 1024, 1100});
  EXPECT_NEAR(loss_of(a, batch), loss_of(b, batch), 1e-5);
  EXPECT_LT(loss_of(c, batch), loss_of(a, batch));
}

TEST(JointTask, MemoryGrowsWithStepsAndStaysOutOfTheLoss) {
  retrieval::Encoder made = encoder();
  const JointModule small = joint_module();
  JointModule model(made, Codebook(small->codebook->quantizer(), 10.0), 64);
  JointTask with(corpus(), model, {}, {.negatives = 0, .memory = 64});
  JointTask without(corpus(), small, {}, {.negatives = 0});
  const data::Batch first = batch_of({1, 2, 3, 4}), second = batch_of({5, 6, 7, 8});
  // Nothing is remembered yet: the same problem.
  EXPECT_NEAR(loss_of(with, first), loss_of(without, first), 1e-6);
  EXPECT_EQ(model->memory->others(second.tensors[1]).size(0), 4);
  EXPECT_EQ(model->memory->others(first.tensors[1]).size(0), 0);
  model->eval();
  loss_of(with, second);
  EXPECT_EQ(model->memory->others(second.tensors[1]).size(0), 4);  // evaluation leaves no trace
}

TEST(JointTask, GradientReachesEncoderAndCodewords) {
  JointModule model = joint_module();
  JointTask task(corpus(), model, {}, {.mse_weight = 0.0, .assignment = "nearest"});
  task.run(batch_of({0, 5, 9, 1030})).loss.backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_GT(parameter.value().grad().abs().sum().item<double>(), 0.0) << parameter.key();
  }
}

class Query : public testing::Test {
 protected:
  QueryTask task(QueryOptions options) {
    JointModule start = joint_module();
    JointModule own(copy_of(start->encoder), Codebook(start->codebook->quantizer(), 10.0));
    return QueryTask(corpus(), own, start->encoder, {}, std::move(options));
  }
};

TEST_F(Query, LossFallsWhileCodesStay) {
  QueryTask made = task({.negatives = 50});
  const torch::Tensor codes = made.codes().clone();
  const data::Batch batch = batch_of({1, 9, 17, 300, 301, 302, 1024, 1100});
  const double before = loss_of(made, batch);
  trained_loss(made, 20, 1e-3);
  EXPECT_LT(loss_of(made, batch), before);
  EXPECT_TRUE(codes.equal(made.codes()));
}

TEST_F(Query, LossIsTheSoftmaxAgainstTheBestOthers) {
  QueryTask made = task({.negatives = 1024, .distillation_weight = 0.0});  // all documents: nothing to mine
  const data::Batch batch = batch_of({7, 1024});
  const c10::NoGradGuard no_grad;
  auto& model = dynamic_cast<JointModuleImpl&>(made.module());
  const torch::Tensor q =
      model.codebook->rotate(model.encoder->forward(retrieval::make_tokens(batch.tensors[0])));
  const torch::Tensor scores = 16.0 * at::mm(q, model.codebook->decode(made.codes()).t());
  const torch::Tensor expected = -at::log_softmax(scores, 1).gather(1, batch.tensors[1].unsqueeze(1)).mean();
  EXPECT_NEAR(loss_of(made, batch), expected.item<double>(), 1e-4);
}

TEST_F(Query, DistillationNeedsNoLabelsAndFalls) {
  QueryTask made = task({.negatives = 50, .label_weight = 0.0, .distillation_weight = 1.0});
  const data::Batch batch = batch_of({1, 9, 17, 300, 301, 302});
  const double before = loss_of(made, batch);
  trained_loss(made, 20, 1e-3);
  EXPECT_LT(loss_of(made, batch), before);
}

TEST_F(Query, WithoutLabelsThePairedDocumentDoesNotMatter) {
  QueryTask made = task({.negatives = 20, .label_weight = 0.0, .distillation_weight = 1.0});
  data::Batch batch = batch_of({1, 9, 17});
  const double before = loss_of(made, batch);
  batch.tensors[1] = batch.tensors[1] + 100;
  EXPECT_EQ(loss_of(made, batch), before);
}

TEST_F(Query, PairsAreWeightedByReciprocalRanks) {
  QueryTask made = task({.negatives = 30, .loss = "pairwise", .cut = 10, .distillation_weight = 0.0});
  const data::Batch batch = batch_of({7, 1024, 1030, 1500});
  const c10::NoGradGuard no_grad;
  auto& model = dynamic_cast<JointModuleImpl&>(made.module());
  const torch::Tensor q =
      model.codebook->rotate(model.encoder->forward(retrieval::make_tokens(batch.tensors[0])));
  const torch::Tensor scores = at::mm(q, model.codebook->decode(made.codes()).t());
  double sum = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::int64_t positive = batch.tensors[1][i].item<std::int64_t>();
    const torch::Tensor order = std::get<1>(scores[i].topk(30));
    const auto w = [](std::int64_t rank) { return rank <= 10 ? 1.0 / static_cast<double>(rank) : 0.0; };
    double own = 0, total = 0;
    std::int64_t counted = 0;
    for (std::int64_t place = 0; place < 30; ++place)
      if (order[place].item<std::int64_t>() == positive) own = w(place + 1);
    for (std::int64_t place = 0; place < 30; ++place) {
      const std::int64_t document = order[place].item<std::int64_t>();
      if (document == positive) continue;
      ++counted;
      const double gap = (scores[i][document] - scores[i][positive]).item<double>();
      total += std::abs(w(place + 1) - own) * std::log(1 + std::exp(16.0 * gap));
    }
    sum += total / static_cast<double>(counted);
  }
  EXPECT_NEAR(loss_of(made, batch), sum / 4, 1e-4);
}

TEST(RetrievalTask, EvaluatesEachSplit) {
  retrieval::DenseTask task("repconc", corpus(), kSmall, {});
  EXPECT_EQ(task.splits(), (std::vector<std::string>{"test", "train", "valid"}));
  const train::Figures figures = task.evaluate_split("valid");
  for (const char* name : {"loss", "mrr@10", "ndcg@10", "recall@100"})
    EXPECT_EQ(figures.count(name), 1u) << name;
}

}  // namespace
}  // namespace tenfold::repconc
