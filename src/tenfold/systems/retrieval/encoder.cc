// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/encoder.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "tenfold/base/strings.h"
#include "tenfold/systems/retrieval/bag_encoder.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"
#include "tenfold/systems/retrieval/transformer_encoder.h"
#include "tenfold/train/activation_checkpoint.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::retrieval {
namespace {

torch::Tensor integers(const std::vector<std::int64_t>& values) {
  torch::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

TokenBatch make_tokens(const TokenLists& lists, std::span<const std::int64_t> rows) {
  std::vector<std::int64_t> tokens, offsets;
  for (const std::int64_t row : rows) {
    const std::span<const std::int64_t> text = lists[static_cast<std::size_t>(row)];
    offsets.push_back(static_cast<std::int64_t>(tokens.size()));
    tokens.insert(tokens.end(), text.begin(), text.end());
  }
  return {integers(tokens), integers(offsets)};
}

TokenBatch make_tokens(const TokenLists& lists) {
  std::vector<std::int64_t> rows(lists.size());
  std::iota(rows.begin(), rows.end(), 0);
  return make_tokens(lists, rows);
}

TokenBatch make_tokens(const torch::Tensor& padded) {
  const auto values = padded.accessor<std::int64_t, 2>();
  std::vector<std::int64_t> tokens, offsets;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    offsets.push_back(static_cast<std::int64_t>(tokens.size()));
    for (std::int64_t j = 0; j < values.size(1) && values[i][j] >= 0; ++j) tokens.push_back(values[i][j]);
  }
  return {integers(tokens), integers(offsets)};
}

torch::Tensor EncoderImpl::encode(const TokenLists& lists) {
  const c10::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  std::vector<std::int64_t> rows;
  for (std::size_t begin = 0; begin < lists.size(); begin += kEncodeBatch) {
    rows.resize(std::min(kEncodeBatch, lists.size() - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::int64_t>(begin));
    parts.push_back(forward(make_tokens(lists, rows)));
  }
  return at::cat(parts);
}

torch::Tensor forward_in_chunks(const Encoder& encoder, const TokenBatch& texts, std::int64_t chunk) {
  const std::shared_ptr<EncoderImpl> held = encoder.ptr();  // used again in the backward pass
  if (chunk == 0 || texts.size() <= chunk) return held->forward(texts);
  const auto forward = [held](const std::vector<torch::Tensor>& inputs) {
    return std::vector<torch::Tensor>{held->forward({inputs[0], inputs[1]})};
  };
  const std::int64_t* offsets = texts.offsets.data_ptr<std::int64_t>();
  std::vector<torch::Tensor> parts;
  for (std::int64_t begin = 0; begin < texts.size(); begin += chunk) {
    const std::int64_t end = std::min(texts.size(), begin + chunk);
    const std::int64_t first = offsets[begin],
                       last = end < texts.size() ? offsets[end] : texts.tokens.size(0);
    parts.push_back(train::checkpoint(
        train::TensorFunction(forward),
        {texts.tokens.slice(0, first, last), texts.offsets.slice(0, begin, end) - first})[0]);
  }
  return at::cat(parts);
}

Encoder make_encoder(const EncoderOptions& options, const Vocabulary& vocabulary) {
  std::shared_ptr<EncoderImpl> encoder;
  if (options.kind == "bag") encoder = std::make_shared<BagEncoderImpl>(options, vocabulary.idf());
  if (options.kind == "transformer") encoder = make_transformer(options, vocabulary);
  if (options.kind == "bert") encoder = read_bert(options, vocabulary);
  check_internal(encoder != nullptr, "an encoder of a kind that is there");
  return Encoder(encoder);
}

Encoder open_encoder(const train::TensorMap& tensors,
                     const std::map<std::string, std::string>& metadata,
                     const Vocabulary& vocabulary) {
  std::shared_ptr<EncoderImpl> made;
  const auto kind = metadata.find("encoder_kind");
  if (kind == metadata.end()) {
    made = open_bag(tensors, vocabulary);
  } else if (kind->second == "transformer") {
    made = open_transformer(tensors, metadata, vocabulary);
  } else {
    throw bad_weights("an encoder of another kind: " + printable(kind->second));
  }
  Encoder encoder(made);
  train::copy_into(*encoder, tensors);
  return encoder;
}

Error bad_weights(std::string seen) {
  return Error(ErrorClass::kFile,
               "retrieval.weights",
               {.what = "weights.safetensors does not hold a retriever",
                .seen = std::move(seen),
                .wanted = "both encoders, the rotation and two sets of codewords that fit together",
                .remedy = "train the model again"});
}

Encoder copy_of(const Encoder& encoder) {
  Encoder copy(encoder->make_another());
  train::copy_into(*copy, train::module_tensors(*encoder));
  return copy;
}

}  // namespace tenfold::retrieval
