// SPDX-License-Identifier: Apache-2.0
// Queries made from a document's own words, for training without labels. No LibTorch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::retrieval {

using TokenSpan = std::span<const std::int64_t>;

// The words of a text, each a run of tokens. continues_word: as Vocabulary::continues_word().
std::vector<TokenSpan> words_of(TokenSpan text, const std::vector<bool>& continues_word);

// 2 to 8 words of at least one, half of the time in a row, else any in any order. What does not fit `out` is cut off. Returns the tokens
// written.
std::size_t put_pseudo_query(std::vector<TokenSpan> words,
                             random::Generator draws,
                             std::span<std::int64_t> out);
// The same, always in a row.
std::size_t put_span(const std::vector<TokenSpan>& words,
                     random::Generator draws,
                     std::span<std::int64_t> out);

}  // namespace tenfold::retrieval
