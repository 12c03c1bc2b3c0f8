// SPDX-License-Identifier: Apache-2.0
// BM25 over an inverted index in memory (Robertson and Zaragoza, "The probabilistic relevance framework", 2009):
//
//   score(q, d) = sum over words w of q:  idf(w) tf (k1 + 1) / (tf + k1 (1 - b + b |d| / mean |d|)),
//   idf(w) = ln(1 + (N - n + 0.5) / (n + 0.5))          N documents, n of them with w; never negative (as Lucene has it)
//
// A word that stands twice in the query counts twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/bitmap.h"
#include "tenfold/search/hit.h"
#include "tenfold/search/tokenizer.h"

namespace tenfold::search {

struct Bm25Options {
  double k1 = 0.9;  // how fast repetition of a word stops to count
  double b = 0.4;   // 0: length of a document is no matter; 1: fully normalised
  TokenizerOptions tokenizer;

  void visit_fields(auto&& field) {
    field("k1", k1, {.help = "saturation of word counts", .min = 0.0, .max = 100.0});
    field("b", b, {.help = "normalisation by document length", .min = 0.0, .max = 1.0});
    field("tokenizer", tokenizer, {});
  }
};

// Searching is thread-safe, adding is not. A search works through the documents in ranges of 8,192, so that it needs the same
// little memory for any number of documents; its cost is the length of the posting lists of its words.
class Bm25Index {
 public:
  // Throws Error(kConfig) for options out of range.
  explicit Bm25Index(Bm25Options options = {});
  // Tokenizes with the threads of base/threads.h.
  Bm25Index(std::span<const std::string> documents, Bm25Options options = {});

  // What a file holds. Throws Error(kData, "bm25.parts"): a word that stands twice, a posting list that is empty, not ascending, of a
  // document that is not there or of no occurrence, lists that do not add up to the documents' lengths.
  struct Posting {
    std::uint32_t row;
    std::uint32_t count;
  };
  struct Parts {
    std::vector<std::string> words;
    std::vector<std::vector<Posting>> postings;  // of each word
    std::vector<std::uint32_t> lengths;          // words of each document
  };
  Bm25Index(Parts parts, Bm25Options options);
  Parts parts() const;  // a copy

  // Documents get the rows size(), size() + 1, ... Empty documents are allowed and never found. Throws
  // Error(kResource, "bm25.too_many_documents") beyond 2^32 - 1.
  void add(std::span<const std::string> documents);

  std::size_t size() const { return lengths_.size(); }
  std::size_t words() const { return dictionary_.size(); }
  std::size_t bytes() const;  // of postings, lengths and dictionary
  const Bm25Options& options() const { return options_; }

  // At most k hits with a score above 0, best first. `allowed`: only these rows; its size must be size(), else
  // Error(kData, "bm25.filter_size"). An empty query, or one of unknown words only, finds nothing.
  Hits search(std::string_view query, std::size_t k, const Bitmap* allowed = nullptr) const;
  // The same for many queries, on the threads of base/threads.h.
  std::vector<Hits> search(std::span<const std::string> queries, std::size_t k) const;

 private:
  struct QueryWord {
    const Posting* next;
    const Posting* end;
    double weight;  // idf x (k1 + 1) x repetitions in the query
  };

  std::vector<QueryWord> look_up(std::string_view query) const;

  Bm25Options options_;
  Tokenizer tokenizer_;
  std::unordered_map<std::string, std::uint32_t> dictionary_;  // word -> number of its posting list
  std::vector<std::vector<Posting>> postings_;                 // rows ascend
  std::vector<std::uint32_t> lengths_;                         // words of a document
  std::uint64_t total_length_ = 0;
};

// Score of every document by the formula above, word by word without an index: the oracle of the tests.
std::vector<double> bm25_plain(std::span<const std::string> documents,
                               std::string_view query,
                               const Bm25Options& options = {});

}  // namespace tenfold::search
