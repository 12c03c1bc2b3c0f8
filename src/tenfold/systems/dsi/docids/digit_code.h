// SPDX-License-Identifier: Apache-2.0
// Identifiers as digits: how digits become tokens, and numbers that make identifiers unique.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace tenfold::dsi {

using Digits = std::vector<std::uint32_t>;

// Error(kData, "dsi.bad_docid").
[[noreturn]] void fail_bad_docid(std::string what);

// Token 0 ends an identifier. By level, digit d at place i is token 1 + i x block + d, of at most `levels` places; else 1 + d at every place.
struct DigitCode {
  std::uint32_t block = 10;  // digits are below
  std::uint32_t levels = 0;  // 0: not by level

  std::uint32_t tokens() const { return 1 + block * (levels == 0 ? 1 : levels); }
  std::vector<std::uint32_t> level_begins() const;
  // With the end token. Throws Error(kData, "dsi.docids_full") when there are more digits than levels.
  std::vector<std::uint32_t> encode(const Digits& digits) const;
  // Up to the end token, or all of a prefix. Throws Error(kData, "dsi.bad_docid").
  Digits decode(std::span<const std::uint32_t> sequence) const;
};

// The number in digits of a base from 2 on, the highest first, without zeros before it.
void append_number(std::uint64_t number, std::uint32_t base, Digits& digits);
// Throws Error(kData, "dsi.bad_docid") for a digit that is not of the base, no digit, or a number above 2^63.
std::uint64_t parse_number(std::span<const std::uint32_t> digits, std::uint32_t base);

// Counts who has the same digits. The first keeps them as they are (unless there are none), the next ones get 1, 2, ... behind.
class Repetitions {
 public:
  // Someone has these digits and this number; 0 for none.
  void note(const Digits& digits, std::uint64_t number);
  // The number of the next one, which is noted.
  std::uint64_t next(const Digits& digits);

 private:
  std::map<Digits, std::uint64_t> next_;
};

std::string digits_text(std::span<const std::uint32_t> digits);  // "3-1-4"

}  // namespace tenfold::dsi
