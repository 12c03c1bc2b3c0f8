// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/sequence_model.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/nn/t5_checkpoint.h"

namespace tenfold::dsi {
namespace {

constexpr double kMasked = 0.15;  // share of the text that span corruption takes out, as T5 has it

nn::T5Options stack_options(const ModelOptions& options, std::int64_t vocabulary) {
  nn::T5Options stack;
  stack.vocabulary = vocabulary;
  stack.width = options.width;
  stack.heads = options.heads;
  stack.head_width = std::max<std::int64_t>(1, options.width / options.heads);
  stack.hidden = options.hidden;
  stack.layers = stack.decoder_layers = options.layers;
  stack.dropout = options.dropout;
  return stack;
}

torch::Tensor target_table(const Docids& docids) {
  std::size_t longest = 1;
  for (const auto& sequence : docids.sequences) longest = std::max(longest, sequence.size());
  const auto count = static_cast<std::int64_t>(docids.sequences.size());
  torch::Tensor table = at::full({count, static_cast<std::int64_t>(longest)}, -1, at::kLong);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& sequence = docids.sequences[static_cast<std::size_t>(i)];
    std::copy(sequence.begin(), sequence.end(), table.data_ptr<std::int64_t>() + i * table.size(1));
  }
  return table;
}

// [B, L] with -1 behind the last token.
torch::Tensor padded_of(const retrieval::TokenBatch& texts) {
  const std::int64_t count = texts.size(), total = texts.tokens.size(0);
  const std::int64_t* offsets = texts.offsets.data_ptr<std::int64_t>();
  const auto end = [&](std::int64_t i) { return i + 1 < count ? offsets[i + 1] : total; };
  std::int64_t longest = 1;
  for (std::int64_t i = 0; i < count; ++i) longest = std::max(longest, end(i) - offsets[i]);
  torch::Tensor padded = at::full({count, longest}, -1, at::kLong);
  for (std::int64_t i = 0; i < count; ++i)
    std::copy_n(texts.tokens.data_ptr<std::int64_t>() + offsets[i],
                end(i) - offsets[i],
                padded.data_ptr<std::int64_t>() + i * longest);
  return padded;
}

// Sum over the tokens of a row of smoothed -log p; targets below 0 do not count. logits: [B, U, T].
torch::Tensor sequence_loss(const torch::Tensor& logits, const torch::Tensor& targets, double smoothing) {
  const torch::Tensor each = at::cross_entropy_loss(
      logits.reshape({-1, logits.size(2)}), targets.reshape({-1}), {}, at::Reduction::None, -1, smoothing);
  return each.reshape(targets.sizes()).sum(1);
}

std::vector<QueryMemory> views_of(const std::vector<torch::Tensor>& memories) {
  std::vector<QueryMemory> views;
  for (const torch::Tensor& rows : memories)
    views.push_back({rows.data_ptr<float>(), rows.size(1), static_cast<std::size_t>(rows.size(0))});
  return views;
}

search::Hits hits_of(const std::vector<FoundDocid>& found) {
  search::Hits hits;
  for (const FoundDocid& one : found) hits.push_back({one.document, one.score});
  return hits;
}

// A folder of its own, removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenfold-dsi-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw Error(ErrorClass::kFile,
                  "file.temporary",
                  {.what = "cannot make a temporary folder",
                   .seen = pattern,
                   .remedy = "set TMPDIR to a folder with room"});
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

// The runtime reads files: one of these tensors, gone from its folder when it has been read.
DocidDecoder decoder_of(const train::TensorMap& tensors) {
  const TemporaryFolder folder;
  const Path path = folder.path() / "weights.safetensors";
  std::vector<torch::Tensor> copies;
  io::write_safetensors(real_file_system(), path, train::tensor_views(tensors, copies));
  return DocidDecoder::open(io::SafetensorsReader::open(path), {});
}

}  // namespace

SequenceModelImpl::SequenceModelImpl(Docids docids,
                                     std::int64_t vocabulary,
                                     retrieval::Encoder encoder,
                                     const ModelOptions& options)
    : docids_(std::move(docids)), options_(options) {
  const nn::T5Options stack = stack_options(options_, vocabulary);
  if (encoder.is_empty()) {
    shared_ = register_module("shared", torch::nn::Embedding(vocabulary, stack.width));
    encoder_ = register_module("encoder", nn::T5Stack(stack, /*decoder=*/false));
  } else {
    if (encoder->dimension() != options_.slots * options_.width) {
      throw Error(ErrorClass::kConfig,
                  "dsi.slots",
                  {.what = "the vector of the bag of words cannot be cut into slots",
                   .seen = fmt::format("dimension {}", encoder->dimension()),
                   .wanted = fmt::format("{} slots of width {}", options_.slots, options_.width),
                   .remedy = "set --model.encoder.dimension to slots x width"});
    }
    bag_ = register_module("bag", std::move(encoder));
  }
  decoder_ = register_module("decoder", nn::T5Stack(stack, /*decoder=*/true));
  targets_ = target_table(docids_);
  const auto tokens = static_cast<std::int64_t>(docids_.tokens);
  embedding_ = register_parameter("docid_embedding", at::randn({tokens + 1, stack.width}));
  position_ = register_parameter("docid_position", at::randn({targets_.size(1), stack.width}) * 0.1);
  head_ = register_parameter("docid_head",
                             at::randn({tokens, stack.width}) / std::sqrt(static_cast<double>(stack.width)));
}

SequenceModelImpl::Memory SequenceModelImpl::encode_embeddings(const torch::Tensor& embeddings,
                                                               const torch::Tensor& mask) {
  return {encoder_->forward(embeddings, mask), mask};
}

SequenceModelImpl::Memory SequenceModelImpl::encode(const retrieval::TokenBatch& texts) {
  if (!bag_.is_empty()) {
    const torch::Tensor y =
        bag_->forward(texts) * std::sqrt(static_cast<double>(options_.slots * options_.width));
    return {y.reshape({texts.size(), options_.slots, options_.width}), {}};
  }
  const torch::Tensor padded = padded_of(texts);
  return encode_embeddings(shared_->forward(padded.clamp_min(0)), padded.ge(0));
}

torch::Tensor SequenceModelImpl::embed_identifiers(const torch::Tensor& documents) const {
  return at::embedding(embedding_, targets_.index_select(0, documents).clamp_min(0)) + position_;
}

namespace {
// The start token's row and all targets but the last.
torch::Tensor inputs_of(const torch::Tensor& targets, std::int64_t start) {
  const torch::Tensor first = at::full({targets.size(0), 1}, start, at::kLong);
  return at::cat({first, targets.slice(1, 0, targets.size(1) - 1).clamp_min(0)}, 1);
}
}  // namespace

torch::Tensor SequenceModelImpl::token_log_probabilities(const Memory& memory,
                                                         const torch::Tensor& documents) {
  const torch::Tensor targets = targets_.index_select(0, documents);
  const torch::Tensor inputs = inputs_of(targets, embedding_.size(0) - 1);
  const torch::Tensor decoded =
      decoder_->forward(at::embedding(embedding_, inputs) + position_, {}, memory.values, memory.mask);
  const torch::Tensor log_p = at::log_softmax(at::matmul(decoded, head_.t()), -1);
  const torch::Tensor chosen = log_p.gather(2, targets.clamp_min(0).unsqueeze(2)).squeeze(2);
  return at::where(targets.ge(0), chosen, at::zeros_like(chosen));
}

torch::Tensor SequenceModelImpl::identifier_loss(const retrieval::TokenBatch& texts,
                                                 const torch::Tensor& documents) {
  const torch::Tensor targets = targets_.index_select(0, documents);
  const torch::Tensor inputs = inputs_of(targets, embedding_.size(0) - 1);
  const auto logits = [&] {
    const Memory memory = encode(texts);
    const torch::Tensor decoded =
        decoder_->forward(at::embedding(embedding_, inputs) + position_, {}, memory.values, memory.mask);
    return at::matmul(decoded, head_.t());
  };
  const torch::Tensor first = logits();
  torch::Tensor loss = sequence_loss(first, targets, options_.label_smoothing);
  if (options_.consistency == 0.0 || !is_training()) return loss;
  // R-drop (Liang et al., arXiv 2106.14448): both directions of the divergence between two passes with dropout.
  const torch::Tensor second = logits();
  const torch::Tensor a = at::log_softmax(first, -1), b = at::log_softmax(second, -1);
  const torch::Tensor both = ((a.exp() - b.exp()) * (a - b)).sum(-1) * 0.5;
  const torch::Tensor counted = at::where(targets.ge(0), both, at::zeros_like(both)).sum(1);
  loss = 0.5 * (loss + sequence_loss(second, targets, options_.label_smoothing));
  return loss + options_.consistency * counted;
}

torch::Tensor SequenceModelImpl::decode_text(const Memory& memory, const torch::Tensor& targets) {
  // Text begins with the embedding of the docid start token too.
  const torch::Tensor start =
      embedding_.slice(0, embedding_.size(0) - 1).unsqueeze(0).expand({targets.size(0), 1, -1});
  const torch::Tensor before = shared_->forward(targets.slice(1, 0, targets.size(1) - 1).clamp_min(0));
  const torch::Tensor decoded =
      decoder_->forward(at::cat({start, before}, 1), {}, memory.values, memory.mask);
  // A tied head, scaled as T5 1.0 has it.
  return at::matmul(decoded / std::sqrt(static_cast<double>(options_.width)), shared_->weight.t());
}

torch::Tensor SequenceModelImpl::text_loss(const retrieval::TokenBatch& texts,
                                           const torch::Tensor& documents) {
  const torch::Tensor source = targets_.index_select(0, documents);
  const Memory memory = encode_embeddings(embed_identifiers(documents), source.ge(0));
  const torch::Tensor targets = padded_of(texts);
  return sequence_loss(decode_text(memory, targets), targets, options_.label_smoothing);
}

torch::Tensor SequenceModelImpl::span_loss(const retrieval::TokenBatch& texts,
                                           const torch::Tensor& documents) {
  const torch::Tensor padded = padded_of(texts), source = targets_.index_select(0, documents);
  const torch::Tensor hidden = at::rand(padded.sizes()).lt(kMasked).logical_and(padded.ge(0));
  // What is taken out becomes the start token's embedding; the identifier stands before the text.
  const torch::Tensor gap = embedding_.slice(0, embedding_.size(0) - 1).unsqueeze(0);
  const torch::Tensor text = at::where(hidden.unsqueeze(2), gap, shared_->forward(padded.clamp_min(0)));
  const Memory memory = encode_embeddings(at::cat({embed_identifiers(documents), text}, 1),
                                          at::cat({source.ge(0), padded.ge(0)}, 1));
  const torch::Tensor targets = at::where(hidden, padded, at::full_like(padded, -1));
  return sequence_loss(decode_text(memory, padded), targets, options_.label_smoothing);
}

torch::Tensor SequenceModelImpl::loss(const retrieval::TokenBatch& texts,
                                      const torch::Tensor& documents,
                                      const torch::Tensor& indexing) {
  searcher_.reset();
  const bool only_identifiers = options_.strategy == "inputs2targets" || shared_.is_empty();
  if (only_identifiers) return identifier_loss(texts, documents);
  const torch::Tensor to_identifier = identifier_loss(texts, documents);
  const torch::Tensor other =
      options_.strategy == "span" ? span_loss(texts, documents) : text_loss(texts, documents);
  const torch::Tensor both = options_.strategy == "bidirectional" ? 0.5 * (to_identifier + other) : other;
  return at::where(indexing, both, to_identifier);
}

std::vector<torch::Tensor> SequenceModelImpl::memories(const retrieval::TokenLists& texts) {
  const c10::NoGradGuard no_grad;
  const bool was_training = is_training();
  eval();
  std::vector<torch::Tensor> result;
  for (std::size_t begin = 0; begin < texts.size(); begin += retrieval::kEncodeBatch) {
    std::vector<std::int64_t> part;
    for (std::size_t i = begin; i < std::min(texts.size(), begin + retrieval::kEncodeBatch); ++i)
      part.push_back(static_cast<std::int64_t>(i));
    const Memory memory = encode(retrieval::make_tokens(texts, part));
    for (std::int64_t i = 0; i < memory.values.size(0); ++i) {
      torch::Tensor rows = memory.values[i];
      if (memory.mask.defined()) {
        // A text without tokens keeps one row.
        const std::int64_t count = std::max<std::int64_t>(1, memory.mask[i].sum().item<std::int64_t>());
        rows = rows.slice(0, 0, count);
      }
      result.push_back(rows.contiguous());
    }
  }
  train(was_training);
  return result;
}

train::TensorMap SequenceModelImpl::runtime_tensors() const {
  train::TensorMap tensors;
  const auto put = [&](const std::string& name, const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters())
      tensors[nn::t5_name(name + "." + item.key())] = item.value().detach();
  };
  put("decoder", *decoder_);
  if (!shared_.is_empty()) {
    put("encoder", *encoder_);
    tensors["shared.weight"] = shared_->weight.detach();
  }
  tensors["docid.embedding.weight"] = embedding_.detach();
  tensors["docid.position.weight"] = position_.detach();
  tensors["docid.head.weight"] = head_.detach();
  return tensors;
}

const DocidSearcher& SequenceModelImpl::searcher() {
  // Writes that LibTorch knows of raise a version; those of training begin with loss().
  std::uint64_t version = 0;
  for (const torch::Tensor& parameter : parameters())
    version += static_cast<std::uint64_t>(parameter._version());
  if (!searcher_ || searcher_version_ != version) {
    searcher_ = std::make_unique<DocidSearcher>(
        std::nullopt, decoder_of(runtime_tensors()), DocidTrie::build(docids_.packed()));
    searcher_version_ = version;
  }
  return *searcher_;
}

std::vector<search::Hits> SequenceModelImpl::rank(const retrieval::TokenLists& texts,
                                                  const RankOptions& options) {
  const std::vector<torch::Tensor> memory = memories(texts);
  const std::vector<QueryMemory> queries = views_of(memory);
  const auto k = static_cast<std::int64_t>(options.k);
  std::vector<search::Hits> result;
  if (options.exact) {
    for (const QueryMemory& query : queries)
      result.push_back(hits_of(searcher().search_exactly(query, {.k = k}, options.allowed).found));
    return result;
  }
  for (const BeamResult& one : searcher().search(queries, {.beams = options.beams, .k = k}, options.allowed))
    result.push_back(hits_of(one.found));
  return result;
}

std::vector<BeamTreeNode> SequenceModelImpl::tree(const retrieval::TokenLists& texts,
                                                  const RankOptions& options) {
  const std::vector<torch::Tensor> memory = memories(texts);
  const std::vector<QueryMemory> queries = views_of(memory);
  return searcher()
      .search(std::span(queries).first(1),
              {.beams = options.beams, .k = static_cast<std::int64_t>(options.k), .record = true},
              options.allowed)
      .front()
      .tree;
}

}  // namespace tenfold::dsi
