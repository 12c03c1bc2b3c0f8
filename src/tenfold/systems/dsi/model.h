// SPDX-License-Identifier: Apache-2.0
// A model that is the index: texts in, documents out. atomic_model.h gives every document a row of the last layer, sequence_model.h spells
// its identifier token by token.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/bitmap.h"
#include "tenfold/search/hit.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::dsi {

struct ModelOptions {
  retrieval::EncoderOptions encoder{.width = 512, .hidden = 1024, .dimension = 512};
  std::string word_vectors;
  double label_smoothing = 0.05;
  // Atomic identifiers.
  double scale = 20.0;
  bool tied = false;
  bool wide = false;
  std::int64_t wide_documents = 400;
  // Identifiers of several tokens.
  std::int64_t slots = 4;
  std::int64_t width = 128;
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t hidden = 256;
  double dropout = 0.0;
  std::string strategy = "inputs2targets";
  double consistency = 0.0;

  void visit_fields(auto&& field) {
    field("encoder", encoder, {});
    field("word_vectors",
          word_vectors,
          {.help = "file of word vectors that a bag of words begins with: a word and its numbers a line "
                   "(GloVe's form)",
           .file = config::FileUse::kRead});
    field("label_smoothing",
          label_smoothing,
          {.help = "share of a target given to all", .min = 0.0, .max = 0.9});
    field("scale",
          scale,
          {.help = "atomic: of cosines in the softmax, in the beginning", .min = 1e-3, .max = 1e4});
    field("tied",
          tied,
          {.help = "atomic: a document's row is its text's vector plus what is learned (Tied-Atomic)"});
    field("wide",
          wide,
          {.help = "atomic: beside the vectors one weight for each word and document that has it, as in wide "
                   "and deep "
                   "models"});
    field("wide_documents",
          wide_documents,
          {.help = "words of more documents have no such weights", .min = 1, .max = 1e7});
    field("slots",
          slots,
          {.help = "sequences: vectors of a bag of words that the decoder attends to", .min = 1, .max = 64});
    field("width", width, {.help = "sequences: of the decoder, and of a T5 encoder", .min = 1, .max = 65536});
    field("layers", layers, {.help = "sequences: of the decoder, and of a T5 encoder", .min = 1, .max = 100});
    field("heads", heads, {.help = "sequences: of attention", .min = 1, .max = 1000});
    field("hidden", hidden, {.help = "sequences: hidden units of a layer", .min = 1, .max = 1e6});
    field("dropout",
          dropout,
          {.help = "sequences: share of values left out in training", .min = 0.0, .max = 0.9});
    field("strategy",
          strategy,
          {.help = "sequences with a T5 encoder: what an indexing example teaches: text to identifier, "
                   "identifier to "
                   "text, both, or to fill gaps in identifier and text",
           .choices = {"inputs2targets", "targets2inputs", "bidirectional", "span"}});
    field("consistency",
          consistency,
          {.help = "sequences: weight of the divergence between two passes with dropout (R-drop)",
           .min = 0.0,
           .max = 100.0});
  }
};

// How the model is asked for documents.
struct RankOptions {
  std::size_t k = 10;
  std::int64_t beams = 20;
  bool exact = false;                       // best-first search instead of a beam
  const search::Bitmap* allowed = nullptr;  // a bit a document; null: all
};

class DocidModelImpl : public torch::nn::Module {
 public:
  // Loss of each row, [B]: documents [B] are the targets of the texts. indexing: [B] bool, which rows are indexing examples.
  virtual torch::Tensor loss(const retrieval::TokenBatch& texts,
                             const torch::Tensor& documents,
                             const torch::Tensor& indexing) = 0;
  // Before every batch, with its epoch.
  virtual void begin_epoch(std::int64_t) {}
  // At most k documents for each text, best first, without gradients. Scores are logits (atomic) or log probabilities.
  virtual std::vector<search::Hits> rank(const retrieval::TokenLists& texts, const RankOptions& options) = 0;
  virtual std::int64_t documents() const = 0;
};
TORCH_MODULE(DocidModel);

}  // namespace tenfold::dsi
