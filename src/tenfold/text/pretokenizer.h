// SPDX-License-Identifier: Apache-2.0
// Text in pieces that a byte-pair tokenizer never joins: the rule of GPT-2 (Radford et al. 2019, "Language models are unsupervised
// multitask learners", code release),
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#pragma once

#include <string_view>
#include <vector>

namespace tenfold::text {

// The pieces in order; together they are the text. A byte that is not valid UTF-8 counts as a character of the last class but spaces.
std::vector<std::string_view> pretokenize(std::string_view text);

}  // namespace tenfold::text
