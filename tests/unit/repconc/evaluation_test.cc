// SPDX-License-Identifier: Apache-2.0
// The table of methods, and the study that trains what is in it.
#include "tenfold/systems/repconc/evaluation.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tenfold/base/error.h"
#include "tenfold/search/faiss_file.h"
#include "tenfold/systems/repconc/study.h"

namespace tenfold::repconc {
namespace {

TrainOptions small_options() {
  TrainOptions options;
  options.encoder = {.width = 16, .hidden = 16, .dimension = 16};
  options.data.pseudo_queries = 1;
  options.data.label_repeats = 1;
  options.dense = {.epochs = 2, .batch_size = 128, .learning_rate = 5e-3};
  options.training.trainer.epochs = 0.5;
  options.training.trainer.batch_size = 256;
  options.query_stage = {.epochs = 0.25, .batch_size = 128, .learning_rate = 5e-4};
  options.query.negatives = 20;
  return options;
}

std::shared_ptr<const retrieval::Corpus> corpus() {
  static const auto made =
      std::make_shared<const retrieval::Corpus>(small_options().data, retrieval::VocabularyOptions{});
  return made;
}

// Trained once for all tests of this file.
const std::vector<MethodRow>& table() {
  static Study study(corpus(), small_options(), {.seed = 5});
  static const std::vector<MethodRow> rows = study.table(2);
  return rows;
}

MethodRow row_of(const std::string& method, std::vector<double> mrr) {
  MethodRow row{.method = method};
  row.scores.queries = mrr.size();
  row.scores.per_query["mrr@10"] = std::move(mrr);
  return row;
}

TEST(Evaluation, HasARowForEveryMethodInOrder) {
  std::vector<std::string> names;
  for (const MethodRow& row : table()) {
    names.push_back(row.method);
    EXPECT_EQ(row.scores.queries, 512u) << row.method;
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"bm25",
                                      "dense",
                                      "fine-tuned",
                                      "joint-whole",
                                      "pq",
                                      "opq",
                                      "anisotropic",
                                      "rabitq",
                                      "jpq",
                                      "distillation",
                                      "repconc-1",
                                      "repconc",
                                      "rerank",
                                      "hybrid",
                                      "hybrid-weighted"}));
}

TEST(Evaluation, CountsBytesOfCodesAndFiles) {
  std::map<std::string, const MethodRow*> rows;
  for (const MethodRow& row : table()) rows[row.method] = &row;
  EXPECT_EQ(rows["dense"]->bytes_per_document, 64.0);  // 16 floats
  for (const char* method : {"pq", "opq", "anisotropic", "jpq", "distillation", "repconc-1", "repconc"}) {
    EXPECT_EQ(rows[method]->code_bytes, 2.0) << method;
    // At least codes and codebooks: 256 codewords of 16 floats in all.
    EXPECT_GE(rows[method]->bytes_per_document, 2.0 + 256 * 16 * 4 / 1024.0) << method;
  }
  EXPECT_EQ(rows["rabitq"]->code_bytes, 6.0);   // 16 bits and a float
  EXPECT_EQ(rows["rerank"]->code_bytes, 22.0);  // 2, 16 bytes of a vector, its scale
}

TEST(Evaluation, LengthOfAFaissFileIsThatOfTheFile) {
  Study study(corpus(), small_options(), {.seed = 5});
  search::CodeIndex index(study.start(2, "pq"));
  index.add(search::as_vectors(std::vector<float>(16 * 30, 0.5f), 16));
  const Path file = Path(TENFOLD_BINARY_DIR) / "repconc_test_length.faiss";
  search::write_faiss(real_file_system(), file, index);
  EXPECT_EQ(faiss_file_bytes(index), std::filesystem::file_size(file));
  std::filesystem::remove(file);
}

TEST(Evaluation, WeightedHybridIsNotBelowWordsOrCodesOnTheQueriesItWasTunedOn) {
  Study study(corpus(), small_options(), {.seed = 5});
  const Retriever model = study.query(study.dense(), study.start(2), small_options().query);
  const LabelledQueries queries = labelled_queries(corpus()->data, "test");
  const EvaluationRequest request{.corpus = corpus()->data.corpus, .queries = queries, .tuning = queries};
  const std::vector<MethodRow> rows = evaluate_methods(request, model);
  const double hybrid = find_row(rows, "hybrid-weighted")->scores.mean("ndcg@10");
  EXPECT_GE(hybrid, find_row(rows, "bm25")->scores.mean("ndcg@10"));
  EXPECT_GE(hybrid, find_row(rows, "repconc")->scores.mean("ndcg@10"));
  EXPECT_EQ(find_row(rows, "jpq"), nullptr);  // no baselines
}

TEST(Evaluation, GapIsClosedBetweenOpqAndTheControl) {
  std::vector<MethodRow> rows = {
      row_of("opq", {0.2, 0.4}), row_of("joint-whole", {1.0, 1.0}), row_of("repconc", {0.5, 0.5})};
  EXPECT_NEAR(*gap_closed(rows, "repconc"), 0.2 / 0.7, 1e-12);
  rows.push_back(row_of("fine-tuned", {0.7, 0.7}));
  EXPECT_NEAR(*gap_closed(rows, "repconc"), 0.2 / 0.4, 1e-12);
  EXPECT_FALSE(gap_closed(rows, "jpq").has_value());
  rows.front() = row_of("opq", {0.8, 0.8});
  EXPECT_FALSE(gap_closed(rows, "repconc").has_value());  // no gap
}

TEST(Evaluation, ComparesByDifferencesOfPairs) {
  const std::vector<MethodRow> rows = {row_of("opq", {0.1, 0.2, 0.3}), row_of("repconc", {0.2, 0.3, 0.4})};
  const std::vector<MethodComparison> comparisons = compare_methods(rows);
  ASSERT_EQ(comparisons.size(), 1u);
  EXPECT_NEAR(comparisons[0].mrr.mean, 0.1, 1e-12);
  EXPECT_NEAR(comparisons[0].mrr.low, 0.1, 1e-9);  // the same for each query
  EXPECT_NEAR(comparisons[0].mrr.high, 0.1, 1e-9);
}

TEST(Study, IsAFunctionOfItsSeed) {
  Study again(corpus(), small_options(), {.seed = 5});
  const std::vector<MethodRow> rows = again.table(2);
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(rows[i].scores.per_query, table()[i].scores.per_query) << rows[i].method;
}

TEST(Study, StopsWhenAsked) {
  StopToken stop;
  stop.request();
  Study study(corpus(), small_options(), {.seed = 5, .stop = &stop});
  try {
    study.dense();
    FAIL() << "trained on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "reproduce.stopped");
  }
}

}  // namespace
}  // namespace tenfold::repconc
