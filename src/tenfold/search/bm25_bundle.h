// SPDX-License-Identifier: Apache-2.0
// A BM25 index as the member words.safetensors of a bundle (io/bundle.h), so that opening it reads no text again.
#pragma once

#include "tenfold/io/bundle.h"
#include "tenfold/search/bm25.h"

namespace tenfold::search {

// Throws what BundleWriter::add() throws.
void add_words_member(io::BundleWriter& bundle, const Bm25Index& index);

// Searches and goes on growing as the index that was stored. Throws Error(kFile): the codes of BundleReader and SafetensorsReader,
// "words.field" (metadata missing or of another kind), "words.shape" (tensors that do not fit together); Error(kData) as the constructor of
// Bm25Index from its parts.
Bm25Index open_words_member(const io::BundleReader& bundle);
// The same from what the member holds.
Bm25Index read_words(const io::SafetensorsReader& tensors);

}  // namespace tenfold::search
