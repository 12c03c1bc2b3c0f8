// SPDX-License-Identifier: Apache-2.0
// What every scheme promises: identifiers are unique, end, stay within their tokens, repeat, survive storing, and new documents fit in.
#include "tenfold/systems/dsi/docids/docid_scheme.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tenfold/base/threads.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_docids/docid_data.h"
#include "tests/unit/dsi_runtime/memory_file.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::dsi {
namespace {

using tenfold::code_of;

void expect_sound(const Docids& docids, std::size_t count, bool atomic) {
  ASSERT_EQ(docids.sequences.size(), count);
  const std::set<std::vector<std::uint32_t>> different(docids.sequences.begin(), docids.sequences.end());
  EXPECT_EQ(different.size(), count);
  for (const auto& sequence : docids.sequences) {
    for (const std::uint32_t token : sequence) EXPECT_LT(token, docids.tokens);
    if (atomic) {
      EXPECT_EQ(sequence.size(), 1u);
      continue;
    }
    EXPECT_EQ(std::find(sequence.begin(), sequence.end(), kEndToken) - sequence.begin(),
              static_cast<std::ptrdiff_t>(sequence.size()) - 1);
    for (std::size_t i = 0; i + 1 < sequence.size() && !docids.level_begins.empty(); ++i) {
      ASSERT_LT(i, docids.level_begins.size());
      EXPECT_GE(sequence[i], docids.level_begins[i]);
      EXPECT_LT(sequence[i], i + 1 < docids.level_begins.size() ? docids.level_begins[i + 1] : docids.tokens);
    }
  }
  if (atomic) return;
  const DocidTrie trie = DocidTrie::build(docids.packed());
  for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(trie.document_of(docids.sequences[i]), i);
}

class Scheme : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<DocidScheme> make(std::int64_t seed = 7) const {
    return make_docid_scheme(
        {.scheme = GetParam(), .leaf = leaf_, .levels = 2, .codewords = 16, .seed = seed});
  }
  bool atomic() const { return GetParam() == std::string("atomic"); }
  bool reads_vectors() const {
    return !atomic() && GetParam() != std::string("naive") && GetParam() != std::string("title");
  }

  std::int64_t leaf_ = 20;
  const MadeUp many_{grouped_vectors(700)}, more_{grouped_vectors(150, 2)};
};

TEST_P(Scheme, IdentifiersAreUniqueAndEnd) {
  const auto scheme = make();
  const Docids docids = scheme->assign(many_.documents());
  expect_sound(docids, 700, atomic());
  std::set<std::string> different;
  for (const std::string& text : texts_of(*scheme, docids)) different.insert(text);
  EXPECT_EQ(different.size(), 700u);
}

TEST_P(Scheme, TakesOneDocument) {
  const MadeUp one(grouped_vectors(1));
  expect_sound(make()->assign(one.documents()), 1, atomic());
}

TEST_P(Scheme, TakesMoreEqualVectorsThanALeafHolds) {
  for (const std::size_t outliers : {0, 1, 30}) {
    std::vector<float> vectors(500 * kWidth, 0.25f);
    const std::vector<float> others = grouped_vectors(outliers);
    vectors.insert(vectors.begin() + 100 * kWidth, others.begin(), others.end());
    expect_sound(make()->assign(MadeUp(vectors).documents()), 500 + outliers, atomic());
  }
}

TEST_P(Scheme, IsAPureFunctionOfSeedAndDocuments) {
  const Docids first = make()->assign(many_.documents());
  const int threads = thread_count();
  set_thread_count(3);
  const Docids second = make()->assign(many_.documents());
  set_thread_count(threads);
  EXPECT_EQ(first.sequences, second.sequences);
  const bool drawn = !atomic() && GetParam() != std::string("title");
  EXPECT_EQ(first.sequences != make(8)->assign(many_.documents()).sequences, drawn);
}

TEST_P(Scheme, NewDocumentsFitIn) {
  const auto scheme = make();
  const Docids before = scheme->assign(many_.documents());
  Docids after = before;
  scheme->add(more_.documents(), after);
  scheme->add(more_.documents(), after);
  expect_sound(after, 1000, atomic());
  EXPECT_TRUE(std::equal(before.sequences.begin(), before.sequences.end(), after.sequences.begin()));
  EXPECT_EQ(after.tokens, atomic() ? 1000u : before.tokens);
  EXPECT_EQ(after.level_begins, before.level_begins);
}

TEST_P(Scheme, GoesOnAsItWasWhenItIsReadBack) {
  const auto scheme = make();
  Docids docids = scheme->assign(many_.documents());
  const io::TempFolder folder;
  io::BundleWriter writer(real_file_system(), folder / "bundle", {.system = "test", .created_by = "test"});
  add_scheme_member(writer, *scheme);
  writer.commit();
  const auto again = open_scheme_member(io::BundleReader::open(folder / "bundle"));
  Docids stored = again->layout(docids.sequences);
  EXPECT_EQ(stored.tokens, docids.tokens);
  EXPECT_EQ(stored.level_begins, docids.level_begins);
  scheme->add(more_.documents(), docids);
  again->add(more_.documents(), stored);
  EXPECT_EQ(stored.sequences, docids.sequences);
  EXPECT_EQ(texts_of(*again, stored), texts_of(*scheme, docids));
  EXPECT_EQ(again->options().seed, 7);
}

TEST_P(Scheme, RefusesDocumentsThatDoNotFitAndChangesNothing) {
  const auto scheme = make();
  Docids docids = scheme->assign(many_.documents());
  const auto both = [&](const DocidDocuments& documents) {
    const std::string code = code_of([&] { scheme->add(documents, docids); });
    EXPECT_EQ(docids.sequences.size(), 700u);
    EXPECT_EQ(code_of([&] { make()->assign(documents); }), code);
    return code;
  };
  EXPECT_EQ(both({}), "dsi.no_documents");
  EXPECT_EQ(both({.count = 3, .titles = std::span(many_.titles).first(2)}), "dsi.document_parts");
  EXPECT_EQ(both({.count = 3, .embeddings = search::as_vectors(many_.vectors, kWidth)}),
            "dsi.document_parts");
  if (!reads_vectors()) return;
  EXPECT_EQ(both({.count = 3}), "dsi.no_embeddings");
  std::vector<float> bad(3 * kWidth, 1.0f);
  bad[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(both({.count = 3, .embeddings = search::as_vectors(bad, kWidth)}), "vectors.not_finite");
  EXPECT_EQ(code_of([&] {
              scheme->add({.count = 6, .embeddings = search::as_vectors(std::span(bad).first(6), 1)}, docids);
            }),
            "vectors.not_finite");
  const std::vector<float> narrow(3, 1.0f);
  EXPECT_EQ(code_of([&] { scheme->add({.count = 3, .embeddings = search::as_vectors(narrow, 1)}, docids); }),
            "vectors.dimension");
}

TEST_P(Scheme, RefusesIdentifiersOfAnotherScheme) {
  const auto scheme = make();
  Docids docids = scheme->assign(many_.documents());
  const std::vector<std::uint32_t> foreign{4'000'000'000, 1, kEndToken};
  EXPECT_EQ(code_of([&] { scheme->text(foreign); }), "dsi.bad_docid");
  if (atomic()) return;
  docids.sequences.push_back(foreign);
  EXPECT_EQ(code_of([&] { scheme->add(more_.documents(), docids); }), "dsi.bad_docid");
  docids.sequences.back() = {kEndToken};
  EXPECT_EQ(code_of([&] { scheme->add(more_.documents(), docids); }),
            GetParam() == std::string("title") ? "" : "dsi.bad_docid");
}

INSTANTIATE_TEST_SUITE_P(
    All,
    Scheme,
    testing::Values("atomic", "naive", "semantic", "position", "residual", "title", "random_tree"),
    [](const auto& scheme) { return std::string(scheme.param); });

// A stored scheme with something changed, read again: the error's code.
struct Stored {
  std::map<std::string, std::string> metadata;
  std::map<std::string, io::TensorInfo> tensors;
  std::map<std::string, std::vector<std::byte>> bytes;

  template <typename T>
  T* values(const std::string& name) {
    return reinterpret_cast<T*>(bytes.at(name).data());
  }
};

std::string code_with(const std::string& scheme, const std::function<void(Stored&)>& change) {
  const MadeUp documents(grouped_vectors(200));
  const auto fitted = make_docid_scheme({.scheme = scheme, .leaf = 20, .levels = 2, .codewords = 16});
  fitted->assign(documents.documents());
  MemoryFile file;
  fitted->write(file);
  Stored stored{.metadata = file.reader().metadata()};
  for (const std::string& name : file.reader().names()) {
    stored.tensors[name] = file.reader().info(name);
    stored.bytes[name].resize(stored.tensors[name].bytes);
    file.reader().read(name, stored.bytes[name]);
  }
  change(stored);
  std::vector<io::TensorView> views;
  for (const auto& [name, info] : stored.tensors)
    views.push_back({name, info.dtype, info.shape, stored.bytes[name]});
  MemoryFile damaged;
  io::write_safetensors(damaged, views, stored.metadata);
  return code_of([&] { read_docid_scheme(damaged.reader()); });
}

constexpr const char* kDamaged = "dsi.damaged_docid_scheme";

TEST(StoredScheme, DamageIsRefused) {
  for (const char* scheme : {"atomic", "naive", "semantic", "position", "residual", "title", "random_tree"}) {
    EXPECT_EQ(code_with(scheme, [](Stored&) {}), "") << scheme;
    EXPECT_EQ(code_with(scheme, [](Stored& stored) { stored.metadata.erase("options"); }), kDamaged);
    EXPECT_EQ(code_with(scheme, [](Stored& stored) { stored.metadata["options"] = "[docids]\nseed = -1\n"; }),
              kDamaged);
    EXPECT_EQ(code_with(scheme, [](Stored& stored) { stored.metadata["options"] = "?"; }), kDamaged);
  }
  for (const char* scheme : {"position", "residual"})
    for (const char* levels : {"", "-1", "0", "99999999999999", "x"})
      EXPECT_EQ(code_with(scheme, [&](Stored& stored) { stored.metadata["levels"] = levels; }), kDamaged);
}

TEST(StoredScheme, DamagedTreesAreRefused) {
  const auto with = [](const std::function<void(Stored&)>& change) { return code_with("semantic", change); };
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint8_t>("kinds")[0] = 3; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint8_t>("kinds")[0] = 0; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint32_t>("children")[0] = 77; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint32_t>("children")[1] = 0; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) {
              std::swap(stored.values<std::uint32_t>("children")[0],
                        stored.values<std::uint32_t>("children")[1]);
            }),
            kDamaged);
  EXPECT_EQ(with([](Stored& stored) {
              stored.values<float>("centroids")[3] = std::numeric_limits<float>::infinity();
            }),
            kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.metadata["dimension"] = "13"; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.metadata["dimension"] = "0"; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.metadata["options"] = "[docids]\nbranches = 5\nleaf = 20\n"; }),
            kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.tensors.erase("kinds"); }), "safetensors.no_such_tensor");
}

TEST(StoredScheme, DamagedCodewordsAndWordsAreRefused) {
  EXPECT_EQ(code_with("residual",
                      [](Stored& stored) {
                        stored.values<float>("codewords")[0] = std::numeric_limits<float>::quiet_NaN();
                      }),
            kDamaged);
  EXPECT_EQ(code_with("residual",
                      [](Stored& stored) {
                        auto& shape = stored.tensors["codewords"].shape;
                        shape = {1, shape[0] * shape[1], shape[2]};
                      }),
            kDamaged);
  const auto with = [](const std::function<void(Stored&)>& change) { return code_with("title", change); };
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint64_t>("word_ends")[1] = 1000; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.values<std::uint64_t>("word_ends")[0] = 0; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) { stored.values<char>("letters")[0] = '\xff'; }), kDamaged);
  EXPECT_EQ(with([](Stored& stored) {
              std::fill_n(stored.values<char>("letters"), stored.bytes["letters"].size(), 'a');
            }),
            kDamaged);
}

TEST(DocidOptions, AreChecked) {
  EXPECT_EQ(code_of([] { make_docid_scheme({.scheme = "semantics"}); }), "config.not_a_choice");
  EXPECT_NE(code_of([] { make_docid_scheme({.codewords = 1}); }), "");
}

}  // namespace
}  // namespace tenfold::dsi
