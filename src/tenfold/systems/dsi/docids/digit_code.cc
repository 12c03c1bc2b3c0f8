// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/digit_code.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

void fail_bad_docid(std::string what) {
  throw Error(ErrorClass::kData,
              "dsi.bad_docid",
              {.what = std::move(what),
               .wanted = "an identifier of this scheme",
               .remedy = "use the scheme that gave the identifiers"});
}

std::vector<std::uint32_t> DigitCode::level_begins() const {
  std::vector<std::uint32_t> begins;
  for (std::uint32_t level = 0; level < levels; ++level) begins.push_back(1 + level * block);
  return begins;
}

std::vector<std::uint32_t> DigitCode::encode(const Digits& digits) const {
  if (levels != 0 && digits.size() > levels)
    throw Error(ErrorClass::kData,
                "dsi.docids_full",
                {.what = "a document would need a longer identifier than there are levels of tokens",
                 .seen = fmt::format("{} digits", digits.size()),
                 .wanted = fmt::format("at most {}", levels),
                 .remedy = "train again with the new documents"});
  std::vector<std::uint32_t> tokens;
  tokens.reserve(digits.size() + 1);
  for (std::size_t i = 0; i < digits.size(); ++i)
    tokens.push_back(1 + (levels == 0 ? 0 : static_cast<std::uint32_t>(i) * block) + digits[i]);
  tokens.push_back(kEndToken);
  return tokens;
}

Digits DigitCode::decode(std::span<const std::uint32_t> sequence) const {
  Digits digits;
  for (std::size_t i = 0; i < sequence.size() && sequence[i] != kEndToken; ++i) {
    const std::uint64_t first = 1 + (levels == 0 ? 0 : std::uint64_t{i} * block);
    if (sequence[i] < first || sequence[i] >= first + block || sequence[i] >= tokens())
      fail_bad_docid(fmt::format("token {} cannot stand at place {}", sequence[i], i));
    digits.push_back(sequence[i] - static_cast<std::uint32_t>(first));
  }
  return digits;
}

void append_number(std::uint64_t number, std::uint32_t base, Digits& digits) {
  const auto begin = static_cast<std::ptrdiff_t>(digits.size());
  do {
    digits.push_back(static_cast<std::uint32_t>(number % base));
    number /= base;
  } while (number != 0);
  std::reverse(digits.begin() + begin, digits.end());
}

std::uint64_t parse_number(std::span<const std::uint32_t> digits, std::uint32_t base) {
  if (digits.empty()) fail_bad_docid("an identifier lacks its number");
  std::uint64_t number = 0;
  for (const std::uint32_t digit : digits) {
    if (digit >= base) fail_bad_docid(fmt::format("{} is no digit of base {}", digit, base));
    if (number > (std::uint64_t{1} << 63) / base) fail_bad_docid("the number of an identifier is too large");
    number = number * base + digit;
  }
  return number;
}

void Repetitions::note(const Digits& digits, std::uint64_t number) {
  std::uint64_t& next = next_[digits];
  next = std::max(next, number + 1);
}

std::uint64_t Repetitions::next(const Digits& digits) {
  return next_[digits]++;
}

std::string digits_text(std::span<const std::uint32_t> digits) {
  return fmt::format("{}", fmt::join(digits, "-"));
}

}  // namespace tenfold::dsi
