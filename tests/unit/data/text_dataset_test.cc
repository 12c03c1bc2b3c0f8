// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/text_dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/unit/data/data_files.h"
#include "tests/unit/data/data_test_util.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::data {
namespace {

using io::error_of;
using io::TempFolder;
using Ids = std::vector<std::int64_t>;

at::Tensor bytes_of(std::string_view text) {
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<std::uint8_t>());
  return bytes;
}

std::string text_at(const at::Tensor& tokens) {
  std::string text;
  for (std::int64_t i = 0; i < tokens.numel(); ++i) text += static_cast<char>(tokens[i].item<std::int64_t>());
  return text;
}

// "input>target" of one row.
std::string row_of(const TextDataset& data, std::int64_t row, const DrawKey& key = {}) {
  const Batch batch = data.get(Ids{row}, key);
  return text_at(batch.tensors[0][0]) + ">" + text_at(batch.tensors[1][0]);
}

TEST(TextDataset, TargetsAreTheInputsOneByteLater) {
  const TextDataset data(bytes_of("abcdefghij"), 0, 10, {.window = 3});
  ASSERT_EQ(data.size(), 3);
  EXPECT_EQ(row_of(data, 0), "abc>bcd");
  EXPECT_EQ(row_of(data, 2), "ghi>hij");
  const Batch batch = data.get(Ids{1, 0}, {});
  EXPECT_EQ(batch.tensors[0].sizes(), (at::IntArrayRef{2, 3}));
  EXPECT_EQ(batch.tensors[0].scalar_type(), at::kLong);
  EXPECT_EQ(text_at(batch.tensors[1][0]), "efg");
}

TEST(TextDataset, WindowsMayOverlapAndLieInAPart) {
  const TextDataset data(bytes_of("abcdefghij"), 2, 8, {.window = 3, .stride = 1});
  ASSERT_EQ(data.size(), 3);
  EXPECT_EQ(row_of(data, 0), "cde>def");
  EXPECT_EQ(row_of(data, 2), "efg>fgh");
  EXPECT_EQ(TextDataset(bytes_of("abcd"), 0, 4, {.window = 3}).size(), 1);
}

TEST(TextDataset, BytesAboveAsciiAreTokensUpTo255) {
  const TextDataset data(bytes_of("\xC3\xA9\xFF"), 0, 3, {.window = 2});
  EXPECT_TRUE(at::equal(data.get(Ids{0}, {}).tensors[0], at::tensor(Ids{195, 169}).reshape({1, 2})));
}

TEST(TextDataset, RandomOffsetsReachEveryByteAndStayInside) {
  const TextDataset data(bytes_of("abcdefghijkl"), 1, 11, {.window = 4, .random_offset = true});
  ASSERT_EQ(data.size(), 2);
  std::set<std::string> first;
  std::set<std::string> last;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    first.insert(row_of(data, 0, {.epoch = epoch}));
    last.insert(row_of(data, 1, {.epoch = epoch}));
  }
  EXPECT_EQ(first, (std::set<std::string>{"bcde>cdef", "cdef>defg", "defg>efgh", "efgh>fghi"}));
  EXPECT_EQ(last, (std::set<std::string>{"fghi>ghij", "ghij>hijk"}));  // not past byte 11
  EXPECT_EQ(row_of(data, 0, {.seed = 1, .epoch = 2}), row_of(data, 0, {.seed = 1, .epoch = 2}));
}

TEST(TextDataset, TheFingerprintNamesThePartAndTheOptions) {
  const at::Tensor text = bytes_of("abcdefghij");
  const std::string print = TextDataset(text, 0, 8, {.window = 3}).fingerprint();
  EXPECT_EQ(print, TextDataset(bytes_of("abcdefghxx"), 0, 8, {.window = 3, .stride = 3}).fingerprint());
  EXPECT_NE(print, TextDataset(text, 0, 9, {.window = 3}).fingerprint());
  EXPECT_NE(print, TextDataset(text, 0, 8, {.window = 2, .stride = 3}).fingerprint());
  EXPECT_NE(print, TextDataset(text, 0, 8, {.window = 3, .stride = 2}).fingerprint());
  EXPECT_NE(print, TextDataset(text, 0, 8, {.window = 3, .random_offset = true}).fingerprint());
}

TEST(TextDataset, RefusesImpossibleOptionsAndShortTexts) {
  const auto error_for = [](std::int64_t end, const TextDatasetOptions& options) {
    return error_of([&] { TextDataset(bytes_of("abcdefghij"), 0, end, options); });
  };
  EXPECT_EQ(error_for(10, {.window = 0}), "config text_dataset.bad_option");
  EXPECT_EQ(error_for(10, {.window = 2'000'000'000}), "config text_dataset.bad_option");
  EXPECT_EQ(error_for(10, {.window = 2, .stride = -1}), "config text_dataset.bad_option");
  EXPECT_EQ(error_for(10, {.window = 10}), "data text_dataset.too_short");
  EXPECT_EQ(error_for(0, {.window = 1}), "data text_dataset.too_short");
  EXPECT_EQ(error_for(10, {.window = 9}), "no error");
}

TEST(TextBytes, ReadsTextFilesAndOneFieldOfJsonLines) {
  const TempFolder folder;
  write_text(folder / "a.txt", "two\nlines\n");
  EXPECT_EQ(text_at(read_text_bytes(folder / "a.txt")), "two\nlines\n");
  write_text(folder / "b.jsonl", "{\"text\": \"one\", \"n\": 1}\n\n{\"text\": \"tw\\u00f6\"}\n");
  EXPECT_EQ(text_at(read_text_bytes(folder / "b.jsonl")), "one\n\ntw\xC3\xB6");
  EXPECT_EQ(error_of([&] { read_text_bytes(folder / "b.jsonl", "n"); }), "data jsonl_dataset.wrong_type");
  EXPECT_EQ(error_of([&] { read_text_bytes(folder / "a.txt", "text", 9); }), "file file.too_large");
  EXPECT_EQ(error_of([&] { read_text_bytes(folder / "none.txt"); }), "file file.not_found");
}

// The known beginning of the file, and every byte of it exactly once.
TEST(RealText, GivesShakespeareInWindows) {
  TENFOLD_NEEDS_SHARED("lm_text/tinyshakespeare.txt");
  const at::Tensor bytes = read_text_bytes(shared_data("lm_text/tinyshakespeare.txt"));
  EXPECT_EQ(bytes.size(0), 1'115'394);
  const TextDataset data(bytes, 0, bytes.size(0), {.window = 256});
  EXPECT_EQ(data.size(), (1'115'394 - 1) / 256);
  EXPECT_EQ(row_of(data, 0).substr(0, 14), "First Citizen:");
  EXPECT_TRUE(at::equal(data.get(Ids{1000}, {}).tensors[1][0].to(at::kByte), bytes.narrow(0, 256'001, 256)));
}

}  // namespace
}  // namespace tenfold::data
