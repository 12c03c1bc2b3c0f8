// SPDX-License-Identifier: Apache-2.0
// When two names mean the same system: tables spell them differently ("GPT-3 175B", "GPT-3 175B (davinci)").
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenfold::compute_trends {

// Lower case, letters and digits only; bytes of other alphabets stay. Equal for "Wave2Vec 2.0" and "wave2vec-2.0".
std::string squeezed_name(std::string_view name);

// Runs of letters and digits in lower case: "T5-11B (v1)" -> "t5", "11b", "v1".
std::vector<std::string> name_words(std::string_view name);

// The name up to its first bracket, squeezed; the whole name when nothing stands before it.
std::string name_base(std::string_view name);

enum class Likeness {
  kNone,
  kFigures,   // names unlike; found by equal date and compute (compare.h)
  kWords,     // all words of three letters or more of one name stand in the other: "LSUN Bedroom model"
  kPrefix,    // the words of one begin the other, or they are equal up to the bracket
  kSpelling,  // at most two letters differ (one in short names), digits agree: "wave2vec 2.0", "wav2vec 2.0"
  kSame,      // equal when squeezed
};
std::string_view to_string(
    Likeness likeness);  // "same name", "spelling", "prefix", "words", "figures", "none"

// The strongest likeness of the names alone (never kFigures).
Likeness name_likeness(std::string_view a, std::string_view b);

}  // namespace tenfold::compute_trends
