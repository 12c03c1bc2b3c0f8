// SPDX-License-Identifier: Apache-2.0
// Transformers as encoders of texts: what they compute, how they are trained, stored, and read from a BERT checkpoint.
#include "tenfold/systems/retrieval/transformer_encoder.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tenfold/base/strings.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/nn/bert.h"
#include "tenfold/systems/repconc/retriever.h"
#include "tenfold/systems/repconc/tasks.h"
#include "tenfold/systems/retrieval/demo_corpus.h"
#include "tenfold/systems/retrieval/runtime/piece_vocabulary.h"
#include "tenfold/systems/training/verbs.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/tensor_file.h"
#include "tenfold/train/trainer.h"
#include "tests/support/error_code.h"

namespace tenfold::repconc {
namespace {

const retrieval::EncoderOptions kSmall{
    .kind = "transformer", .width = 16, .hidden = 32, .dimension = 8, .heads = 2, .length = 12};
const retrieval::VocabularyOptions kPieces{.pieces = 400};

Path scratch(const std::string& name) {
  const Path folder = Path(TENFOLD_BINARY_DIR) / "repconc_test" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

const std::shared_ptr<const retrieval::Corpus>& corpus() {
  static const auto made = std::make_shared<const retrieval::Corpus>(
      retrieval::DataOptions{.pseudo_queries = 1, .label_repeats = 1}, kPieces, kSmall);
  return made;
}

retrieval::Encoder encoder(const retrieval::EncoderOptions& options = kSmall) {
  training::seed_initial_weights(1);
  return retrieval::make_encoder(options, *corpus()->vocabulary);
}

TEST(BytePairVocabulary, GivesAWordTheSameTokensEverywhere) {
  const retrieval::BytePairVocabulary vocabulary(std::vector<std::string>(3, "the Lower the slower"),
                                                 {.pieces = 300});
  const std::vector<std::int64_t> one = vocabulary("lower"), two = vocabulary("LOWER lower");
  EXPECT_EQ(two.size(), 2 * one.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), two.begin()));
  EXPECT_TRUE(vocabulary("").empty());
  const retrieval::BytePairVocabulary cased(std::vector<std::string>(3, "the Lower"),
                                            {.tokenizer = {.lower_case = false}, .pieces = 300});
  EXPECT_NE(cased("Lower"), cased("lower"));
}

TEST(BytePairVocabulary, KnowsWhereAWordBegins) {
  const retrieval::BytePairVocabulary vocabulary(std::vector<std::string>(9, "ab ab, xyz9"), {.pieces = 300});
  const std::vector<bool> inside = vocabulary.continues_word();
  std::vector<bool> begins;
  for (const std::int64_t token : vocabulary("ab, q7"))
    begins.push_back(!inside[static_cast<std::size_t>(token)]);
  // " ab" "," " " "q" "7": a space that is no part of a token begins the word behind it.
  EXPECT_EQ(begins, (std::vector<bool>{true, true, true, false, false}));
}

TEST(TransformerEncoder, IsTheNormalisedProjectionOfTheMean) {
  retrieval::Encoder model = encoder();
  auto& own = dynamic_cast<retrieval::TransformerTextEncoderImpl&>(*model);
  retrieval::TokenLists lists;
  lists.add(std::vector<std::int64_t>{30, 31, 32});
  lists.add({});
  const torch::Tensor y = model->encode(lists);
  const retrieval::Vocabulary::Markers markers = corpus()->vocabulary->markers();
  const torch::Tensor tokens =
      at::tensor({markers.begin, std::int64_t{30}, std::int64_t{31}, std::int64_t{32}, markers.end});
  const torch::Tensor h = own.net->forward(tokens.unsqueeze(0), at::ones({1, 5}, at::kBool))[0].mean(0);
  const torch::Tensor v = at::mv(model->named_parameters()["project.weight"], h);
  EXPECT_LT((y[0] - v / v.norm()).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(y[1].isfinite().all().item<bool>());
}

TEST(TransformerEncoder, GivesATextTheSameVectorInEveryCompany) {
  retrieval::Encoder model = encoder();
  const torch::Tensor all = model->encode(corpus()->documents);
  for (const std::size_t row : {0u, 77u, 1000u}) {
    retrieval::TokenLists alone;
    alone.add(corpus()->documents[row]);
    EXPECT_LT((model->encode(alone)[0] - all[static_cast<std::int64_t>(row)]).abs().max().item<double>(),
              1e-5);
  }
}

TEST(TransformerEncoder, ReadsNoMoreThanItsLength) {
  retrieval::Encoder model = encoder();
  std::vector<std::int64_t> text(10, 40);  // length 12 with the markers
  retrieval::TokenLists lists;
  lists.add(text);
  text.push_back(50);
  lists.add(text);
  const torch::Tensor y = model->encode(lists);
  EXPECT_LT((y[0] - y[1]).abs().max().item<double>(), 1e-6);
}

TEST(TransformerEncoder, LearnsInTheDenseStage) {
  training::seed_initial_weights(1);
  retrieval::DenseTask task("repconc", corpus(), kSmall, {});
  const data::Batch batch =
      corpus()->pairs.get(std::vector<std::int64_t>{1, 9, 17, 300, 301, 302, 1024, 1100}, {.seed = 1});
  const auto loss = [&] {
    const c10::NoGradGuard no_grad;
    return task.run(batch).loss.item<double>();
  };
  const double before = loss();
  train::TrainerOptions options;
  options.steps = 30;
  options.batch_size = 64;
  options.optimizer.learning_rate = 3e-3;
  options.count_flops = false;
  options.metric = "mrr@10";
  options.lower_is_better = false;
  const auto estimator = train::make_backprop();
  train::train(task, *estimator, options, {.seed = 1, .peak_gflops = 1.0});
  EXPECT_LT(loss(), before);
}

// Gradients of the dense loss by name.
std::map<std::string, torch::Tensor> dense_gradients(const retrieval::EncoderOptions& options,
                                                     std::int64_t chunk) {
  training::seed_initial_weights(4);
  retrieval::DenseTask task("repconc", corpus(), options, {}, {.chunk = chunk});
  std::vector<std::int64_t> ids(70);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(27 * i);
  task.run(corpus()->pairs.get(ids, {.seed = 1})).loss.backward();
  std::map<std::string, torch::Tensor> gradients;
  for (const auto& parameter : task.module().named_parameters())
    gradients[parameter.key()] = parameter.value().grad();
  return gradients;
}

TEST(GradCache, HasTheGradientOfTheWholeBatch) {
  const auto whole = dense_gradients(kSmall, 0), chunked = dense_gradients(kSmall, 16);
  double largest = 0;
  for (const auto& [name, gradient] : whole) {
    ASSERT_TRUE(chunked.at(name).defined()) << name;
    largest = std::max(largest, gradient.abs().max().item<double>());
    // Float rounding of sums in another order, relative to the largest gradient of the tensor.
    EXPECT_LT((gradient - chunked.at(name)).abs().max().item<double>(),
              1e-4 * gradient.abs().max().item<double>() + 1e-6)
        << name;
  }
  EXPECT_GT(largest, 1e-3);
}

TEST(GradCache, KeepsTheLoss) {
  training::seed_initial_weights(4);
  retrieval::DenseTask whole("repconc", corpus(), kSmall, {});
  retrieval::DenseTask chunked("repconc", corpus(), kSmall, {}, {.chunk = 3});
  train::copy_into(chunked.module(), train::module_tensors(whole.module()));
  const data::Batch batch =
      corpus()->pairs.get(std::vector<std::int64_t>{1, 9, 17, 300, 1024, 1100, 4}, {.seed = 1});
  EXPECT_NEAR(whole.run(batch).loss.item<double>(), chunked.run(batch).loss.item<double>(), 1e-5);
}

Retriever retriever_with(const retrieval::Encoder& model,
                         const std::shared_ptr<const retrieval::Vocabulary>& vocabulary) {
  retrieval::Encoder own = model;
  const torch::Tensor x = own->encode((*vocabulary)(retrieval::make_demo_corpus().corpus.texts));
  const search::ProductQuantizer quantizer = search::train_product_quantizer(
      search::Vectors(x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), 8),
      {.method = "opq", .bytes = 2, .kmeans_iterations = 2, .rotations = 1});
  return {.vocabulary = vocabulary,
          .documents = model,
          .queries = copy_of(model),
          .assigning = quantizer,
          .scoring = quantizer};
}

void write(const Path& folder, const Retriever& retriever) {
  io::BundleWriter bundle(real_file_system(), folder, {.system = "repconc", .created_by = "test"});
  add_retriever_members(bundle, retriever);
  bundle.commit();
}

TEST(TransformerEncoder, IsReadBackFromABundle) {
  const Path folder = scratch("transformer") / "model";
  const Retriever written = retriever_with(encoder(), corpus()->vocabulary);
  write(folder, written);
  const Retriever back = open_retriever(io::BundleReader::open(folder));
  const std::vector<std::string> texts = {retrieval::make_demo_corpus().corpus.texts[5], "Unseen \xFF text"};
  EXPECT_EQ(back.encode_documents(texts), written.encode_documents(texts));
  EXPECT_EQ(back.encode_query(texts[1]), written.encode_query(texts[1]));
}

TEST(TransformerEncoder, RefusesMetadataThatItsTensorsDoNotBear) {
  retrieval::Encoder model = encoder();
  train::TensorMap tensors;
  for (const auto& parameter : model->named_parameters())
    tensors[parameter.key()] = parameter.value().detach();
  const std::map<std::string, std::string> good = model->metadata();
  EXPECT_NO_THROW(retrieval::open_encoder(tensors, good, *corpus()->vocabulary));
  const auto error_of = [&](const std::string& from, const std::string& to) {
    auto metadata = good;
    std::string& text = metadata["encoder"];
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return code_of([&] { retrieval::open_encoder(tensors, metadata, *corpus()->vocabulary); });
  };
  EXPECT_EQ(error_of("net.layers = 2", "net.layers = 900"), "retrieval.weights");
  EXPECT_EQ(error_of("net.hidden = 32", "net.hidden = 64000"), "retrieval.weights");
  EXPECT_EQ(error_of("net.norm = \"pre\"", "net.norm = \"no\""), "retrieval.weights");
  EXPECT_EQ(error_of("dimension = 8", "dimension = 16"), "weights.unknown");
  EXPECT_EQ(code_of([&] {
              retrieval::open_encoder(tensors, {{"encoder_kind", "other"}}, *corpus()->vocabulary);
            }),
            "retrieval.weights");
  EXPECT_EQ(code_of([&] {
              retrieval::open_encoder(tensors, {{"encoder_kind", "transformer"}}, *corpus()->vocabulary);
            }),
            "retrieval.weights");
}

// A folder as a published BERT model has it, with fresh weights.
class BertCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = scratch(testing::UnitTest::GetInstance()->current_test_info()->name());
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
    for (char letter = 'a'; letter <= 'z'; ++letter)
      vocabulary += std::string(1, letter) + "\n##" + std::string(1, letter) + "\n";
    put("vocab.txt", vocabulary);
    put("config.json", R"({"model_type": "bert", "vocab_size": 60, "hidden_size": 8, "num_hidden_layers": 1,
      "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 64, "type_vocab_size": 2})");
    training::seed_initial_weights(9);
    nn::TransformerEncoder net(nn::parse_bert_config(read_text_file(folder_ / "config.json"), ""));
    for (const auto& parameter : net->named_parameters())
      tensors_["bert." + nn::bert_name(parameter.key())] = parameter.value().detach();
    net_ = net;
    put_weights();
  }

  void put(const std::string& name, const std::string& text) {
    write_file_atomically(real_file_system(), folder_ / name, text);
  }
  void put_weights() {
    std::vector<torch::Tensor> copies;
    io::write_safetensors(
        real_file_system(), folder_ / "model.safetensors", train::tensor_views(tensors_, copies));
  }
  retrieval::EncoderOptions options() const {
    return {.kind = "bert", .dimension = 8, .pooling = "first", .length = 40, .checkpoint = folder_.string()};
  }
  std::string error() const {
    return code_of([&] {
      const retrieval::Corpus made({.pseudo_queries = 1}, {}, options());
      retrieval::make_encoder(options(), *made.vocabulary);
    });
  }

  Path folder_;
  train::TensorMap tensors_;
  nn::TransformerEncoder net_{nullptr};
};

TEST_F(BertCheckpoint, EncodesWithItsOwnPiecesAndWeights) {
  const retrieval::Corpus made({.pseudo_queries = 1}, {}, options());
  retrieval::Encoder model = retrieval::make_encoder(options(), *made.vocabulary);
  retrieval::TokenLists lists;
  lists.add((*made.vocabulary)("Ba"));
  EXPECT_EQ(lists.tokens, (std::vector<std::int64_t>{6, 5}));  // b ##a
  const torch::Tensor h =
      net_->forward(at::tensor({2, 6, 5, 3}, at::kLong).unsqueeze(0), at::ones({1, 4}, at::kBool))[0][0];
  EXPECT_LT((model->encode(lists)[0] - h / h.norm()).abs().max().item<double>(), 1e-6);
}

TEST_F(BertCheckpoint, IsReadBackFromABundleWithoutItsFolder) {
  const retrieval::Corpus made({.pseudo_queries = 1}, {}, options());
  const Retriever written =
      retriever_with(retrieval::make_encoder(options(), *made.vocabulary), made.vocabulary);
  write(folder_ / "model", written);
  for (const char* name : {"vocab.txt", "config.json", "model.safetensors"})
    std::filesystem::remove(folder_ / name);
  const Retriever back = open_retriever(io::BundleReader::open(folder_ / "model"));
  EXPECT_EQ(back.encode_query("some words"), written.encode_query("some words"));
}

TEST_F(BertCheckpoint, ProjectsWhenAskedForAnotherDimension) {
  retrieval::EncoderOptions wanted = options();
  wanted.dimension = 4;
  const retrieval::Corpus made({.pseudo_queries = 1}, {}, wanted);
  EXPECT_EQ(retrieval::make_encoder(wanted, *made.vocabulary)->encode(made.documents).size(1), 4);
}

TEST_F(BertCheckpoint, RefusesFoldersThatAreNone) {
  EXPECT_EQ(error(), "");
  put("tokenizer_config.json", R"({"do_lower_case": 3})");
  EXPECT_EQ(error(), "wordpiece.config");
  put("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(error(), "");
  std::string more = read_text_file(folder_ / "vocab.txt");
  for (int i = 0; i < 10; ++i) more += "more" + std::to_string(i) + "\n";
  put("vocab.txt", more);
  EXPECT_EQ(error(), "bert.vocabulary");
  std::filesystem::remove(folder_ / "vocab.txt");
  EXPECT_EQ(error(), "file.not_found");
}

TEST_F(BertCheckpoint, RefusesAFileWithoutATensor) {
  tensors_.erase("bert.embeddings.position_embeddings.weight");
  put_weights();
  EXPECT_EQ(error(), "bert.missing_tensor");
  put("model.safetensors", "no tensors");
  EXPECT_TRUE(error().starts_with("safetensors.")) << error();
}

}  // namespace
}  // namespace tenfold::repconc
