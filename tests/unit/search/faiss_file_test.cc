// SPDX-License-Identifier: Apache-2.0
// Files in Faiss' form that lie, end early or ask for what is not there: refused with a code, never believed. Files as Faiss itself writes
// them are in tests/faiss.
#include "tenfold/search/faiss_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/faulty_file_system.h"
#include "tests/unit/io/text_test_util.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 8, kRows = 70;

class FaissFile : public testing::Test {
 protected:
  static ProductQuantizer quantizer(std::int64_t bits, const char* method = "opq") {
    const auto values = skewed_vectors(300, kDimension, 1);
    return train_product_quantizer(
        as_vectors(values, kDimension),
        {.method = method, .bytes = 2, .bits = bits, .kmeans_iterations = 2, .rotations = 2});
  }
  static CodeIndex index(std::int64_t bits, bool lists, const char* method = "opq") {
    const auto values = skewed_vectors(kRows, kDimension, 2);
    CodeIndex result = lists ? CodeIndex(quantizer(bits, method),
                                         std::vector<float>(values.begin(), values.begin() + 5 * kDimension))
                             : CodeIndex(quantizer(bits, method));
    result.add(as_vectors(values, kDimension));
    return result;
  }
  std::string file(const CodeIndex& index, const FaissWriteOptions& options = {}) const {
    write_faiss(real_file_system(), folder_ / "index", index, options);
    return read_text_file(folder_ / "index");
  }
  static FaissIndex parse(const std::string& bytes) {
    return parse_faiss(std::as_bytes(std::span(bytes)), "test");
  }
  static std::string code(const std::string& bytes) {
    return code_of([&] { parse(bytes); });
  }
  template <typename T>
  static std::string with(std::string bytes, std::size_t at, T value) {
    std::memcpy(&bytes[at], &value, sizeof value);
    return bytes;
  }

  const io::TempFolder folder_;
};

TEST_F(FaissFile, ComesBackAsItWas) {
  const auto values = skewed_vectors(5, kDimension, 3);
  for (const std::int64_t bits : {8, 4}) {
    for (const bool lists : {false, true}) {
      const CodeIndex before = index(bits, lists);
      const FaissIndex after = parse(file(before));
      EXPECT_EQ(after.codes->codes(), before.codes());
      EXPECT_EQ(after.codes->search(as_vectors(values, kDimension), {.k = 9, .probes = 5}),
                before.search(as_vectors(values, kDimension), {.k = 9, .probes = 5}));
      EXPECT_EQ(file(*after.codes), file(before));
    }
  }
}

TEST_F(FaissFile, EveryEarlierEndIsRefused) {
  FlatIndex flat(kDimension);
  flat.add(as_vectors(skewed_vectors(kRows, kDimension, 2), kDimension));
  for (const std::string& whole : {file(index(8, false), {.refine = &flat}),
                                   file(index(4, false)),
                                   file(index(8, true)),
                                   file(index(4, true))}) {
    ASSERT_EQ(code(whole), "no error");
    for (std::size_t size = 0; size < whole.size();
         size += size < 300 || size + 300 > whole.size() ? 1 : 13) {
      ASSERT_EQ(code(whole.substr(0, size)), "faiss.truncated") << size;
    }
    EXPECT_EQ(code(whole + "x"), "faiss.trailing");
  }
}

// Any one byte may be any other: the file is refused, or it is a whole index.
TEST_F(FaissFile, NoChangedByteDoesHarm) {
  const auto query = skewed_vectors(1, kDimension, 4);
  for (const std::string& whole :
       {file(index(8, false)), file(index(4, false)), file(index(8, true)), file(index(4, true))}) {
    for (std::size_t at = 0; at < whole.size(); at += at < 200 || at + 200 > whole.size() ? 1 : 211) {
      for (const int change : {1, 0x80, 0xFF}) {
        std::string bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ change);
        try {
          const FaissIndex read = parse_faiss(std::as_bytes(std::span(bytes)), "test");
          if (read.codes && read.codes->dimension() == kDimension) {
            static_cast<void>(read.codes->search(as_vectors(query, kDimension), {.k = 3, .probes = 5}));
          }
        } catch (const Error& error) {
          ASSERT_NE(error.error_class(), ErrorClass::kInternal) << at << " " << error.what();
        }
      }
    }
  }
}

// Offsets: tag 4, dimension 4, rows 8, two numbers 16, mark 1, metric 4; then the quantiser: dimension, blocks, bits, codewords.
TEST_F(FaissFile, WrongFieldsAreNamed) {
  const std::string pq = file(index(8, false, "pq"));
  EXPECT_EQ(code(with(pq, 0, 'Z')), "faiss.kind");
  EXPECT_EQ(code(with(pq, 4, std::int32_t{0})), "faiss.header");
  EXPECT_EQ(code(with(pq, 4, std::int32_t{-8})), "faiss.header");
  EXPECT_EQ(code(with(pq, 8, std::int64_t{-1})), "faiss.header");
  EXPECT_EQ(code(with(pq, 8, std::int64_t{1} << 40)), "faiss.header");
  EXPECT_EQ(code(with(pq, 8, std::int64_t{kRows + 1})), "faiss.shape");
  EXPECT_EQ(code(with(pq, 32, std::uint8_t{7})), "faiss.header");
  EXPECT_EQ(code(with(pq, 33, std::int32_t{1})), "faiss.unsupported");  // Euclidean codes
  EXPECT_EQ(code(with(pq, 33, std::int32_t{22})), "faiss.unsupported");
  EXPECT_EQ(code(with(pq, 37, std::uint64_t{9})), "faiss.shape");
  EXPECT_EQ(code(with(pq, 45, std::uint64_t{3})), "faiss.shape");
  EXPECT_EQ(code(with(pq, 45, std::uint64_t{0})), "faiss.shape");
  EXPECT_EQ(code(with(pq, 53, std::uint64_t{6})), "faiss.unsupported");
  EXPECT_EQ(code(with(pq, 53, std::uint64_t{4})), "faiss.shape");
  EXPECT_EQ(code(with(pq, 61, ~std::uint64_t{0})), "faiss.truncated");
  EXPECT_EQ(code(with(pq, 61, std::uint64_t{1} << 62)), "faiss.truncated");
  EXPECT_EQ(code(with(pq, 69, std::uint32_t{0x7FC00000})), "pq.not_finite");
  const std::string fast = file(index(4, false, "pq"));
  const std::size_t settings = 69 + 16 * kDimension * 4;
  EXPECT_EQ(code(with(fast, settings + 4, std::int32_t{33})), "faiss.shape");
  EXPECT_EQ(code(with(fast, settings + 4, std::int32_t{0})), "faiss.shape");
  EXPECT_EQ(code(with(fast, settings + 12, std::uint64_t{64})), "faiss.shape");
  EXPECT_EQ(code(with(fast, settings + 20, std::uint64_t{6})), "faiss.shape");
  const std::string lists = file(index(8, true, "pq"));
  EXPECT_EQ(code(with(lists, 37, std::uint64_t{0})), "faiss.shape");
  EXPECT_EQ(code(with(lists, 37, ~std::uint64_t{0})), "faiss.shape");
  EXPECT_EQ(code(with(lists, 53, std::uint32_t{0x31313131})), "faiss.kind");
  const std::size_t last_id = lists.size() - 8;
  EXPECT_EQ(code(with(lists, last_id, std::int64_t{kRows})), "faiss.unsupported");
  EXPECT_EQ(code(with(lists, last_id, std::int64_t{-1})), "faiss.unsupported");
  std::int64_t before = 0;
  std::memcpy(&before, &lists[last_id - 8], 8);
  EXPECT_EQ(code(with(lists, last_id, before)), "faiss.shape");  // the same row twice
  const std::string rotated = file(index(8, false));
  EXPECT_EQ(code(with(rotated, 37, std::int32_t{2})), "faiss.unsupported");
  EXPECT_EQ(code(with(rotated, 41, std::uint32_t{0x31313131})), "faiss.kind");
}

TEST_F(FaissFile, RemovedRowsAndForeignVectorsAreRefused) {
  CodeIndex codes = index(8, false);
  FlatIndex flat(kDimension);
  EXPECT_EQ(code_of([&] { static_cast<void>(file(codes, {.refine = &flat})); }), "faiss.refine_rows");
  codes.remove(std::vector<std::uint32_t>{3});
  EXPECT_EQ(code_of([&] { static_cast<void>(file(codes)); }), "faiss.removed_rows");
}

TEST_F(FaissFile, AFailureWhileWritingLeavesTheOldFile) {
  const CodeIndex before = index(8, false), after = index(4, true);
  const std::string old = file(before);
  for (std::uint64_t at = 1;; ++at) {
    faults::FaultyFileSystem files({.fault = faults::Fault::kNoSpace, .at = at});
    try {
      write_faiss(files, folder_ / "index", after);
      EXPECT_GT(at, 4u);
      break;
    } catch (const Error& error) {
      const std::string now = read_text_file(folder_ / "index");
      ASSERT_TRUE(now == old || code(now) == "no error") << at;
    }
  }
}

}  // namespace
}  // namespace tenfold::search
