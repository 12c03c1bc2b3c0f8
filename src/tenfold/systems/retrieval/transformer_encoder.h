// SPDX-License-Identifier: Apache-2.0
// The text encoder of the paper: a transformer over pieces of words, as DPR and its kin have it,
//
//   h = Transformer(<s> t_1 ... t_n </s>);   f(text) = normalise(P pool(h))
//
// P is left out when the vector is as wide as the transformer. Its weights are fresh, or those of a BERT checkpoint.
#pragma once

#include <torch/nn/modules/linear.h>

#include <map>
#include <memory>
#include <string>

#include "tenfold/nn/transformer.h"
#include "tenfold/systems/retrieval/encoder.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::retrieval {

struct TextTransformerOptions {
  nn::TransformerOptions net;
  std::int64_t dimension = 128;
  std::string pooling = "mean";
  std::int64_t length = 128;

  void visit_fields(auto&& field) {
    field("net", net, {});
    field("dimension", dimension, {.help = "of a text's vector", .min = 1, .max = 65536});
    field("pooling", pooling, {.help = "of the last layer", .choices = {"mean", "first"}});
    field("length", length, {.help = "tokens that are read", .min = 3, .max = 1e6});
  }
};

class TransformerTextEncoderImpl final : public EncoderImpl {
 public:
  // Throws Error(kConfig) as nn::TransformerEncoder, and what config::check_all() throws.
  TransformerTextEncoderImpl(const TextTransformerOptions& options, const Vocabulary::Markers& markers);

  // Texts are sorted by length and run in parts, so that little is spent on padding. What a text has beyond `length` is not read.
  torch::Tensor forward(const TokenBatch& texts) override;
  std::int64_t dimension() const override { return options_.dimension; }
  std::shared_ptr<EncoderImpl> make_another() const override;
  std::map<std::string, std::string> metadata() const override;

  nn::TransformerEncoder net{nullptr};

 private:
  torch::Tensor forward_part(const TokenBatch& texts, std::span<const std::int64_t> rows);

  TextTransformerOptions options_;
  Vocabulary::Markers markers_;
  torch::nn::Linear project_{nullptr};  // empty: the vector is as wide as the transformer
};

std::shared_ptr<EncoderImpl> make_transformer(const EncoderOptions& options, const Vocabulary& vocabulary);
// As make_encoder() with a checkpoint.
std::shared_ptr<EncoderImpl> read_bert(const EncoderOptions& options, const Vocabulary& vocabulary);
// As open_encoder(), without the values of the tensors.
std::shared_ptr<EncoderImpl> open_transformer(const std::map<std::string, torch::Tensor>& tensors,
                                              const std::map<std::string, std::string>& metadata,
                                              const Vocabulary& vocabulary);

}  // namespace tenfold::retrieval
