// SPDX-License-Identifier: Apache-2.0
// Vectors from outside: what is refused, what training makes of them, and that an index answers as its codes say.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "tenfold/base/random.h"
#include "tenfold/io/npy.h"
#include "tenfold/io/vecs.h"
#include "tenfold/search/faiss_file.h"
#include "tenfold/systems/repconc/retriever.h"
#include "tenfold/systems/repconc/service.h"
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/vector_data.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/repconc/verbs/vector_verbs.h"
#include "tests/support/error_code.h"

namespace tenfold::repconc {
namespace {

class VectorRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '_');
    folder_ = Path(TENFOLD_BINARY_DIR) / "repconc_test" / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    context_.files = &real_file_system();
    context_.progress = [](std::string_view) {};
    context_.seed = 1;
    context_.out = folder_ / "run";
    put("docs.fvecs", random_values(kDocuments, 1), kDimension);
  }

  // Lengths from about 1 to 2, and eight directions that stand out.
  static std::vector<float> random_values(std::size_t rows, std::uint64_t seed) {
    random::Generator draws(seed, 0);
    std::vector<float> values;
    for (std::size_t i = 0; i < rows; ++i) {
      const double length = 1 + draws.uniform();
      const std::uint32_t topic = draws.below(kDimension);
      for (std::uint32_t j = 0; j < kDimension; ++j)
        values.push_back(static_cast<float>(length * ((j == topic ? 1.0 : 0.0) + 0.3 * draws.normal())));
    }
    return values;
  }

  std::string put(const std::string& name, const std::vector<float>& values, std::uint32_t dimension) {
    io::write_vecs<float>(real_file_system(), folder_ / name, values, dimension);
    return (folder_ / name).string();
  }
  std::string put_text(const std::string& name, const std::string& text) {
    write_file_atomically(real_file_system(), folder_ / name, text);
    return (folder_ / name).string();
  }
  template <typename T>
  std::string put_npy(const std::string& name,
                      const std::vector<T>& values,
                      std::vector<std::uint64_t> shape) {
    io::write_npy(
        real_file_system(),
        folder_ / name,
        {.dtype = io::dtype_of<T>(), .shape = std::move(shape), .data = std::as_bytes(std::span(values))});
    return (folder_ / name).string();
  }

  TrainOptions options(const std::string& method = "opq") const {
    TrainOptions options;
    options.data.path = (folder_ / "docs.fvecs").string();
    options.bytes = 2;
    options.bits = method == "rabitq" ? 1 : 4;
    options.vectors.method = method;
    options.query_stage.epochs = 3;
    options.query_stage.batch_size = 50;
    options.query_stage.learning_rate = 2e-3;
    options.query.negatives = 50;
    options.training.trainer.count_flops = false;
    return options;
  }
  systems::Outcome train(const TrainOptions& options) { return train_stages(options, context_); }
  io::BundleReader model() const { return io::BundleReader::open(folder_ / "run" / "model"); }
  io::BundleReader indexed(const IndexLayout& layout = {}) {
    index_vectors(model(), {"", layout}, folder_ / "run" / "index", context_);
    return io::BundleReader::open(folder_ / "run" / "index");
  }
  std::string error_with(const std::string& path) {
    TrainOptions changed = options();
    changed.data.path = path;
    return code_of([&] { train(changed); });
  }

  static constexpr std::size_t kDocuments = 300;
  static constexpr std::uint32_t kDimension = 8;
  Path folder_;
  systems::Context context_;
};

TEST_F(VectorRun, RefusesFilesThatAreNoVectors) {
  std::vector<float> values = random_values(40, 2);
  values[8 * 17 + 3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_with(put("nan.fvecs", values, kDimension)), "vectors.not_finite");
  values = random_values(40, 2);
  std::fill_n(values.begin() + 8 * 5, 8, 0.0f);
  EXPECT_EQ(error_with(put("zero.fvecs", values, kDimension)), "vectors.zero");
  EXPECT_EQ(error_with(put_text("empty.fvecs", "")), "vectors.empty");
  EXPECT_EQ(error_with(put_npy<float>("no_rows.npy", {}, {0, 8})), "vectors.empty");
  EXPECT_EQ(error_with(put_npy<float>("one.npy", {1, 2, 3}, {3})), "vectors.rank");
  EXPECT_EQ(error_with(put_npy<std::int32_t>("ints.npy", {1, 2, 3, 4}, {2, 2})), "vectors.dtype");
  EXPECT_EQ(error_with((folder_ / "nothing.npy").string()), "file.not_found");
  // Rows of 1, 3 and 1 values are as long as four rows of one.
  std::string mixed;
  for (const std::uint32_t dimension : {1u, 3u, 1u}) {
    mixed.append(reinterpret_cast<const char*>(&dimension), 4);
    for (std::uint32_t i = 0; i < dimension; ++i) mixed.append("\0\0\x80\x3F", 4);
  }
  EXPECT_EQ(error_with(put_text("mixed.fvecs", mixed)), "vecs.rows_disagree");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "model"));
}

TEST_F(VectorRun, RefusesCodesThatDoNotFit) {
  TrainOptions changed = options();
  changed.bytes = 3;  // six blocks of eight coordinates
  EXPECT_EQ(code_of([&] { train(changed); }), "quantizer.blocks");
  changed = options();
  changed.data.path = put("few.fvecs", random_values(10, 3), kDimension);
  EXPECT_EQ(code_of([&] { train(changed); }), "kmeans.too_few_rows");
}

TEST_F(VectorRun, RefusesQueriesAndLabelsThatDoNotFit) {
  const auto error_of = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions changed = options();
    changed.vectors.queries = put("queries.fvecs", random_values(20, 4), kDimension);
    change(changed);
    return code_of([&] { train(changed); });
  };
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.queries = put("wide.fvecs", random_values(20, 4), 16); }),
            "vectors.dimension");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.queries = put_text("no.fvecs", ""); }), "vectors.empty");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.method = "rabitq"; }), "vectors.method");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.labels = put_text("l", "0 300\n"); }), "labels.line");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.labels = put_text("l", "20 0\n"); }), "labels.line");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.labels = put_text("l", "a b\n"); }), "labels.line");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.labels = put_text("l", "0 1 2 3\n"); }), "labels.line");
  EXPECT_EQ(error_of([&](auto& o) { o.vectors.labels = put_text("l", "# nothing\n"); }), "labels.empty");
  TrainOptions alone = options();
  alone.vectors.labels = put_text("l", "0 1\n");
  EXPECT_EQ(code_of([&] { train(alone); }), "vectors.labels");
}

TEST_F(VectorRun, ReadsNumpyFilesOfBothPrecisions) {
  const std::vector<float> values = random_values(kDocuments, 1);
  const std::vector<double> wide(values.begin(), values.end());
  EXPECT_EQ(read_vector_file(put_npy("a.npy", values, {kDocuments, kDimension}), "documents").values, values);
  EXPECT_EQ(read_vector_file(put_npy("b.npy", wide, {kDocuments, kDimension}), "documents").values, values);
  EXPECT_EQ(read_vector_file(folder_ / "docs.fvecs", "documents").values, values);
}

class EveryMethod : public VectorRun, public testing::WithParamInterface<std::string> {};

TEST_P(EveryMethod, AnswersByTheScoresOfItsCodes) {
  train(options(GetParam()));
  const OpenVectorIndex open = open_vector_index(indexed());
  const std::vector<float> queries = random_values(5, 9);
  const auto found = open.codes.search(search::Vectors(queries.data(), 5, kDimension), {.k = 3});
  // By hand: every document as its code has it.
  for (std::size_t q = 0; q < 5; ++q) {
    std::vector<std::pair<double, std::uint32_t>> scores;
    for (std::uint32_t row = 0; row < kDocuments; ++row) {
      const std::vector<float> x = open.codes.decode(row);
      double score = 0;
      for (std::size_t j = 0; j < kDimension; ++j)
        score += static_cast<double>(queries[q * kDimension + j]) * x[j];
      scores.emplace_back(-score, row);
    }
    std::sort(scores.begin(), scores.end());
    for (std::size_t place = 0; place < 3; ++place)
      EXPECT_NEAR(found[q][place].score, -scores[place].first, 1e-4);
  }
  EXPECT_EQ(code_of([&] { (void)open.codes.decode(kDocuments); }), "index.no_such_row");
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, testing::Values("pq", "opq", "anisotropic", "rabitq"));

TEST_F(VectorRun, LearnsFromQueriesWithoutLabels) {
  TrainOptions with = options();
  with.vectors.queries = put("queries.fvecs", random_values(400, 5), kDimension);
  const systems::Outcome outcome = train(with);
  ASSERT_TRUE(outcome.json->contains("query"));
  const VectorRetriever retriever = open_vector_retriever(model());
  ASSERT_NE(retriever.queries, nullptr);
  // Distillation: the codes' scores of held-out queries come nearer to those of whole vectors.
  put("asked.fvecs", random_values(100, 6), kDimension);
  const auto rows = (*eval_vectors(model(), (folder_ / "asked.fvecs").string()).json)["rows"];
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& row : rows)
    for (const char* name : {"recall@1", "recall@10", "recall@100", "nearest_in@100"}) {
      EXPECT_GE(row[name].get<double>(), 0.0);
      EXPECT_LE(row[name].get<double>(), 1.0);
    }
  // The same command again finds the work done and writes the same model.
  const std::string before = read_text_file(folder_ / "run" / "model" / "manifest.json");
  train(with);
  EXPECT_EQ(read_text_file(folder_ / "run" / "model" / "manifest.json"), before);
}

TEST_F(VectorRun, LearnsFromLabels) {
  TrainOptions with = options("anisotropic");
  with.vectors.queries = put("queries.fvecs", random_values(100, 5), kDimension);
  std::string labels = "# query document\n";
  for (int i = 0; i < 100; ++i) labels += std::to_string(i) + "\t" + std::to_string(2 * i) + "\n";
  with.vectors.labels = put_text("labels", labels);
  train(with);
  // Codes stay those of the codewords before the query stage.
  const OpenVectorIndex open = open_vector_index(indexed());
  EXPECT_NE(open.retriever.queries, nullptr);
  const VectorSet documents = read_vector_file(folder_ / "docs.fvecs", "documents");
  std::vector<std::uint8_t> codes(kDocuments * open.retriever.assigning->code_bytes());
  open.retriever.assigning->encode(documents.view(), codes);
  EXPECT_EQ(open.codes.product_codes()->packed_codes(), codes);
}

TEST_F(VectorRun, SearchesByRowAndByFile) {
  train(options());
  const io::BundleReader index = indexed();
  const auto by_row = *search_vectors(index, {.row = 7, .request = {.k = 2}}).json;
  EXPECT_EQ(by_row["results"].size(), 1u);
  const std::string queries = put("queries.fvecs", random_values(4, 8), kDimension);
  const auto all = *search_vectors(index, {.queries = queries, .request = {.k = 2}}).json;
  EXPECT_EQ(all["results"].size(), 4u);
  const auto one = *search_vectors(index, {.queries = queries, .row = 2, .request = {.k = 2}}).json;
  EXPECT_EQ(one["results"][0], all["results"][2]);
  EXPECT_EQ(code_of([&] { search_vectors(index, {.queries = queries, .row = 4}); }), "index.no_such_row");
  EXPECT_EQ(code_of([&] { search_vectors(index, {.row = kDocuments}); }), "index.no_such_row");
  EXPECT_EQ(code_of([&] { open_retriever(index); }), "repconc.vectors");
  EXPECT_EQ(code_of([&] { search_vectors(index, {}); }), "search.no_query");
  EXPECT_EQ(code_of([&] { search_vectors(index, {.text = "words"}); }), "repconc.vectors");
}

TEST_F(VectorRun, ExportsToFaissButForRabitq) {
  train(options());
  const OpenVectorIndex open = open_vector_index(indexed({.lists = 4}));
  context_.out = folder_ / "faiss";
  export_vectors(io::BundleReader::open(folder_ / "run" / "index"), context_);
  const search::FaissIndex back = search::read_faiss(folder_ / "faiss" / "index.faiss");
  EXPECT_EQ(back.codes->codes(), open.codes.product_codes()->packed_codes());
  context_.out = folder_ / "other";
  TrainOptions bits = options("rabitq");
  train(bits);
  index_vectors(
      io::BundleReader::open(folder_ / "other" / "model"), {}, folder_ / "other" / "index", context_);
  EXPECT_EQ(code_of([&] { export_vectors(io::BundleReader::open(folder_ / "other" / "index"), context_); }),
            "export.no_faiss_form");
  EXPECT_EQ(
      code_of([&] {
        index_vectors(
            io::BundleReader::open(folder_ / "other" / "model"), {"", {.lists = 4}}, folder_ / "x", context_);
      }),
      "index.lists");
}

TEST_F(VectorRun, AddsVectorsAndRefusesToTakeThemOut) {
  for (const std::string method : {"opq", "rabitq"}) {
    train(options(method));
    const io::BundleReader before = indexed(method == "opq" ? IndexLayout{.graph = 8} : IndexLayout{});
    const VectorChange change{.add = put("more.fvecs", random_values(30, 12), kDimension)};
    const Path target = folder_ / "run" / "index";
    EXPECT_EQ((*add_vectors(before, change, target, context_).json)["documents"], kDocuments + 30);
    const OpenVectorIndex open = open_vector_index(io::BundleReader::open(target));
    EXPECT_EQ(open.codes.size(), kDocuments + 30);
    const std::vector<float> more = random_values(30, 12);
    std::vector<std::uint8_t> codes(30 * open.codes.code_bytes());
    open.retriever.assigning->encode(search::Vectors(more.data(), 30, kDimension), codes);
    const std::vector<std::uint8_t> all =
        open.codes.product_codes() ? open.codes.product_codes()->packed_codes() : open.codes.other_codes();
    EXPECT_TRUE(
        std::equal(codes.begin(), codes.end(), all.end() - static_cast<std::ptrdiff_t>(codes.size())));
    const auto found = open.codes.search(search::Vectors(more.data(), 1, kDimension), {.k = 400}).front();
    EXPECT_EQ(found.size(), kDocuments + 30);
    EXPECT_EQ(code_of([&] { add_vectors(before, {.others = true}, target, context_); }), "index.only_adds");
    EXPECT_EQ(code_of([&] {
                add_vectors(io::BundleReader::open(target),
                            {.add = put("wide.fvecs", random_values(20, 4), 16)},
                            target,
                            context_);
              }),
              "vectors.dimension");
    EXPECT_EQ(open_vector_index(io::BundleReader::open(target)).codes.size(), kDocuments + 30);
    std::filesystem::remove_all(folder_ / "run");
  }
}

TEST_F(VectorRun, IsServedByVector) {
  train(options());
  const OpenVectorIndex open = open_vector_index(indexed());
  const systems::Service service = open_service(io::BundleReader::open(folder_ / "run" / "index"), "vectors");
  const std::vector<float> queries = random_values(2, 9);
  const std::shared_ptr<const void> parameters = service.predictor->info().parameters().options;
  std::vector<systems::PredictItem> items;
  for (const std::size_t q : {0u, 1u})
    items.push_back({{systems::Tensor::of<float>("vector",
                                                 {static_cast<std::int64_t>(kDimension)},
                                                 std::span(queries).subspan(q * kDimension, kDimension))},
                     parameters});
  items.push_back(items[0]);
  items[2].inputs[0].values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const auto answers = service.predictor->predict(items, {});
  ASSERT_TRUE(answers.at(2).error.has_value());
  EXPECT_EQ(answers[2].error->code(), "vectors.not_finite");
  const auto found = open.codes.search(search::Vectors(queries.data(), 2, kDimension), {.k = 10});
  for (const std::size_t q : {0u, 1u}) {
    ASSERT_EQ(answers[q].outputs.size(), 2u);
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(answers[q].outputs[0].values<std::int64_t>()[i], found[q][i].row);
      EXPECT_EQ(answers[q].outputs[1].values<float>()[i], found[q][i].score);
    }
  }
  ASSERT_EQ(service.routes.size(), 1u);
  EXPECT_EQ(service.routes[0].path, "about");
  systems::RouteContext context;
  EXPECT_EQ(service.routes[0].prepare().run(context)["content"], "vectors");
}

TEST(VectorEncoder, BeginsAsTheIdentityAndMapsQueriesAlone) {
  const torch::Tensor table = at::randn({5, 4});
  VectorEncoderImpl encoder(table, 3, 6);
  const retrieval::TokenBatch all{at::arange(5), at::arange(5)};
  EXPECT_TRUE(encoder.forward(all).equal(table));
  {
    const c10::NoGradGuard no_grad;
    for (auto& parameter : encoder.parameters()) parameter.normal_();
  }
  const torch::Tensor y = encoder.forward(all);
  EXPECT_TRUE(y.slice(0, 0, 3).equal(table.slice(0, 0, 3)));
  const auto weights = encoder.named_parameters();
  const torch::Tensor q = table[4];
  const torch::Tensor hidden = at::mv(weights["inner.weight"], q) + weights["inner.bias"];
  const torch::Tensor expected =
      q + at::mv(weights["outer.weight"], 0.5 * hidden * (1 + at::erf(hidden / std::sqrt(2.0))));
  EXPECT_LT((y[4] - expected).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace tenfold::repconc
