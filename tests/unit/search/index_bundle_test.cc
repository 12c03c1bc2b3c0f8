// SPDX-License-Identifier: Apache-2.0
// An index in a bundle: the same after it was stored, never seen half, and refused when its members do not fit together.
#include "tenfold/search/index_bundle.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tenfold/base/threads.h"
#include "tests/support/faulty_file_system.h"
#include "tests/unit/io/text_test_util.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 16, kRows = 500;

class IndexBundle : public testing::Test {
 protected:
  CodeIndex index(std::int64_t bits, bool lists) const {
    auto pq = train_product_quantizer(
        rows_, {.method = "opq", .bytes = 4, .bits = bits, .kmeans_iterations = 2, .rotations = 2});
    CodeIndex result = lists ? CodeIndex(pq, train_coarse(pq, rows_, 6, 1)) : CodeIndex(pq);
    result.add(rows_);
    result.remove(std::vector<std::uint32_t>{1, 499});
    return result;
  }
  void store(const CodeIndex& index,
             const Int8Rows* second = nullptr,
             FileSystem& files = real_file_system()) const {
    io::BundleWriter writer(files, folder_ / "bundle", {.system = "test", .created_by = "test"});
    add_index_members(writer, index, second);
    writer.commit();
  }
  IndexMembers load() const { return open_index_members(io::BundleReader::open(folder_ / "bundle")); }

  const std::vector<float> values_ = skewed_vectors(kRows, kDimension, 1);
  const Vectors rows_ = as_vectors(values_, kDimension);
  const io::TempFolder folder_;
};

TEST_F(IndexBundle, ComesBackAsItWas) {
  for (const std::int64_t bits : {8, 4}) {
    for (const bool lists : {false, true}) {
      const CodeIndex before = index(bits, lists);
      store(before);
      IndexMembers after = load();
      const SearchRequest request{.k = 20, .probes = 6};
      EXPECT_EQ(after.index.search(rows_, request), before.search(rows_, request));
      EXPECT_EQ(after.index.live(), kRows - 2);
      EXPECT_FALSE(after.second.has_value());
      // The pages of the file are copied before they are changed.
      after.index.add(rows_.slice(0, 70));
      after.index.update(std::vector<std::uint32_t>{5}, rows_.slice(9, 1));
      EXPECT_EQ(after.index.size(), kRows + 70);
      EXPECT_EQ(load().index.search(rows_, request), before.search(rows_, request));
    }
  }
}

TEST_F(IndexBundle, KeepsTheSecondStage) {
  RerankIndex before(CodeIndex(train_product_quantizer(rows_, {.method = "pq", .bytes = 4, .bits = 4})), 5);
  before.add(rows_);
  store(before.first(), &before.second());
  IndexMembers parts = load();
  const RerankIndex after(std::move(parts.index), std::move(*parts.second), 5);
  EXPECT_EQ(after.search(rows_, {.k = 7}), before.search(rows_, {.k = 7}));
}

TEST_F(IndexBundle, KeepsAGraph) {
  for (const std::int64_t bits : {8, 4}) {
    GraphIndex before(train_product_quantizer(
        rows_, {.method = "opq", .bytes = 4, .bits = bits, .kmeans_iterations = 2, .rotations = 2}));
    before.add(rows_);
    before.remove(std::vector<std::uint32_t>{1, 499});
    io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
    add_index_members(writer, before);
    writer.commit();
    const io::BundleReader bundle = io::BundleReader::open(folder_ / "bundle");
    EXPECT_TRUE(holds_graph_index(bundle));
    EXPECT_EQ(code_of([&] { open_index_members(bundle); }), "index_bundle.kind");
    GraphIndex after = open_graph_members(bundle);
    EXPECT_EQ(after.search(rows_, {.k = 20}), before.search(rows_, {.k = 20}));
    EXPECT_EQ(after.live(), kRows - 2);
    EXPECT_EQ(after.graph().parts().links, before.graph().parts().links);
    // It goes on as it would have without the file; the file's pages stay as they are.
    after.add(rows_.slice(0, 70));
    before.add(rows_.slice(0, 70));
    EXPECT_EQ(after.search(rows_, {.k = 20}), before.search(rows_, {.k = 20}));
    EXPECT_EQ(open_graph_members(bundle).size(), kRows);
  }
}

TEST_F(IndexBundle, KeepsTheGraphOfItsLists) {
  CodeIndex before = index(8, true);
  before.link_coarse({.neighbors = 2, .candidates = 4, .seed = 9});
  store(before);
  EXPECT_FALSE(holds_graph_index(io::BundleReader::open(folder_ / "bundle")));
  EXPECT_EQ(code_of([&] { open_graph_members(io::BundleReader::open(folder_ / "bundle")); }),
            "index_bundle.kind");
  const IndexMembers after = load();
  ASSERT_TRUE(after.index.parts().coarse_graph.has_value());
  EXPECT_EQ(after.index.parts().coarse_graph->parts().links, before.parts().coarse_graph->parts().links);
  EXPECT_EQ(after.index.parts().coarse_graph->options().seed, 9);
}

TEST_F(IndexBundle, KeepsTheCodesOfTraining) {
  const CodeIndex before = index(8, false);
  const CodeCounts counts = count_codes(before.quantizer(), rows_);
  io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
  add_index_members(writer, before, nullptr, &counts);
  writer.commit();
  const auto after = read_training_counts(io::BundleReader::open(folder_ / "bundle"));
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->counts, counts.counts);
  EXPECT_EQ(after->rows, kRows);
  EXPECT_EQ(after->squared_error, counts.squared_error);
  EXPECT_EQ(after->squared_length, counts.squared_length);
  store(before);
  EXPECT_FALSE(read_training_counts(io::BundleReader::open(folder_ / "bundle")).has_value());
}

// 100,000 rows of 8 bytes, in lists or not: no more than four bytes a row and 2 MB beside the codes.
TEST_F(IndexBundle, TakesLittleMoreThanItsCodes) {
  constexpr std::size_t kMany = 100'000, kBytes = 8;
  const auto values = skewed_vectors(4000, kDimension, 3);
  const Vectors some = as_vectors(values, kDimension);
  const auto pq = train_product_quantizer(
      some, {.method = "opq", .bytes = kBytes, .kmeans_iterations = 2, .rotations = 2});
  std::vector<std::uint8_t> codes(4000 * kBytes);
  pq.encode(some, codes);
  for (const bool lists : {false, true}) {
    CodeIndex index = lists ? CodeIndex(pq, train_coarse(pq, some, 300, 1)) : CodeIndex(pq);
    for (std::size_t part = 0; part < kMany / 4000; ++part) index.add_codes(codes);
    io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
    add_index_members(writer, index);
    std::uint64_t bytes = 0;
    for (const auto& member : writer.commit().members)
      bytes += std::filesystem::file_size(folder_.path() / "bundle" / member.name);
    EXPECT_EQ(index.size(), kMany);
    EXPECT_LE(bytes, kMany * (kBytes + 4) + (2u << 20)) << lists;
  }
}

// Trained, coded, linked and written twice: the same bytes, on one thread and on three.
TEST_F(IndexBundle, TheSameSeedGivesTheSameFile) {
  const int before = thread_count();
  const auto hashes = [&](int threads) {
    set_thread_count(threads);
    std::vector<std::string> result;
    const auto finish = [&](io::BundleWriter& writer) {
      for (const auto& member : writer.commit().members) result.push_back(member.sha256);
    };
    for (const bool lists : {false, true}) {
      io::BundleWriter writer(
          real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
      add_index_members(writer, index(8, lists));
      finish(writer);
    }
    GraphIndex graph(index(8, false).quantizer());
    graph.add(rows_);
    io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
    add_index_members(writer, graph);
    finish(writer);
    return result;
  };
  const auto one = hashes(1);
  EXPECT_EQ(one.size(), 6u);
  EXPECT_EQ(hashes(1), one);
  EXPECT_EQ(hashes(3), one);
  set_thread_count(before);
}

// The codes stay in the file: searching them allocates nothing of their size.
TEST_F(IndexBundle, CodesAreSearchedInThePagesOfTheFile) {
  const CodeIndex before = index(8, false);
  store(before);
  const IndexMembers after = load();
  const auto blocks = after.index.parts().stores[0].blocks();
  std::ifstream maps("/proc/self/maps");
  if (!maps) GTEST_SKIP() << "no /proc/self/maps";
  const auto address = reinterpret_cast<std::uintptr_t>(blocks.data());
  EXPECT_EQ(address % 64, 0u);
  bool in_file = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t first = 0, last = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &first, &last) != 2 || address < first || address >= last)
      continue;
    in_file = line.find("index.codes") != std::string::npos;
  }
  EXPECT_TRUE(in_file);
}

TEST_F(IndexBundle, IsNeverSeenHalf) {
  const CodeIndex before = index(8, false), after = index(4, true);
  store(before);
  const SearchRequest request{.k = 5, .probes = 6};
  const auto old = before.search(rows_.slice(0, 5), request),
             fresh = after.search(rows_.slice(0, 5), request);
  for (std::uint64_t at = 1;; ++at) {
    store(before);
    faults::FaultyFileSystem files({.fault = faults::Fault::kNoSpace, .at = at});
    try {
      store(after, nullptr, files);
      EXPECT_EQ(load().index.search(rows_.slice(0, 5), request), fresh);
      EXPECT_GT(at, 10u);
      break;
    } catch (const Error&) {
      const auto found = load().index.search(rows_.slice(0, 5), request);
      ASSERT_TRUE(found == old || found == fresh) << at;
    }
  }
}

TEST_F(IndexBundle, MembersThatDoNotFitAreRefused) {
  const CodeIndex good = index(8, false);
  const auto with_codes = [&](std::size_t bytes) {
    io::BundleWriter parts(real_file_system(), folder_ / "parts", {.system = "test", .created_by = "test"});
    add_index_members(parts, good);
    parts.commit();
    const std::string tensors = read_text_file(folder_.path() / "parts" / "index.safetensors");
    std::string codes = read_text_file(folder_.path() / "parts" / "index.codes");
    codes.resize(bytes);
    io::BundleWriter writer(real_file_system(), folder_ / "bundle", {.system = "test", .created_by = "test"});
    writer.add("index.safetensors", tensors);
    writer.add("index.codes", codes);
    writer.commit();
    return code_of([&] { load(); });
  };
  const std::size_t size = good.parts().stores[0].blocks().size();
  EXPECT_EQ(with_codes(size), "no error");
  EXPECT_EQ(with_codes(size - 1), "index_bundle.shape");
  EXPECT_EQ(with_codes(size + 1), "index_bundle.shape");
  EXPECT_EQ(with_codes(0), "index_bundle.shape");
}

}  // namespace
}  // namespace tenfold::search
