// SPDX-License-Identifier: Apache-2.0
// Unicode handling of the report: decoding, width tables and escaping.
#include "tenfold/report/text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::report {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Range {
  char32_t first, last;
};

// Non-spacing and enclosing marks and zero-width characters of the scripts a name may be written in.
constexpr std::array kZeroWidth = {
    Range{0x0300, 0x036F},   Range{0x0483, 0x0489}, Range{0x0591, 0x05BD}, Range{0x05BF, 0x05BF},
    Range{0x05C1, 0x05C2},   Range{0x05C4, 0x05C5}, Range{0x0610, 0x061A}, Range{0x064B, 0x065F},
    Range{0x0670, 0x0670},   Range{0x06D6, 0x06DC}, Range{0x06DF, 0x06E4}, Range{0x0900, 0x0902},
    Range{0x093C, 0x093C},   Range{0x0941, 0x0948}, Range{0x094D, 0x094D}, Range{0x0E31, 0x0E31},
    Range{0x0E34, 0x0E3A},   Range{0x0E47, 0x0E4E}, Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF},
    Range{0x200B, 0x200F},   Range{0x2060, 0x2064}, Range{0x20D0, 0x20F0}, Range{0x3099, 0x309A},
    Range{0xFE00, 0xFE0F},   Range{0xFE20, 0xFE2F}, Range{0xFEFF, 0xFEFF}, Range{0x1F3FB, 0x1F3FF},
    Range{0xE0100, 0xE01EF},
};

// East Asian Width W and F (Unicode Standard Annex 11), neighbouring blocks merged.
constexpr std::array kDoubleWidth = {
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x2329, 0x232A},   Range{0x23E9, 0x23EC},
    Range{0x25FD, 0x25FE},   Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26A1, 0x26A1},
    Range{0x2705, 0x2705},   Range{0x2728, 0x2728},   Range{0x274C, 0x274C},   Range{0x2795, 0x2797},
    Range{0x2B1B, 0x2B1C},   Range{0x2B50, 0x2B50},   Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},
    Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},   Range{0xA000, 0xA4CF},   Range{0xA960, 0xA97F},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},
    Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F}, Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF},
    Range{0x20000, 0x3FFFD},
};

bool contains(std::span<const Range> ranges, char32_t code_point) {
  auto after =
      std::upper_bound(ranges.begin(), ranges.end(), code_point, [](char32_t value, const Range& range) {
        return value < range.first;
      });
  return after != ranges.begin() && code_point <= std::prev(after)->last;
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0u) == 0x80u;
}

// Length of the sequence that `lead` opens; 0 when no sequence begins with it.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

bool is_scalar_value(char32_t code_point, std::size_t length) {
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};  // shorter forms are overlong
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  return code_point >= kSmallest[length] && code_point <= 0x10FFFF && !surrogate;
}

// Explicit directional marks, embeddings and isolates: they would let one cell rearrange its neighbours.
bool changes_direction(char32_t code_point) {
  return code_point == 0x061C || code_point == 0x200E || code_point == 0x200F ||
         (code_point >= 0x202A && code_point <= 0x202E) || (code_point >= 0x2066 && code_point <= 0x2069);
}

bool is_control(char32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) || code_point == 0x2028 ||
         code_point == 0x2029;
}

bool is_noncharacter(char32_t code_point) {
  return (code_point & 0xFFFEu) == 0xFFFEu || (code_point >= 0xFDD0 && code_point <= 0xFDEF);
}

// Advance widths of U+0020..U+007E in DejaVu Sans, thousandths of the font size.
constexpr std::array<std::uint16_t, 95> kAdvance = {
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361,  318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635,  611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352,  635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,  525, 636, 337, 636, 838};

bool is_superscript_digit(char32_t c) {
  return c == 0xB9 || c == 0xB2 || c == 0xB3 || (c >= 0x2070 && c <= 0x2079);
}

double advance(char32_t code_point) {
  if (code_point >= 0x20 && code_point <= 0x7E) return kAdvance[code_point - 0x20] / 1000.0;
  if (is_superscript_digit(code_point)) return 0.401;
  if (cell_width(code_point) == 0) return 0.0;
  if (cell_width(code_point) == 2) return 1.0;
  return code_point < 0x500 ? 0.66 : 0.85;  // letters with marks, Greek, Cyrillic; symbols are wider
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = sequence_length(lead);
    char32_t code_point = length <= 1 ? lead : lead & (0x7Fu >> length);
    bool good = length != 0 && at + length <= text.size();
    for (std::size_t i = 1; good && i < length; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      good = is_continuation(byte);
      code_point = (code_point << 6) | (byte & 0x3Fu);
    }
    good = good && is_scalar_value(code_point, length);
    result.push_back(good ? code_point : kReplacement);
    at += good ? length : 1;
  }
  return result;
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string result;
  result.reserve(code_points.size());
  const auto put = [&result](char32_t value) { result.push_back(static_cast<char>(value)); };
  for (char32_t c : code_points) {
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | (c >> 6));
      put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      put(0xE0 | (c >> 12));
      put(0x80 | ((c >> 6) & 0x3F));
      put(0x80 | (c & 0x3F));
    } else {
      put(0xF0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3F));
      put(0x80 | ((c >> 6) & 0x3F));
      put(0x80 | (c & 0x3F));
    }
  }
  return result;
}

std::string one_line(std::string_view text) {
  std::u32string result;
  for (char32_t c : decode_utf8(text)) {
    if (changes_direction(c)) continue;
    if (is_control(c)) {
      result.push_back(U' ');
    } else {
      result.push_back(is_noncharacter(c) ? kReplacement : c);
    }
  }
  return encode_utf8(result);
}

int cell_width(char32_t code_point) {
  if (contains(kZeroWidth, code_point)) return 0;
  return contains(kDoubleWidth, code_point) ? 2 : 1;
}

int display_width(std::string_view text) {
  int width = 0;
  for (char32_t c : decode_utf8(text)) width += cell_width(c);
  return width;
}

std::string cut_to_display_width(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  std::u32string kept;
  int used = 1;  // the ellipsis
  for (char32_t c : decode_utf8(text)) {
    used += cell_width(c);
    if (used > width) break;
    kept.push_back(c);
  }
  kept.push_back(U'\u2026');
  return encode_utf8(kept);
}

double pixel_width(std::string_view text, double font_size) {
  double width = 0.0;
  for (char32_t c : decode_utf8(text)) width += advance(c);
  return width * font_size;
}

std::string cut_to_pixel_width(std::string_view text, double font_size, double width) {
  if (pixel_width(text, font_size) <= width) return std::string(text);
  std::u32string kept;
  double used = font_size;  // the ellipsis is one em wide
  for (char32_t c : decode_utf8(text)) {
    used += advance(c) * font_size;
    if (used > width) break;
    kept.push_back(c);
  }
  kept.push_back(U'\u2026');
  return encode_utf8(kept);
}

std::vector<std::string> wrap_to_pixel_width(std::string_view text,
                                             double font_size,
                                             double width,
                                             int max_lines) {
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    const bool last = static_cast<int>(lines.size()) + 1 >= max_lines;
    std::size_t end = rest.size();
    while (!last && end != std::string_view::npos && pixel_width(rest.substr(0, end), font_size) > width) {
      end = end == 0 ? std::string_view::npos : rest.rfind(' ', end - 1);
    }
    if (end == std::string_view::npos || end == 0) end = std::min(rest.find(' ', 1), rest.size());
    lines.push_back(cut_to_pixel_width(rest.substr(0, end), font_size, width));
    rest = rest.substr(end);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
  }
  return lines;
}

std::string escape_html(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (char32_t c : decode_utf8(text)) {
    switch (c) {
      case U'&':
        result += "&amp;";
        break;
      case U'<':
        result += "&lt;";
        break;
      case U'>':
        result += "&gt;";
        break;
      case U'"':
        result += "&quot;";
        break;
      case U'\'':
        result += "&#39;";
        break;
      default: {
        const bool layout = c == U'\n' || c == U'\t';
        if (changes_direction(c)) break;
        const char32_t kept = (is_control(c) && !layout) || is_noncharacter(c) ? kReplacement : c;
        result += encode_utf8(std::u32string_view(&kept, 1));
      }
    }
  }
  return result;
}

std::string power_of_ten(int exponent) {
  static constexpr std::u32string_view kDigits =
      U"\u2070\u00B9\u00B2\u00B3\u2074\u2075\u2076\u2077\u2078\u2079";
  std::u32string result = U"10";
  for (char digit : std::to_string(exponent)) {
    result.push_back(digit == '-' ? U'\u207B' : kDigits[static_cast<std::size_t>(digit - '0')]);
  }
  return encode_utf8(result);
}

}  // namespace tenfold::report
