// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/jsonl_dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/unit/data/data_files.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::message_of;
using io::TempFolder;
using Ids = std::vector<std::int64_t>;

TEST(JsonlFields, NumbersAndArraysBecomeTensors) {
  const TempFolder folder;
  write_text(folder / "a.jsonl",
             "{\"x\": [[1, 2.5], [3, 4]], \"y\": 1, \"b\": true, \"other\": \"text\"}\n"
             "{\"y\": -2, \"x\": [[5, 6], [7, 8]], \"b\": false}\n");
  const std::vector<at::Tensor> tensors = read_jsonl_fields(folder / "a.jsonl", {"x", "y", "b"});
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_TRUE(
      at::equal(tensors[0], at::tensor({1.F, 2.5F, 3.F, 4.F, 5.F, 6.F, 7.F, 8.F}).reshape({2, 2, 2})));
  EXPECT_TRUE(at::equal(tensors[1], at::tensor(Ids{1, -2})));
  EXPECT_TRUE(at::equal(tensors[2], at::tensor(Ids{1, 0})));
}

TEST(JsonlFields, OneDecimalMakesTheWholeFieldDecimal) {
  const TempFolder folder;
  write_text(folder / "a.jsonl", "{\"y\": 16777216}\n{\"y\": 2}\n{\"y\": 0.5}\n{\"y\": 4}\n");
  const at::Tensor field = read_jsonl_fields(folder / "a.jsonl", {"y"})[0];
  EXPECT_TRUE(at::equal(field, at::tensor({16777216.F, 2.F, 0.5F, 4.F})));
  write_text(folder / "b.jsonl", "{\"y\": 9223372036854775807}\n");
  EXPECT_TRUE(
      at::equal(read_jsonl_fields(folder / "b.jsonl", {"y"})[0], at::tensor(Ids{9223372036854775807})));
}

TEST(JsonlFields, RefusesWhatIsNoTableEachWithItsCodeAndLine) {
  const TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "data jsonl_dataset.no_lines"},
      {"\n\n", "data jsonl_dataset.no_lines"},
      {"{\"x\": 1}\n{\"z\": 1}\n", "data jsonl_dataset.missing_field"},
      {"{\"x\": \"1\"}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": null}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": {}}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": [1, \"a\"]}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": 1e39}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": 9223372036854775808}\n", "data jsonl_dataset.wrong_type"},
      {"{\"x\": []}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [[1], [2, 3]]}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [[1], 2]}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [1, [2]]}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [1]}\n{\"x\": [1, 2]}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [1]}\n{\"x\": 1}\n", "data jsonl_dataset.shape"},
      {"{\"x\": 1}\n{\"x\": [1]}\n", "data jsonl_dataset.shape"},
      {"{\"x\": [[[[[[[[[1]]]]]]]]]}\n", "data jsonl_dataset.shape"},
      {"[1]\n", "data jsonl.not_an_object"},
      {"{\"x\": 1\n", "data json.syntax"},
  };
  for (const auto& [text, code] : cases) {
    write_text(folder / "a.jsonl", text);
    EXPECT_EQ(error_of([&] { read_jsonl_fields(folder / "a.jsonl", {"x"}); }), code) << text;
  }
  write_text(folder / "a.jsonl", "{\"x\": 1}\n\n{\"x\": \"one\"}\n");
  EXPECT_NE(message_of([&] { read_jsonl_fields(folder / "a.jsonl", {"x"}); }).find("a.jsonl line 3"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { read_jsonl_fields(folder / "a.jsonl", {}); }), "config jsonl_dataset.bad_option");
  EXPECT_EQ(error_of([&] { read_jsonl_fields(folder / "a.jsonl", {"x"}, 10); }), "file file.too_large");
  EXPECT_EQ(error_of([&] { read_jsonl_fields(folder / "none.jsonl", {"x"}); }), "file file.not_found");
}

TEST(LabelledTexts, TextsAreCutOrFilledUp) {
  const TempFolder folder;
  write_text(folder / "a.jsonl",
             "{\"text\": \"abcd\", \"label\": 2}\n{\"text\": \"\", \"label\": 0}\n{\"text\": \"\\u00e9\", "
             "\"label\": 1}\n");
  const LabelledTexts texts = read_labelled_texts(folder / "a.jsonl", {.text_bytes = 3});
  EXPECT_TRUE(at::equal(texts.tokens.to(at::kLong),
                        at::tensor(Ids{97, 98, 99, 256, 256, 256, 195, 169, 256}).reshape({3, 3})));
  EXPECT_TRUE(at::equal(texts.labels, at::tensor(Ids{2, 0, 1})));
  EXPECT_TRUE(texts.classes.empty());
}

TEST(LabelledTexts, NamesAreNumberedInTheirOrderOrByTheTrainingData) {
  const TempFolder folder;
  write_text(
      folder / "a.jsonl",
      "{\"t\": \"x\", \"l\": \"pos\"}\n{\"t\": \"y\", \"l\": \"neg\"}\n{\"t\": \"z\", \"l\": \"pos\"}\n");
  const LabelledTextOptions options{.text_field = "t", .label_field = "l", .text_bytes = 1};
  const LabelledTexts texts = read_labelled_texts(folder / "a.jsonl", options);
  EXPECT_EQ(texts.classes, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_TRUE(at::equal(texts.labels, at::tensor(Ids{1, 0, 1})));
  const LabelledTexts given = read_labelled_texts(folder / "a.jsonl", options, {"pos", "other", "neg"});
  EXPECT_TRUE(at::equal(given.labels, at::tensor(Ids{0, 2, 0})));
  EXPECT_EQ(error_of([&] { read_labelled_texts(folder / "a.jsonl", options, {"pos"}); }),
            "data jsonl_dataset.unknown_class");
}

TEST(LabelledTexts, RefusesWhatIsNoLabelledText) {
  const TempFolder folder;
  const auto error_for =
      [&](const std::string& text, const LabelledTextOptions& options = {}, std::uint64_t limit = 2000) {
        write_text(folder / "a.jsonl", text);
        return error_of([&] { read_labelled_texts(folder / "a.jsonl", options, {}, limit); });
      };
  const std::string good = "{\"text\": \"a\", \"label\": 1}\n";
  EXPECT_EQ(error_for(good), "no error");
  EXPECT_EQ(error_for("{\"label\": 1}\n"), "data jsonl_dataset.missing_field");
  EXPECT_EQ(error_for("{\"text\": \"a\"}\n"), "data jsonl_dataset.missing_field");
  EXPECT_EQ(error_for("{\"text\": 1, \"label\": 1}\n"), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for("{\"text\": \"a\", \"label\": -1}\n"), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for("{\"text\": \"a\", \"label\": 1.5}\n"), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for("{\"text\": \"a\", \"label\": true}\n"), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for(good + "{\"text\": \"a\", \"label\": \"one\"}\n"), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for("{\"text\": \"a\", \"label\": \"one\"}\n" + good), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_for(good, {.text_bytes = 0}), "config jsonl_dataset.bad_option");
  EXPECT_EQ(error_for(good, {.text_bytes = 1'000'001}), "config jsonl_dataset.bad_option");
  EXPECT_EQ(error_for(good + good, {.text_bytes = 500}), "no error");
  EXPECT_EQ(error_for(good + good, {.text_bytes = 501}), "resource jsonl_dataset.too_large");
}

TEST(FirstJsonlFields, AreThoseOfTheFirstObject) {
  const TempFolder folder;
  write_text(folder / "a.jsonl", "{\"b\": 1, \"a\": 2}\n{\"c\": 3}\n");
  EXPECT_EQ(first_jsonl_fields(folder / "a.jsonl"), (std::vector<std::string>{"a", "b"}));
  write_text(folder / "b.jsonl", "");
  EXPECT_TRUE(first_jsonl_fields(folder / "b.jsonl").empty());
}

}  // namespace
}  // namespace tenfold::data
