// SPDX-License-Identifier: Apache-2.0
// Small text helpers that several layers share.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold {

std::string_view trim(std::string_view text);  // ASCII white space
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string to_lower(std::string_view text);  // ASCII only
bool is_valid_utf8(std::string_view text);

// Whole-string number parsing: no locale, no trailing characters. nullopt when it is not such a number.
std::optional<double> parse_double(std::string_view text);  // accepts 1e15, inf, nan
std::optional<long long> parse_integer(std::string_view text);

// The candidate with the smallest edit distance (Damerau-Levenshtein), if it is near enough to be a typing
// error.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates);

// Safe to print on a terminal and in a log: control characters and invalid UTF-8 escaped, at most `limit`
// bytes and then "..." when cut, never inside a character or an escape.
std::string printable(std::string_view text, std::size_t limit = 120);

std::string shell_quote(std::string_view text);

}  // namespace tenfold
