// SPDX-License-Identifier: Apache-2.0
// What every encoder of texts is: token numbers to vectors of length 1. bag_encoder.h and transformer_encoder.h are the kinds.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/config/field.h"
#include "tenfold/systems/retrieval/runtime/token_lists.h"

namespace tenfold::retrieval {

class Vocabulary;

struct EncoderOptions {
  std::string kind = "bag";
  std::int64_t width = 256;      // of a token's vector
  std::int64_t hidden = 512;     // units of the network
  std::int64_t dimension = 128;  // d, of a text's vector
  // Of the transformer alone.
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::string norm = "pre";
  std::string pooling = "mean";  // of the last layer: mean of all tokens, or the first one
  std::int64_t length = 128;     // tokens of a text that are read
  std::string checkpoint;        // "bert": a folder with config.json, vocab.txt and model.safetensors

  void visit_fields(auto&& field) {
    field("kind",
          kind,
          {.help = "bag of words, transformer over byte pairs, or BERT from a checkpoint",
           .choices = {"bag", "transformer", "bert"}});
    field("width", width, {.help = "of a token's vector", .min = 1, .max = 65536});
    field("hidden", hidden, {.help = "hidden units", .min = 1, .max = 65536});
    field("dimension",
          dimension,
          {.help = "of a text's vector; with a transformer a linear map makes it of the width, or none when "
                   "they are equal",
           .min = 1,
           .max = 65536});
    field("layers", layers, {.help = "of a transformer", .min = 1, .max = 1000});
    field("heads",
          heads,
          {.help = "of a transformer's attention; they divide the width", .min = 1, .max = 1000});
    field("norm",
          norm,
          {.help = "of a transformer: layer norm before or behind a sublayer", .choices = {"pre", "post"}});
    field("pooling",
          pooling,
          {.help = "of a transformer: mean of the tokens, or the first", .choices = {"mean", "first"}});
    field("length",
          length,
          {.help = "tokens of a text that a transformer reads, its two markers included",
           .min = 3,
           .max = 1e6});
    field(
        "checkpoint",
        checkpoint,
        {.help = "of a BERT: folder with config.json, vocab.txt and model.safetensors; sizes come from there",
         .file = config::FileUse::kRead});
  }
};

// Texts side by side: tokens of text i are tokens[offsets[i]] to tokens[offsets[i + 1] - 1].
struct TokenBatch {
  torch::Tensor tokens;   // [n] int64
  torch::Tensor offsets;  // [texts] int64

  std::int64_t size() const { return offsets.size(0); }
};
TokenBatch make_tokens(const TokenLists& lists, std::span<const std::int64_t> rows);
TokenBatch make_tokens(const TokenLists& lists);
// tokens: [B, L] int64, each row ends at its first -1.
TokenBatch make_tokens(const torch::Tensor& padded);

// Queries and documents share all weights until stage 2 (RepCONC, section 4). Every kind is deterministic, in training too.
class EncoderImpl : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const TokenBatch& texts) = 0;  // [B, d], rows of length 1
  virtual std::int64_t dimension() const = 0;                  // d
  // One more of the same shape, with fresh weights.
  virtual std::shared_ptr<EncoderImpl> make_another() const = 0;
  // What its shape needs beside the shapes of its tensors, as metadata of weights.safetensors.
  virtual std::map<std::string, std::string> metadata() const { return {}; }

  // Without gradients, in parts: [texts, d].
  torch::Tensor encode(const TokenLists& lists);
};
TORCH_MODULE(Encoder);

// Texts that EncoderImpl::encode() gives to forward() at once.
inline constexpr std::size_t kEncodeBatch = 1024;

// With fresh weights from LibTorch's generator, or those of options.checkpoint. Throws Error(kFile) what train::read_tensors(),
// nn::parse_bert_config() and nn::load_bert() throw, "bert.vocabulary" when vocab.txt has more pieces than the checkpoint.
Encoder make_encoder(const EncoderOptions& options, const Vocabulary& vocabulary);

// encoder->forward(texts) in chunks of so many texts; 0: all at once. The backward pass computes each chunk again, so that memory holds the
// activations of one chunk whatever the batch: the gradient of all vectors first, then that of the parameters chunk by chunk (GradCache: Gao
// et al., arXiv 2101.06983, section 3.2). The gradient is that of the whole batch.
torch::Tensor forward_in_chunks(const Encoder& encoder, const TokenBatch& texts, std::int64_t chunk);

// The encoder that these tensors and this metadata are of, with their values. Throws Error(kFile, "retrieval.weights") when they do not fit
// together, and what train::copy_into() throws; memory is only taken for tensors that are there.
Encoder open_encoder(const std::map<std::string, torch::Tensor>& tensors,
                     const std::map<std::string, std::string>& metadata,
                     const Vocabulary& vocabulary);
// The error of weights.safetensors that hold something else.
Error bad_weights(std::string seen);

// A copy with parameters of its own.
Encoder copy_of(const Encoder& encoder);

}  // namespace tenfold::retrieval
