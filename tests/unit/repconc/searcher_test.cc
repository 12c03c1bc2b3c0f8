// SPDX-License-Identifier: Apache-2.0
// The ways to search an open index, and what a server offers of one.
#include "tenfold/systems/repconc/searcher.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tenfold/systems/repconc/service.h"
#include "tests/support/error_code.h"
#include "tests/unit/repconc/small_retriever.h"

namespace tenfold::repconc {
namespace {

OpenIndex small_index() {
  Retriever made = retriever();
  const std::vector<float> vectors = made.encode_documents(documents().texts);
  auto codes = build_index(made, vectors, {});
  return {.retriever = std::move(made),
          .corpus = documents(),
          .codes = std::move(codes),
          .words = {},
          .counts = {}};
}

TEST(Searcher, AnswersByCodesVectorsAndWords) {
  const Searcher searcher(small_index());
  const std::string& text = documents().texts[11];
  const std::vector<float> query = searcher.index().retriever.encode_query(text);
  const search::Vectors row(query.data(), 1, query.size());
  EXPECT_EQ(searcher.hits(SearchMethod::kCodes, text, 5),
            searcher.index().codes->search(row, {.k = 5}).front());
  // Queries and documents have encoders of their own here, so nothing says that document 11 is first; scores are those of vectors.
  const std::vector<float> vectors = searcher.index().retriever.encode_documents(documents().texts);
  for (const search::Hit& hit : searcher.hits(SearchMethod::kExact, text, 5)) {
    double product = 0.0;
    for (std::size_t i = 0; i < query.size(); ++i) product += query[i] * vectors[hit.row * query.size() + i];
    EXPECT_NEAR(hit.score, product, 1e-5);
  }
  EXPECT_EQ(searcher.hits(SearchMethod::kBm25, text, 3).front().row, 11u);
  EXPECT_EQ(searcher.hits(SearchMethod::kHybrid, text, 7).size(), 7u);
}

TEST(Searcher, CountsBytesOfWhatEachWayReads) {
  const Searcher searcher(small_index());
  EXPECT_EQ(searcher.answer(SearchMethod::kCodes, "finu", 3).bytes_per_document, 2.0);
  EXPECT_EQ(searcher.answer(SearchMethod::kExact, "finu", 3).bytes_per_document, 4.0 * 8);
  const double words = searcher.answer(SearchMethod::kBm25, "finu", 3).bytes_per_document;
  EXPECT_GT(words, 0.0);
  EXPECT_EQ(searcher.answer(SearchMethod::kHybrid, "finu", 3).bytes_per_document, words + 2.0);
}

TEST(Searcher, ComparesOtherSizesAndRefusesImpossibleOnes) {
  const Searcher searcher(small_index());
  EXPECT_EQ(searcher.sizes(), (std::vector<std::int64_t>{1, 2, 4}));
  const SearchAnswer four = searcher.answer(SearchMethod::kCodes, documents().texts[3], 4, 4);
  EXPECT_EQ(four.method, "opq");
  EXPECT_EQ(four.bytes_per_document, 4.0);
  EXPECT_EQ(four.hits.size(), 4u);
  EXPECT_EQ(searcher.answer(SearchMethod::kCodes, documents().texts[3], 4, 2).method, "codes");
  EXPECT_EQ(code_of([&] { searcher.answer(SearchMethod::kCodes, "finu", 4, 3); }), "repconc.bytes");
  EXPECT_EQ(code_of([] { parse_search_method("code"); }), "repconc.unknown_method");
}

class ServedIndex : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = Path(TENFOLD_BINARY_DIR) / "repconc_test" /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const OpenIndex open = small_index();
    write_index(real_file_system(),
                folder_ / "index",
                {.retriever = open.retriever, .corpus = open.corpus, .codes = *open.codes});
  }
  systems::Service open() { return open_service(io::BundleReader::open(folder_ / "index"), "small"); }
  static nlohmann::json call(const systems::Service& service,
                             const std::string& path,
                             const std::string& text) {
    for (const systems::ApiRoute& route : service.routes) {
      if (route.path != path) continue;
      systems::RouteCall call = route.prepare();
      if (!text.empty()) config::set_from_text(*call.fields.find("text"), text, "test");
      systems::RouteContext context;
      return call.run(context);
    }
    return {};
  }
  Path folder_;
};

TEST_F(ServedIndex, AnswersABatchAndNamesTheWrongRow) {
  const systems::Service service = open();
  service.predictor->warm_up();
  std::vector<systems::PredictItem> items;
  const std::shared_ptr<const void> parameters = service.predictor->info().parameters().options;
  for (const std::string& text : {documents().texts[5], std::string("!"), documents().texts[6]})
    items.push_back({{systems::Tensor::of_texts("text", {1}, {text})}, parameters});
  const std::vector<systems::PredictAnswer> answers = service.predictor->predict(items, {});
  ASSERT_EQ(answers.size(), 3u);
  ASSERT_TRUE(answers[1].error.has_value());
  EXPECT_EQ(answers[1].error->code(), "retrieval.empty_query");
  const Searcher searcher(small_index());
  for (const std::size_t i : {0u, 2u}) {
    const search::Hits hits = searcher.hits(SearchMethod::kCodes, items[i].inputs[0].texts[0], 10);
    ASSERT_EQ(answers[i].outputs.at(0).texts.size(), 10u);
    EXPECT_EQ(answers[i].outputs[0].texts.front(), documents().ids[hits.front().row]);
    EXPECT_EQ(answers[i].outputs[1].values<float>().front(), hits.front().score);
  }
}

TEST_F(ServedIndex, PutsWaysToSearchSideBySide) {
  const systems::Service service = open();
  const nlohmann::json about = call(service, "about", "");
  EXPECT_EQ(about["documents"], documents().ids.size());
  EXPECT_EQ(about["bytes_per_document"], 2);
  const nlohmann::json found = call(service, "search", documents().texts[4]);
  ASSERT_EQ(found["answers"].size(), 3u);
  EXPECT_EQ(found["answers"][0]["method"], "bm25");
  EXPECT_EQ(found["answers"][0]["hits"][0]["id"], documents().ids[4]);
  EXPECT_EQ(found["answers"][0]["hits"][0]["text"], documents().texts[4]);
  EXPECT_EQ(found["answers"][2]["bytes_per_document"], 2.0);
}

TEST_F(ServedIndex, AnswersAsBeforeWhenTheFileIsDamagedLater) {
  const systems::Service service = open();
  nlohmann::json before = call(service, "search", documents().texts[4])["answers"][2]["hits"];
  std::filesystem::resize_file(folder_ / "index" / "index.codes", 0);
  EXPECT_EQ(call(service, "search", documents().texts[4])["answers"][2]["hits"], before);
}

TEST_F(ServedIndex, AModelWithoutDocumentsGivesVectorsAndCodes) {
  const Retriever made = retriever();
  io::BundleWriter bundle(real_file_system(), folder_ / "model", {.system = "repconc", .created_by = "test"});
  add_retriever_members(bundle, made);
  bundle.commit();
  const systems::Service service = open_service(io::BundleReader::open(folder_ / "model"), "model");
  const systems::PredictItem item{{systems::Tensor::of_texts("text", {1}, {documents().texts[9]})}, nullptr};
  const auto answers = service.predictor->predict(std::span(&item, 1), {});
  const std::vector<float> vector = made.encode_documents({documents().texts[9]});
  const auto seen = answers.front().outputs.at(0).values<float>();
  EXPECT_EQ(std::vector<float>(seen.begin(), seen.end()), vector);
  const auto codes = answers.front().outputs.at(1).values<std::uint8_t>();
  EXPECT_EQ(std::vector<std::uint8_t>(codes.begin(), codes.end()), made.codes(vector));
}

}  // namespace
}  // namespace tenfold::repconc
