// SPDX-License-Identifier: Apache-2.0
// A trained retriever: text to vector to code, and back to a score. What `train` leaves, and what an index carries with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenfold/io/bundle.h"
#include "tenfold/search/product_quantizer.h"
#include "tenfold/systems/retrieval/encoder.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"
#include "tenfold/train/tensor_file.h"

namespace tenfold::repconc {

struct Retriever {
  std::shared_ptr<const retrieval::Vocabulary> vocabulary;
  retrieval::Encoder documents{nullptr};  // f of stage 1
  retrieval::Encoder queries{nullptr};    // f of stage 2; equal to the other without it
  search::ProductQuantizer assigning;     // stage 1: codes of documents are its nearest codewords
  search::ProductQuantizer scoring;       // stage 2: the same rotation, other codewords
  retrieval::Encoder dense{nullptr};      // before codewords were trained, for comparison; null in an index
  bool unit_blocks = false;               // queries are scaled block by block (codebook.h)

  // Vectors before the rotation, [texts, d]. Those of queries are scaled so that the search needs to know nothing of unit blocks.
  std::vector<float> encode_documents(const std::vector<std::string>& texts) const;
  // Throws Error(kData, "retrieval.empty_query") for a text without any letter or digit, "retrieval.unknown_words" when no word is known.
  std::vector<float> encode_query(const std::string& text) const;
  std::vector<float> encode_queries(const std::vector<std::string>& texts) const;  // without these checks
  // Packed codes of vectors: [texts, code_bytes].
  std::vector<std::uint8_t> codes(const std::vector<float>& vectors) const;

 private:
  std::vector<float> scaled(std::vector<float> vectors) const;
};

// Members vocabulary.json and weights.safetensors.
void add_retriever_members(io::BundleWriter& bundle, const Retriever& retriever);
// Throws Error(kData, "repconc.vectors") for a bundle of vectors; Error(kFile): what the readers throw, "repconc.weights" when tensors are
// missing or do not fit together.
Retriever open_retriever(const io::BundleReader& bundle);

// The bundle `path`, or `path`/`name` of a run folder, when it belongs to this system. Throws Error(kFile, "repconc.no_model") or
// Error(kFile, "repconc.no_index") with the command that makes one; Error(kData, "run.other_system").
io::BundleReader open_part(const std::string& path, const std::string& name);

}  // namespace tenfold::repconc
