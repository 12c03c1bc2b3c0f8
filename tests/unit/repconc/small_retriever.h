// SPDX-License-Identifier: Apache-2.0
// The made-up collection and a retriever with untrained weights for it.
#pragma once

#include <memory>

#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/retriever.h"
#include "tenfold/systems/retrieval/demo_corpus.h"
#include "tenfold/systems/training/verbs.h"

namespace tenfold::repconc {

inline const search::BeirCorpus& documents() {
  static const search::BeirCorpus made = retrieval::make_demo_corpus().corpus;
  return made;
}

// Untrained weights; two sets of codewords.
inline Retriever retriever() {
  training::seed_initial_weights(3);
  const retrieval::EncoderOptions options{.width = 16, .hidden = 16, .dimension = 8};
  const auto vocabulary =
      std::make_shared<const retrieval::WordVocabulary>(documents().texts, retrieval::VocabularyOptions{});
  const retrieval::Encoder encoder = retrieval::make_encoder(options, *vocabulary),
                           queries = retrieval::make_encoder(options, *vocabulary);
  retrieval::Encoder model = encoder;
  const torch::Tensor x = model->encode((*vocabulary)(documents().texts));
  const search::Vectors rows(x.data_ptr<float>(), documents().ids.size(), 8);
  const search::ProductQuantizer first = search::train_product_quantizer(
      rows, {.method = "opq", .bytes = 2, .kmeans_iterations = 3, .rotations = 2});
  search::ProductQuantizerParts parts = first.parts();
  for (float& value : parts.centroids) value *= 1.25f;
  return {.vocabulary = vocabulary,
          .documents = encoder,
          .queries = queries,
          .assigning = first,
          .scoring = search::ProductQuantizer(parts)};
}

inline void write_small(const Path& target, const Retriever& made, const std::vector<float>& vectors) {
  write_index(real_file_system(),
              target,
              {.retriever = made, .corpus = documents(), .codes = build_codes(made, vectors, 0)});
}

}  // namespace tenfold::repconc
