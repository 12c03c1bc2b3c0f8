// SPDX-License-Identifier: Apache-2.0
#include "tenfold/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace tenfold::text {
namespace {

struct Range {
  std::int32_t first, last;
};

// CJK Unified Ideographs with extensions A to E, and the compatibility ideographs: what BERT's tokenizer sets apart.
constexpr std::array<Range, 8> kIdeographs = {{{0x4E00, 0x9FFF},
                                               {0x3400, 0x4DBF},
                                               {0x20000, 0x2A6DF},
                                               {0x2A700, 0x2B73F},
                                               {0x2B740, 0x2B81F},
                                               {0x2B820, 0x2CEAF},
                                               {0xF900, 0xFAFF},
                                               {0x2F800, 0x2FA1F}}};

utf8proc_category_t category(std::int32_t code) {
  return code < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(code);
}

bool category_is_in(std::int32_t code, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t own = category(code);
  return code >= 0 && own >= first && own <= last;
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {first, 1};
  utf8proc_int32_t code = kInvalidByte;
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                       static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size() - at, 4)),
                       &code);
  if (bytes <= 0) return {};
  return {code, static_cast<std::size_t>(bytes)};
}

void append(std::string& text, std::int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t count = utf8proc_encode_char(code, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count));
}

bool is_letter(std::int32_t code) {
  return category_is_in(code, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool is_number(std::int32_t code) {
  return category_is_in(code, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_mark(std::int32_t code) {
  return code >= 0 && category(code) == UTF8PROC_CATEGORY_MN;
}

bool is_punctuation(std::int32_t code) {
  const bool ascii = (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
                     (code >= 123 && code <= 126);
  return ascii || category_is_in(code, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_control(std::int32_t code) {
  return code >= 0 && (category(code) == UTF8PROC_CATEGORY_CN ||
                       category_is_in(code, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO));
}

bool is_white_space(std::int32_t code) {
  return (code >= 0x9 && code <= 0xD) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

bool is_space_separator(std::int32_t code) {
  return code >= 0 && category(code) == UTF8PROC_CATEGORY_ZS;
}

bool is_cjk_ideograph(std::int32_t code) {
  return std::any_of(kIdeographs.begin(), kIdeographs.end(), [code](const Range& range) {
    return code >= range.first && code <= range.last;
  });
}

std::int32_t to_lower(std::int32_t code) {
  return code < 0 ? code : utf8proc_tolower(code);
}

std::string to_lower(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.code < 0) {
      result.push_back(text[at]);
    } else {
      append(result, to_lower(character.code));
    }
    at += character.bytes;
  }
  return result;
}

std::u32string decompose(std::string_view text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    at += character.bytes;
    if (character.code < 0) continue;
    std::array<utf8proc_int32_t, 32> parts{};  // no character decomposes into more than 18
    int last_boundclass = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(character.code,
                                                           parts.data(),
                                                           static_cast<utf8proc_ssize_t>(parts.size()),
                                                           UTF8PROC_DECOMPOSE,
                                                           &last_boundclass);
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      result.push_back(static_cast<char32_t>(parts[static_cast<std::size_t>(i)]));
  }
  return result;
}

}  // namespace tenfold::text
