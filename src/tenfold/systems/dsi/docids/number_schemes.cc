// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/number_schemes.h"

#include <fmt/format.h>

#include <algorithm>

#include "tenfold/base/random.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kNumberStream = 0x646f6369;
constexpr std::uint32_t kTen = 10;

std::vector<std::vector<std::uint32_t>> rows_from(std::size_t first, std::size_t count) {
  std::vector<std::vector<std::uint32_t>> sequences;
  sequences.reserve(count);
  for (std::size_t i = 0; i < count; ++i) sequences.push_back({static_cast<std::uint32_t>(first + i)});
  return sequences;
}

}  // namespace

std::string AtomicScheme::text(std::span<const std::uint32_t> sequence) const {
  if (sequence.empty()) return "";
  if (sequence.size() > 1) fail_bad_docid(fmt::format("an identifier has {} tokens", sequence.size()));
  return std::to_string(sequence[0]);
}

std::vector<std::vector<std::uint32_t>> AtomicScheme::fit(const DocidDocuments& documents) {
  return rows_from(0, documents.count);
}

std::vector<std::vector<std::uint32_t>> AtomicScheme::extend(const DocidDocuments& documents,
                                                             const Docids& docids) const {
  return rows_from(docids.sequences.size(), documents.count);
}

std::string NaiveScheme::text(std::span<const std::uint32_t> sequence) const {
  return digits_text(code_.decode(sequence));
}

std::vector<std::vector<std::uint32_t>> NaiveScheme::numbers(std::uint64_t first, std::size_t count) const {
  std::vector<std::uint32_t> order(count);
  random::permutation(seed(), kNumberStream + first, order);
  std::vector<std::vector<std::uint32_t>> sequences;
  sequences.reserve(count);
  for (const std::uint32_t number : order) {
    Digits digits;
    append_number(first + number, kTen, digits);
    sequences.push_back(code_.encode(digits));
  }
  return sequences;
}

std::vector<std::vector<std::uint32_t>> NaiveScheme::fit(const DocidDocuments& documents) {
  return numbers(0, documents.count);
}

std::vector<std::vector<std::uint32_t>> NaiveScheme::extend(const DocidDocuments& documents,
                                                            const Docids& docids) const {
  std::uint64_t next = 0;
  for (const auto& sequence : docids.sequences)
    next = std::max(next, parse_number(code_.decode(sequence), kTen) + 1);
  return numbers(next, documents.count);
}

}  // namespace tenfold::dsi
