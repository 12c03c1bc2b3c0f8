// SPDX-License-Identifier: Apache-2.0
// A word index in a bundle: the same after it was stored, and refused when its tensors do not fit together.
#include "tenfold/search/bm25_bundle.h"

#include <gtest/gtest.h>

#include "tests/unit/io/text_test_util.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

class WordsBundle : public testing::Test {
 protected:
  void store(const Bm25Index& index) const {
    io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
    add_words_member(writer, index);
    writer.commit();
  }
  Bm25Index load() const { return open_words_member(io::BundleReader::open(folder_ / "bundle")); }

  const std::vector<std::string> texts_{
      "the cat sat", "", "a cat and a dog", "Ärger über dogs", "no animal here", "dog dog dog"};
  const io::TempFolder folder_;
};

TEST_F(WordsBundle, ComesBackAsItWas) {
  for (const char* stemmer : {"light", "s", "none"}) {
    Bm25Index before(texts_, {.k1 = 1.37, .b = 0.123, .tokenizer = {.stemmer = stemmer, .stop_words = true}});
    store(before);
    Bm25Index after = load();
    EXPECT_EQ(after.options().k1, 1.37);
    EXPECT_EQ(after.options().tokenizer.stemmer, stemmer);
    EXPECT_EQ(after.words(), before.words());
    EXPECT_EQ(after.bytes(), before.bytes());
    for (const char* query : {"cat", "dogs", "the ärger", "", "cat dog dog"})
      EXPECT_EQ(after.search(query, 10), before.search(query, 10)) << query;
    // It goes on growing as the one in memory.
    const std::vector<std::string> more{"a new dog", "zebra"};
    before.add(more);
    after.add(more);
    EXPECT_EQ(after.search("dog zebra", 10), before.search("dog zebra", 10));
  }
  store(Bm25Index());
  EXPECT_EQ(load().size(), 0u);
}

TEST_F(WordsBundle, PartsThatDoNotFitAreRefused) {
  const Bm25Index good(texts_);
  const auto with = [&](const auto& change) {
    Bm25Index::Parts parts = good.parts();
    change(parts);
    return code_of([&] { Bm25Index(parts, good.options()); });
  };
  using Parts = Bm25Index::Parts;
  EXPECT_EQ(with([](Parts&) {}), "no error");
  EXPECT_EQ(with([](Parts& parts) { parts.words[1] = parts.words[0]; }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.words.pop_back(); }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.postings[0].clear(); }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.postings[0][0].row = 6; }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.postings[0][0].count = 0; }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.postings[0].push_back(parts.postings[0][0]); }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { ++parts.lengths[0]; }), "bm25.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.lengths.push_back(1); }), "bm25.parts");
}

TEST_F(WordsBundle, DamagedMembersAreRefused) {
  store(Bm25Index(texts_));
  const auto path = folder_.path() / "bundle" / "words.safetensors";
  const io::SafetensorsReader reader = io::SafetensorsReader::open(path);
  const auto with = [&](const std::string& changed,
                        std::vector<std::uint64_t> values,
                        auto&& change_metadata) {
    std::vector<io::TensorView> tensors;
    std::vector<io::AlignedBuffer> data;
    for (const std::string& name : reader.names()) data.push_back(reader.read(name));
    for (std::size_t i = 0; i < data.size(); ++i) {
      const io::TensorInfo info = reader.info(reader.names()[i]);
      tensors.push_back({reader.names()[i], info.dtype, info.shape, data[i].bytes()});
      if (reader.names()[i] == changed) {
        tensors.back().shape = {values.size()};
        tensors.back().data = std::as_bytes(std::span(values));
      }
    }
    auto metadata = reader.metadata();
    change_metadata(metadata);
    io::BundleWriter writer(real_file_system(), folder_ / "other", {.system = "test", .created_by = "test"});
    writer.add("words.safetensors",
               [&](WritableFile& file) { io::write_safetensors(file, tensors, metadata); });
    writer.commit();
    return code_of([&] { open_words_member(io::BundleReader::open(folder_ / "other")); });
  };
  const auto nothing = [](auto&) {};
  EXPECT_EQ(with("", {}, nothing), "no error");
  EXPECT_EQ(with("word_ends", {3, 2}, nothing), "words.shape");
  EXPECT_EQ(with("word_ends", {1u << 20}, nothing), "words.shape");
  EXPECT_EQ(with("posting_ends", {1}, nothing), "words.shape");
  EXPECT_EQ(with("", {}, [](auto& metadata) { metadata.erase("k1"); }), "words.field");
  EXPECT_EQ(with("", {}, [](auto& metadata) { metadata["b"] = "much"; }), "words.field");
  EXPECT_EQ(with("", {}, [](auto& metadata) { metadata["b"] = "7"; }), "config.out_of_range");
  EXPECT_EQ(with("", {}, [](auto& metadata) { metadata["stop_words"] = "yes"; }), "words.field");
  EXPECT_EQ(with("", {}, [](auto& metadata) { metadata["stemmer"] = "heavy"; }), "config.not_a_choice");
}

}  // namespace
}  // namespace tenfold::search
