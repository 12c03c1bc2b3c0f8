// SPDX-License-Identifier: Apache-2.0
// How documents get identifiers (docids) that a model can generate token by token (Tay et al., arXiv 2202.06991, section 3.2, and its
// successors): one interface, seven schemes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/io/bundle.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/search/vectors.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

// atomic       one token a document, no end token: document j is token j
// naive        a random number in decimal digits
// semantic     digits of the clusters on the way down a tree of k-means clusters, then a number in decimal digits within the last one
// position     the same with a block of tokens for each level (NCI: Wang et al., arXiv 2206.02743, section 3.1)
// residual     codes of residual k-means, a block of tokens for each level
// title        words of the title, or the first words of the text
// random_tree  the identifiers of "semantic", handed out to documents at random: a control
struct DocidOptions {
  std::string scheme = "semantic";
  std::int64_t branches = 0;
  std::int64_t leaf = 0;
  std::int64_t depth = 8;
  std::int64_t levels = 3;
  std::int64_t codewords = 256;
  std::int64_t words = 8;
  std::int64_t vocabulary = 0;
  std::int64_t iterations = 25;
  std::int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("scheme",
          scheme,
          {.help = "of document identifiers",
           .choices = {"atomic", "naive", "semantic", "position", "residual", "title", "random_tree"}});
    field("branches",
          branches,
          {.help = "clusters of a node (k); 0: 10, of position 30", .min = 0, .max = 1000});
    field("leaf",
          leaf,
          {.help = "most documents of a cluster that is not divided (c); 0: 100, of position 30",
           .min = 0,
           .max = 1e6});
    field("depth",
          depth,
          {.help = "levels of clusters; below, documents are divided evenly", .min = 0, .max = 32});
    field("levels", levels, {.help = "codes of a residual identifier", .min = 1, .max = 16});
    field("codewords", codewords, {.help = "of each level of codes", .min = 2, .max = 65536});
    field("words", words, {.help = "of a title at most", .min = 1, .max = 64});
    field("vocabulary", vocabulary, {.help = "most frequent words of titles; 0: all", .min = 0, .max = 1e6});
    field("iterations", iterations, {.help = "of k-means", .min = 1, .max = 1000});
    field("seed", seed, {.help = "of what is random", .min = 0, .max = 1e15});
  }
};

// What the schemes look at. The memory stays the caller's.
struct DocidDocuments {
  std::size_t count = 0;
  std::span<const std::string> titles;  // [count], or none: for "title"
  std::span<const std::string> texts;   // [count], or none: where there is no title
  search::Vectors embeddings;           // [count, D]: for "semantic", "position", "residual", "random_tree"
};

struct Docids {
  // [documents]; each ends with kEndToken, but those of "atomic" are one token each. No two are the same; one may be a prefix of another
  // without its end token.
  std::vector<std::vector<std::uint32_t>> sequences;
  std::uint32_t tokens = 0;  // size of the vocabulary: all tokens are below
  // Schemes with a block of tokens for each level: the first token of each block, so that level i has the tokens from level_begins[i] to
  // level_begins[i + 1], the last one to `tokens`. Else empty.
  std::vector<std::uint32_t> level_begins;

  DocidSequences packed() const;  // as DocidTrie::build() takes them
};

// A scheme and what it has learned: identifiers are a pure function of documents, options and instruction set, not of the number of threads.
// Throws Error(kData): "dsi.no_documents", "dsi.document_parts" (titles, texts or embeddings of another number than documents),
// "dsi.no_embeddings", and what search::check_vectors() throws.
class DocidScheme {
 public:
  explicit DocidScheme(DocidOptions options) : options_(std::move(options)) {}
  virtual ~DocidScheme() = default;
  DocidScheme(const DocidScheme&) = delete;
  DocidScheme& operator=(const DocidScheme&) = delete;

  const DocidOptions& options() const { return options_; }

  // Learns from the documents and gives them identifiers.
  Docids assign(const DocidDocuments& documents);

  // Identifiers for new documents behind those of `docids`, which are this scheme's and stay as they are: in the nearest cluster, by the
  // codewords learned, of the words known. Deleted documents keep theirs. Only "atomic" needs new tokens. Throws Error(kData): as above,
  // "dsi.docids_full" when the levels of tokens do not suffice (train again), "dsi.bad_docid" when docids are not this scheme's; docids are
  // unchanged then.
  void add(const DocidDocuments& documents, Docids& docids) const;

  // Identifiers that were stored as a trie: with the tokens and levels of this scheme.
  Docids layout(std::vector<std::vector<std::uint32_t>> sequences) const;

  // An identifier or a prefix of one for people: "3-1-4", "new york #2". Throws Error(kData, "dsi.bad_docid").
  virtual std::string text(std::span<const std::uint32_t> sequence) const = 0;

  // What add() and text() need, as a safetensors file.
  void write(WritableFile& file) const;

 protected:
  // Tensors and their bytes, collected for the writer.
  class State {
   public:
    template <typename T>
    void put(const std::string& name, std::vector<std::uint64_t> shape, std::span<const T> values) {
      put_bytes(name, io::dtype_of<T>(), std::move(shape), std::as_bytes(values));
    }
    void put_number(const std::string& name, std::uint64_t value);
    void put_bytes(const std::string& name,
                   io::DType dtype,
                   std::vector<std::uint64_t> shape,
                   std::span<const std::byte> bytes);

   private:
    friend class DocidScheme;
    struct Tensor {
      std::string name;
      io::DType dtype;
      std::vector<std::uint64_t> shape;
      std::vector<std::byte> bytes;
    };
    std::vector<Tensor> tensors_;
    io::SafetensorsMetadata numbers_;
  };

  virtual bool reads_embeddings() const { return false; }
  virtual std::vector<std::vector<std::uint32_t>> fit(const DocidDocuments& documents) = 0;
  virtual std::vector<std::vector<std::uint32_t>> extend(const DocidDocuments& documents,
                                                         const Docids& docids) const = 0;
  virtual std::uint32_t tokens(std::size_t documents) const = 0;
  virtual std::vector<std::uint32_t> level_begins() const { return {}; }
  virtual void save(State& state) const = 0;
  virtual void load(const io::SafetensorsReader& file) = 0;

  std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.seed); }

 private:
  friend std::unique_ptr<DocidScheme> read_docid_scheme(const io::SafetensorsReader& file);
  void check(const DocidDocuments& documents) const;

  DocidOptions options_;
  bool fitted_ = false;
};

// Throws Error(kConfig) for options out of range and for an unknown scheme.
std::unique_ptr<DocidScheme> make_docid_scheme(const DocidOptions& options);

// What write() wrote. Throws Error(kFile): "dsi.damaged_docid_scheme" (parts that are missing or do not fit), and what the reader throws.
std::unique_ptr<DocidScheme> read_docid_scheme(const io::SafetensorsReader& file);

// As the member docid_scheme.safetensors of a bundle.
void add_scheme_member(io::BundleWriter& bundle, const DocidScheme& scheme);
std::unique_ptr<DocidScheme> open_scheme_member(const io::BundleReader& bundle);

// Error(kFile, "dsi.damaged_docid_scheme"), for the schemes.
[[noreturn]] void fail_damaged_scheme(std::string what, std::string seen, std::string wanted);
// A whole number from the file's metadata, at most `limit`; fails as above.
std::uint64_t scheme_number(const io::SafetensorsReader& file, const std::string& name, std::uint64_t limit);

}  // namespace tenfold::dsi
