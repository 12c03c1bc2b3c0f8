// SPDX-License-Identifier: Apache-2.0
// Models, examples, changes and files of DSI on small made-up corpora.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "tenfold/systems/dsi/atomic_model.h"
#include "tenfold/systems/dsi/change.h"
#include "tenfold/systems/dsi/evaluation.h"
#include "tenfold/systems/dsi/sequence_model.h"
#include "tenfold/systems/dsi/study.h"
#include "tests/support/error_code.h"
#include "tests/support/small_training.h"

namespace tenfold::dsi {
namespace {

TrainOptions small_options(const std::string& scheme) {
  TrainOptions options;
  options.docid.scheme = scheme;
  options.model.encoder = {.width = 32, .hidden = 32, .dimension = 32};
  options.model.width = 16;
  options.model.slots = 2;
  options.model.layers = 1;
  options.model.heads = 2;
  options.model.hidden = 32;
  options.examples.per_document = 2;
  options.dual = {.epochs = 1.0, .batch_size = 256, .learning_rate = 5e-3};
  options.training.trainer.epochs = 3;
  options.training.trainer.batch_size = 128;
  options.training.trainer.optimizer.learning_rate = 1e-2;
  return options;
}

// Trained once a scheme.
Ranker trained(const std::string& scheme, bool wide = false) {
  TrainOptions options = small_options(scheme);
  options.model.wide = wide;
  return train_model(options, corpus_of(options), {.seed = 1});
}

search::BeirCorpus one_document(const std::string& id, const std::string& text) {
  search::BeirCorpus corpus;
  corpus.ids = {id};
  corpus.texts = {text};
  corpus.titles = {""};
  return corpus;
}

TEST(ExampleDataset, MixesByTheRatio) {
  const TrainOptions options = small_options("atomic");
  const auto corpus = corpus_of(options);
  const ExampleDataset plain(corpus, {.per_document = 3, .label_repeats = 2});
  EXPECT_EQ(plain.indexing_examples(), 3 * 1024);
  std::int64_t pairs = 0;
  for (const auto& relevant : corpus->train_relevant) pairs += static_cast<std::int64_t>(relevant.size());
  EXPECT_EQ(plain.labelled_examples(), 2 * pairs);
  const ExampleDataset mixed(corpus, {.per_document = 4, .ratio = 32.0});
  EXPECT_EQ(mixed.labelled_examples(), 4 * 1024 / 32);
  EXPECT_NE(plain.fingerprint(), mixed.fingerprint());
}

TEST(ExampleDataset, ViewsAreMadeOfTheDocumentsWords) {
  const TrainOptions options = small_options("atomic");
  const auto corpus = corpus_of(options);
  const ExampleDataset examples(
      corpus,
      {.views = {"direct", "set", "inverted", "words", "span", "sentence", "phrase", "title"}, .length = 8});
  for (const char* view : {"direct", "set", "inverted", "words", "span", "sentence", "phrase", "title"}) {
    std::vector<std::int64_t> out(8, -1);
    const auto text = corpus->documents[7];
    const std::size_t count = examples.put_view(view, 7, random::Generator(1, 2), out);
    ASSERT_GT(count, 0U) << view;
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_NE(std::find(text.begin(), text.end(), out[i]), text.end()) << view;
  }
  std::vector<std::int64_t> direct(8, -1);
  examples.put_view("direct", 7, random::Generator(1, 2), direct);
  EXPECT_TRUE(std::equal(direct.begin(), direct.end(), corpus->documents[7].begin()));
}

TEST(ExampleDataset, NothingToTrainOnIsAnError) {
  const auto corpus = corpus_of(small_options("atomic"));
  EXPECT_EQ(code_of([&] { ExampleDataset(corpus, {.per_document = 0, .label_repeats = 0}); }),
            "dsi.no_examples");
}

TEST(QueryGenerator, TakesWordsAsOftenAsTheLabelsDo) {
  const std::vector<std::int64_t> document = {0, 1}, query = {0, 2};
  const std::vector<QueryGenerator::Pair> pairs(97, {query, document});
  // Word 0 is frequent, word 1 rare, word 2 in no document.
  const QueryGenerator generator(pairs, {4000, 1, 0});
  EXPECT_NEAR(generator.taken(0), 97.3 / 98.0, 1e-12);
  EXPECT_NEAR(generator.taken(1), 0.3 / 98.0, 1e-12);
  EXPECT_DOUBLE_EQ(generator.added_words(), 1.0);
  random::Generator draws(1, 1);
  double added = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::int64_t> out(8);
    const std::size_t count = generator.put(document, draws, out);
    ASSERT_GE(count, 1U);
    added +=
        static_cast<double>(std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count), 2));
  }
  EXPECT_NEAR(added / 2000.0, 1.0, 0.1);  // uniform on 0, 1, 2: standard error 0.018
}

TEST(AtomicModel, LogitsAreScaledCosinesAndWordWeights) {
  auto documents = std::make_shared<retrieval::TokenLists>();
  documents->add(std::vector<std::int64_t>{0, 1});
  documents->add(std::vector<std::int64_t>{1, 2, 2});
  const TrainOptions options = small_options("atomic");
  const auto corpus = corpus_of(options);
  ModelOptions model_options = options.model;
  model_options.wide = true;
  AtomicModelImpl model(documents,
                        corpus->vocabulary->size(),
                        retrieval::make_encoder(options.model.encoder, *corpus->vocabulary),
                        model_options);
  retrieval::TokenLists query;
  query.add(std::vector<std::int64_t>{2});
  const torch::Tensor got = model.logits(retrieval::make_tokens(query));
  const torch::Tensor q = model.encoder()->encode(query), rows = model.rows();
  // Word 2 stands twice in the second document, whose length is 3 of a mean of 2.5: BM25 by hand.
  const double idf = std::log(1.0 + (2 - 1 + 0.5) / (1 + 0.5));
  const double wide = 0.5 * idf * 2 * 1.9 / (2 + 0.9 * (0.6 + 0.4 * 3 / 2.5));
  for (int j = 0; j < 2; ++j) {
    const double cosine = at::dot(q[0], rows[j]).item<double>();
    EXPECT_NEAR(got[0][j].item<double>(), 20.0 * cosine + (j == 1 ? wide : 0.0), 1e-4);
  }
}

TEST(AtomicModel, RanksOnlyAllowedDocumentsWithUnchangedScores) {
  const Ranker ranker = trained("atomic", true);
  const std::vector<std::string> texts = {ranker.open().corpus.texts[3], ranker.open().corpus.texts[900]};
  const auto all = ranker.rank(RankMethod::kDsi, texts, 1024);
  search::Bitmap allowed(1024);
  for (std::size_t i = 0; i < 1024; i += 100) allowed.set(i);
  const auto some = ranker.rank(RankMethod::kDsi, texts, 20, &allowed);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(some[i].size(), 11U);
    search::Hits expected;
    for (const search::Hit& hit : all[i])
      if (allowed.test(hit.row)) expected.push_back(hit);
    EXPECT_EQ(some[i], expected);
  }
}

TEST(AtomicModel, IsAnInnerProductSearchOverItsRows) {
  const Ranker ranker = trained("atomic");
  const auto& model = dynamic_cast<const AtomicModelImpl&>(*ranker.open().model);
  const torch::Tensor rows = model.rows().contiguous();
  search::FlatIndex index(static_cast<std::size_t>(rows.size(1)));
  index.add({rows.data_ptr<float>(),
             static_cast<std::size_t>(rows.size(0)),
             static_cast<std::size_t>(rows.size(1))});
  const std::vector<std::string> texts(ranker.open().corpus.texts.begin(),
                                       ranker.open().corpus.texts.begin() + 20);
  const torch::Tensor q = model.encoder()->encode((*ranker.open().vocabulary)(texts)).contiguous();
  const auto flat = index.search(
      {q.data_ptr<float>(), static_cast<std::size_t>(q.size(0)), static_cast<std::size_t>(q.size(1))},
      {.k = 1});
  const auto own = ranker.rank(RankMethod::kDsi, texts, 1);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(own[i].front().row, flat[i].front().row);
}

TEST(SequenceModel, LossIsMinusTheLogProbabilityThatTheDecoderSearches) {
  for (const char* scheme : {"semantic", "naive", "position", "residual", "title"}) {
    Ranker ranker = trained(scheme);
    auto& model = dynamic_cast<SequenceModelImpl&>(*ranker.open().model);
    model.eval();
    const retrieval::TokenLists texts = (*ranker.open().vocabulary)(std::vector<std::string>{
        ranker.open().corpus.texts[5], ranker.open().corpus.texts[6], ranker.open().corpus.texts[700]});
    const auto hits = model.rank(texts, {.k = 3, .exact = true});
    const c10::NoGradGuard no_grad;
    const SequenceModelImpl::Memory memory = model.encode(retrieval::make_tokens(texts));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(hits[i].size(), 3U) << scheme;
      for (const search::Hit& hit : hits[i]) {
        const torch::Tensor documents = at::full({3}, static_cast<std::int64_t>(hit.row), at::kLong);
        const double log_p = model.token_log_probabilities(memory, documents)[static_cast<std::int64_t>(i)]
                                 .sum()
                                 .item<double>();
        EXPECT_NEAR(hit.score, log_p, 1e-3) << scheme;
      }
    }
  }
}

TEST(SequenceModel, EveryStrategyTrains) {
  for (const char* strategy : {"inputs2targets", "targets2inputs", "bidirectional", "span"}) {
    TrainOptions options = small_options("naive");
    options.model.encoder.kind = "transformer";
    options.model.encoder.width = options.model.encoder.dimension = 16;
    options.model.encoder.layers = 1;
    options.model.encoder.heads = 2;
    options.vocabulary.pieces = 400;
    options.model.strategy = strategy;
    options.model.dropout = 0.1;
    options.model.consistency = 0.1;
    const auto corpus = corpus_of(options);
    retrieval::Encoder none{nullptr};
    auto scheme = make_docid_scheme(options.docid);
    Docids docids = scheme->assign({.count = corpus->size()});
    DocidModel model = make_model(options,
                                  *corpus->vocabulary,
                                  std::make_shared<const retrieval::TokenLists>(corpus->documents),
                                  none,
                                  docids);
    const std::vector<std::int64_t> rows = {1, 2, 3};
    const torch::Tensor loss = model->loss(retrieval::make_tokens(corpus->documents, rows),
                                           at::tensor(rows, at::kLong),
                                           at::tensor(std::vector<int>{1, 1, 0}, at::kInt).to(at::kBool));
    ASSERT_EQ(loss.sizes(), (std::vector<std::int64_t>{3}));
    loss.sum().backward();
    EXPECT_TRUE(std::isfinite(loss.sum().item<double>())) << strategy;
    bool any = false;
    for (const torch::Tensor& parameter : model->parameters()) any = any || parameter.grad().defined();
    EXPECT_TRUE(any);
  }
}

TEST(Changes, DeletedDocumentsAreNotFoundAndTheOthersKeepTheirScores) {
  for (const char* scheme : {"atomic", "semantic"}) {
    Ranker ranker = trained(scheme);
    const std::vector<std::string> texts = {ranker.open().corpus.texts[10]};
    const auto before = ranker.rank(RankMethod::kDsi, texts, 10).front();
    const std::string first = ranker.open().corpus.ids[before.front().row];
    set_live(ranker.open(), {first}, false);
    const auto after = ranker.rank(RankMethod::kDsi, texts, 9).front();
    EXPECT_EQ(after, search::Hits(before.begin() + 1, before.end())) << scheme;
    set_live(ranker.open(), {first}, true);
    EXPECT_EQ(ranker.rank(RankMethod::kDsi, texts, 10).front(), before) << scheme;
  }
}

TEST(Changes, AnAddedDocumentIsFoundAndTheOthersStay) {
  Ranker ranker = trained("atomic", true);
  const std::vector<std::string> texts = {ranker.open().corpus.texts[10]};
  const auto before = ranker.rank(RankMethod::kDsi, texts, 5).front();
  const std::string text = ranker.open().corpus.texts[1] + " " + ranker.open().corpus.texts[2];
  const AddReport report = add_documents(ranker.open(), one_document("new", text), {}, 1, nullptr);
  EXPECT_EQ(report.method, "row");
  EXPECT_EQ(ranker.open().size(), 1025U);
  EXPECT_EQ(ranker.open().corpus.ids[ranker.rank(RankMethod::kDsi, {text}, 1).front().front().row], "new");
  for (const search::Hit& hit : before) {
    const auto now = ranker.rank(RankMethod::kDsi, texts, 1025).front();
    EXPECT_NE(std::find(now.begin(), now.end(), hit), now.end());
  }
}

TEST(Changes, TrainingGoesOnForAnAddedDocumentOfASequenceModel) {
  Ranker ranker = trained("semantic");
  const std::string text = ranker.open().corpus.texts[1] + " " + ranker.open().corpus.texts[2];
  const AddReport report =
      add_documents(ranker.open(), one_document("new", text), {.epochs = 2.0, .replay = 20.0}, 1, nullptr);
  EXPECT_EQ(report.method, "train");
  EXPECT_EQ(ranker.open().docids.sequences.size(), 1025U);
  EXPECT_EQ(ranker.rank(RankMethod::kDsi, {text}, 1025).front().size(), 1025U);
}

TEST(Changes, BadDocumentsChangeNothing) {
  Ranker ranker = trained("atomic");
  const std::string id = ranker.open().corpus.ids[4];
  EXPECT_EQ(code_of([&] { add_documents(ranker.open(), one_document(id, "x"), {}, 1, nullptr); }),
            "dsi.duplicate_id");
  EXPECT_EQ(code_of([&] { add_documents(ranker.open(), one_document("n", "qqqqqq"), {}, 1, nullptr); }),
            "dsi.empty_document");
  EXPECT_EQ(code_of([&] { set_live(ranker.open(), {id, "no such"}, false); }), "dsi.unknown_id");
  EXPECT_EQ(ranker.open().size(), 1024U);
  EXPECT_EQ(ranker.open().live.count(), 1024U);
  Ranker other = trained("naive");
  EXPECT_EQ(
      code_of([&] {
        add_documents(
            other.open(), one_document("n", other.open().corpus.texts[0]), {.method = "row"}, 1, nullptr);
      }),
      "dsi.no_rows");
}

TEST(ModelFile, ComesBackAsItWas) {
  for (const char* scheme : {"atomic", "semantic"}) {
    const train::testing::TemporaryFolder folder;
    Ranker ranker = trained(scheme, std::string(scheme) == "atomic");
    set_live(ranker.open(), {ranker.open().corpus.ids[3]}, false);
    if (std::string(scheme) == "atomic")
      add_documents(ranker.open(), one_document("new", ranker.open().corpus.texts[8]), {}, 1, nullptr);
    write_model(real_file_system(), folder.path() / "model", ranker.open());
    const Ranker back(open_model(open_part(folder.path().string())));
    const std::vector<std::string> texts(ranker.open().corpus.texts.begin(),
                                         ranker.open().corpus.texts.begin() + 5);
    for (const RankMethod method :
         {RankMethod::kDsi, RankMethod::kBm25, RankMethod::kDual, RankMethod::kFusion})
      EXPECT_EQ(back.rank(method, texts, 10), ranker.rank(method, texts, 10)) << scheme;
    EXPECT_EQ(back.open().docid(5), ranker.open().docid(5));
  }
}

TEST(ModelFile, NothingThereIsAClearError) {
  EXPECT_EQ(code_of([] { open_part("/nonexistent-model"); }), "dsi.no_model");
}

TEST(Evaluation, SeenAndUnseenQueriesMakeUpAll) {
  const TrainOptions options = small_options("atomic");
  const auto corpus = corpus_of(options);
  const Ranker ranker = train_model(options, corpus, {.seed = 1});
  const DsiEvaluation evaluation = evaluate_model(ranker, corpus->data, "test");
  EXPECT_EQ(evaluation.seen + evaluation.unseen, 512U);
  ASSERT_EQ(evaluation.rows.size(), 4U);
  for (const MethodRow& row : evaluation.rows) {
    EXPECT_EQ(row.seen.queries + row.unseen.queries, 512U);
    const double sum = row.seen.mean("mrr@10") * static_cast<double>(row.seen.queries) +
                       row.unseen.mean("mrr@10") * static_cast<double>(row.unseen.queries);
    EXPECT_NEAR(sum / 512.0, row.all.mean("mrr@10"), 1e-9);
  }
}

}  // namespace
}  // namespace tenfold::dsi
