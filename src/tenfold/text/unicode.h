// SPDX-License-Identifier: Apache-2.0
// Characters of UTF-8 text and the classes that tokenizers ask for. Text from outside may hold anything: a byte that belongs to no valid
// character is one "character" of its own, so that no byte is ever lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenfold::text {

// Not a character: a byte that is not part of valid UTF-8.
inline constexpr std::int32_t kInvalidByte = -1;

struct Character {
  std::int32_t code = kInvalidByte;  // code point
  std::size_t bytes = 1;             // in the text
};

// The character that begins at `at`, which must be inside the text.
Character character_at(std::string_view text, std::size_t at);
void append(std::string& text, std::int32_t code);

// kInvalidByte belongs to no class.
bool is_letter(std::int32_t code);  // category L
bool is_number(std::int32_t code);  // category N
bool is_mark(std::int32_t code);    // category Mn: accents that stand on another character
bool is_punctuation(
    std::int32_t code);  // category P, and all ASCII that is printed and no letter, digit or space
bool is_control(std::int32_t code);          // categories Cc, Cf, Co, Cs, Cn
bool is_white_space(std::int32_t code);      // property White_Space
bool is_space_separator(std::int32_t code);  // category Zs
bool is_cjk_ideograph(std::int32_t code);    // unified and compatibility ideographs

std::int32_t to_lower(std::int32_t code);     // simple case mapping
std::string to_lower(std::string_view text);  // the same of every character; invalid bytes stay
// Canonical decomposition (NFD). Invalid bytes are left out.
std::u32string decompose(std::string_view text);

}  // namespace tenfold::text
