// SPDX-License-Identifier: Apache-2.0
// What a DSI is trained on: texts that stand for documents (indexing) and labelled queries (retrieval), mixed and shuffled over the whole
// stream of an epoch. Tay et al., arXiv 2202.06991, section 3.1.2; pseudo-queries: Zhuang et al., arXiv 2206.10128.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/data/dataset.h"
#include "tenfold/systems/dsi/query_generator.h"
#include "tenfold/systems/retrieval/corpus.h"

namespace tenfold::dsi {

struct ExampleOptions {
  std::vector<std::string> views = {"words"};
  std::int64_t per_document = 6;
  std::int64_t length = 32;
  std::int64_t label_repeats = 2;
  double ratio = 0.0;
  double index_weight = 1.0;

  void visit_fields(auto&& field) {
    field("views",
          views,
          {.help =
               "what stands for a document: its first tokens, those without repetition, a random run of them "
               "(inverted), or pseudo-queries: a few words, a short span, a sentence, the rarest words, the "
               "title, "
               "queries from a generator trained on the labels",
           .choices = {
               "direct", "set", "inverted", "words", "span", "sentence", "phrase", "title", "generated"}});
    field("per_document",
          per_document,
          {.help = "such texts of each document an epoch", .min = 0, .max = 1000});
    field("length", length, {.help = "tokens of a text (L)", .min = 1, .max = 4096});
    field("label_repeats", label_repeats, {.help = "of each labelled pair an epoch", .min = 0, .max = 1000});
    field("ratio",
          ratio,
          {.help = "r: indexing examples for each labelled one, by repeating the labelled pairs as often as "
                   "it takes; 0: "
                   "label_repeats says",
           .min = 0.0,
           .max = 1e6});
    field("index_weight",
          index_weight,
          {.help = "of the loss of indexing examples, in place of another mixture", .min = 0.0, .max = 1e6});
  }
};

// One row: [B, length] token numbers with -1 behind the last, [B] documents, [B] places in BeirQueries or -1 for indexing, [1] the epoch.
// Views are new each epoch. Which documents are indexed, and which queries labelled, can be narrowed for additions and ablations.
class ExampleDataset final : public data::Dataset {
 public:
  // `documents`: those with indexing examples; empty: all. Throws Error(kData, "dsi.no_examples") when there is nothing to train on,
  // "dsi.no_titles" when the only view is the title and there are none.
  ExampleDataset(std::shared_ptr<const retrieval::Corpus> corpus,
                 const ExampleOptions& options,
                 std::vector<std::int64_t> documents = {});

  std::int64_t size() const override;
  data::Batch get(std::span<const std::int64_t> ids, const data::DrawKey& key) const override;
  std::string fingerprint() const override { return fingerprint_; }

  std::int64_t indexing_examples() const {
    return static_cast<std::int64_t>(documents_.size()) * options_.per_document;
  }
  std::int64_t labelled_examples() const { return labelled_; }

  // Writes one view of a document; the number of tokens.
  std::size_t put_view(std::string_view view,
                       std::int64_t document,
                       random::Generator draws,
                       std::span<std::int64_t> out) const;

 private:
  struct Pair {
    std::int64_t query, document;
  };
  void cut_sentences();
  std::size_t put_rare_words(std::int64_t document,
                             random::Generator& draws,
                             std::span<std::int64_t> out) const;

  std::shared_ptr<const retrieval::Corpus> corpus_;
  ExampleOptions options_;
  std::vector<bool> continues_word_;
  std::vector<std::int64_t> documents_;  // with tokens
  std::vector<Pair> pairs_;
  std::int64_t labelled_ = 0;  // examples of pairs an epoch
  retrieval::TokenLists titles_, sentences_;
  std::vector<std::pair<std::int64_t, std::int64_t>> sentence_range_;  // of each document
  std::unique_ptr<const QueryGenerator> generator_;
  std::string fingerprint_;
};

}  // namespace tenfold::dsi
