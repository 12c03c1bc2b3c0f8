// SPDX-License-Identifier: Apache-2.0
// Word vectors from a file as the beginning of a bag of words.
#pragma once

#include <cstdint>
#include <string>

#include "tenfold/systems/retrieval/bag_encoder.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::retrieval {

// A file in the text form of GloVe: a word and its numbers a line, separated by spaces. For each token of the vocabulary the vectors of all words
// that become this token, the first ones (more frequent in such files) weighing more; less their mean, of length 1, turned into the
// encoder's width by a random orthonormal map, mixed half and half with the random vector that is there. Tokens without a word keep theirs.
// Returns how many have one. Throws Error(kFile, "file.not_found"), Error(kData): "word_vectors.line" (with its number: not a word and numbers, or
// of another dimension), "word_vectors.width" (vectors longer than the encoder's), "word_vectors.none" (no word of the vocabulary).
std::int64_t start_from_word_vectors(const std::string& path,
                                     const Vocabulary& vocabulary,
                                     std::uint64_t seed,
                                     BagEncoderImpl& encoder);

}  // namespace tenfold::retrieval
