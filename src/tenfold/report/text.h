// SPDX-License-Identifier: Apache-2.0
// Text as the report needs it: Unicode code points, cells on a terminal, pixels in a picture, escaping for
// HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenfold::report {

// UTF-8 to code points; every ill-formed byte becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view code_points);

// One printable line: control characters and line breaks become a space, ill-formed bytes and code points
// that XML forbids become U+FFFD, characters that change the writing direction are dropped.
std::string one_line(std::string_view text);

// Cells on a terminal: 0 for combining marks and zero-width characters, 2 for East Asian wide characters.
int cell_width(char32_t code_point);
int display_width(std::string_view text);
std::string cut_to_display_width(std::string_view text,
                                 int width);  // ends with an ellipsis when cut; width >= 1

// Width in pixels of `text` in DejaVu Sans at `font_size` pixels (advance widths of the font; an estimate for
// characters beyond ASCII).
double pixel_width(std::string_view text, double font_size);
std::string cut_to_pixel_width(std::string_view text, double font_size, double width);

// Breaks at spaces into at most `max_lines` lines of `width` pixels; what still does not fit is cut.
std::vector<std::string> wrap_to_pixel_width(std::string_view text,
                                             double font_size,
                                             double width,
                                             int max_lines);

// For element content and quoted attributes: & < > " ' escaped; characters that HTML forbids become U+FFFD.
std::string escape_html(std::string_view text);

// "10" with a raised exponent in Unicode superscripts: power_of_ten(-3) is "10⁻³".
std::string power_of_ten(int exponent);

}  // namespace tenfold::report
