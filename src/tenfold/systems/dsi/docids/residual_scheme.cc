// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/residual_scheme.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/random.h"
#include "tenfold/search/kmeans.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kResidualStream = 0x72657369;
constexpr std::uint64_t kMostLevels = 4096;

std::vector<float> dense(const search::Vectors& rows) {
  std::vector<float> values;
  values.reserve(rows.rows * rows.dimension);
  for (std::size_t i = 0; i < rows.rows; ++i)
    values.insert(values.end(), rows.row(i).begin(), rows.row(i).end());
  return values;
}

// The nearest codeword of each row, taken off it.
std::vector<std::uint32_t> take_off(std::span<const float> codebook,
                                    std::size_t dimension,
                                    std::vector<float>& residuals) {
  std::vector<std::uint32_t> codes = search::assign(search::as_vectors(residuals, dimension), codebook);
  for (std::size_t i = 0; i < codes.size(); ++i)
    for (std::size_t j = 0; j < dimension; ++j)
      residuals[i * dimension + j] -= codebook[codes[i] * dimension + j];
  return codes;
}

void append_codes(std::span<const std::uint32_t> codes, std::vector<Digits>& digits) {
  for (std::size_t i = 0; i < codes.size(); ++i) digits[i].push_back(codes[i]);
}

}  // namespace

ResidualScheme::ResidualScheme(const DocidOptions& options)
    : DocidScheme(options),
      code_{.block = static_cast<std::uint32_t>(options.codewords)},
      levels_(static_cast<std::size_t>(options.levels)) {}

std::string ResidualScheme::text(std::span<const std::uint32_t> sequence) const {
  return digits_text(code_.decode(sequence));
}

std::span<const float> ResidualScheme::codebook(std::size_t level) const {
  const std::size_t size = codewords_.size() / levels_;
  return std::span(codewords_).subspan(level * size, size);
}

std::vector<Digits> ResidualScheme::codes_of(const search::Vectors& rows) const {
  std::vector<Digits> digits(rows.rows);
  std::vector<float> residuals = dense(rows);
  for (std::size_t level = 0; level < levels_; ++level)
    append_codes(take_off(codebook(level), dimension_, residuals), digits);
  return digits;
}

std::vector<std::vector<std::uint32_t>> ResidualScheme::fit(const DocidDocuments& documents) {
  dimension_ = documents.embeddings.dimension;
  codewords_.clear();
  const std::size_t clusters = std::min<std::size_t>(code_.block, documents.count);
  std::vector<float> residuals = dense(documents.embeddings);
  std::vector<Digits> digits(documents.count);
  for (std::size_t level = 0; level < levels_; ++level) {
    random::Generator generator(seed(), kResidualStream, 2 * level);
    const auto learned = search::kmeans(
        search::as_vectors(residuals, dimension_),
        clusters,
        {.iterations = options().iterations, .seed = static_cast<std::int64_t>(generator.next_u64() >> 16)});
    codewords_.insert(codewords_.end(), learned.centroids.begin(), learned.centroids.end());
    append_codes(take_off(learned.centroids, dimension_, residuals), digits);
  }
  Repetitions repetitions;
  std::size_t longest = 0;
  for (Digits& codes : digits) {
    if (const std::uint64_t number = repetitions.next(codes); number != 0)
      append_number(number, code_.block, codes);
    longest = std::max(longest, codes.size());
  }
  code_.levels = static_cast<std::uint32_t>(longest + 1);
  std::vector<std::vector<std::uint32_t>> sequences;
  for (const Digits& codes : digits) sequences.push_back(code_.encode(codes));
  return sequences;
}

std::vector<std::vector<std::uint32_t>> ResidualScheme::extend(const DocidDocuments& documents,
                                                               const Docids& docids) const {
  search::check_vectors(documents.embeddings, dimension_, "documents");
  Repetitions repetitions;
  for (const auto& sequence : docids.sequences) {
    Digits digits = code_.decode(sequence);
    if (digits.size() < levels_) fail_bad_docid("an identifier has fewer codes than there are levels");
    const auto behind = std::span(digits).subspan(levels_);
    const std::uint64_t number = behind.empty() ? 0 : parse_number(behind, code_.block);
    digits.resize(levels_);
    repetitions.note(digits, number);
  }
  std::vector<std::vector<std::uint32_t>> sequences;
  for (Digits& codes : codes_of(documents.embeddings)) {
    if (const std::uint64_t number = repetitions.next(codes); number != 0)
      append_number(number, code_.block, codes);
    sequences.push_back(code_.encode(codes));
  }
  return sequences;
}

void ResidualScheme::save(State& state) const {
  state.put_number("levels", code_.levels);
  state.put<float>("codewords", {levels_, codewords_.size() / levels_ / dimension_, dimension_}, codewords_);
}

void ResidualScheme::load(const io::SafetensorsReader& file) {
  code_.levels = static_cast<std::uint32_t>(scheme_number(file, "levels", kMostLevels));
  codewords_ = file.read_as<float>("codewords");
  const auto shape = file.info("codewords").shape;
  const bool fits = shape.size() == 3 && shape[0] == levels_ && shape[1] >= 1 && shape[1] <= code_.block &&
                    shape[2] >= 1 && code_.levels > levels_;
  if (!fits)
    fail_damaged_scheme("the codewords are not those of its options",
                        fmt::format("[{}], {} levels of tokens", fmt::join(shape, ", "), code_.levels),
                        fmt::format("[{}, at most {}, at least 1], more levels", levels_, code_.block));
  dimension_ = shape[2];
  for (const float value : codewords_)
    if (!std::isfinite(value))
      fail_damaged_scheme("a codeword is not finite", fmt::format("{}", value), "numbers");
}

}  // namespace tenfold::dsi
