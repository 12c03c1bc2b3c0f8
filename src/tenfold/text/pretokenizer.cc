// SPDX-License-Identifier: Apache-2.0
#include "tenfold/text/pretokenizer.h"

#include <array>

#include "tenfold/text/unicode.h"

namespace tenfold::text {
namespace {

constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

enum class Kind { kLetter, kNumber, kSpace, kOther };

Kind kind_of(std::int32_t code) {
  if (is_letter(code)) return Kind::kLetter;
  if (is_number(code)) return Kind::kNumber;
  return is_white_space(code) ? Kind::kSpace : Kind::kOther;
}

struct Run {
  std::size_t end;   // of the run
  std::size_t last;  // where its last character begins
};

Run run_of(std::string_view text, std::size_t at, Kind kind) {
  Run run{at, at};
  while (run.end < text.size()) {
    const Character character = character_at(text, run.end);
    if (kind_of(character.code) != kind) break;
    run.last = run.end;
    run.end += character.bytes;
  }
  return run;
}

// Where the piece that begins at `at` ends.
std::size_t piece_end(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  for (const std::string_view contraction : kContractions)
    if (rest.starts_with(contraction)) return at + contraction.size();
  const bool spaced = rest[0] == ' ' && rest.size() > 1;
  const Kind first = kind_of(character_at(text, at).code);
  const Kind kind = spaced ? kind_of(character_at(text, at + 1).code) : first;
  if (kind != Kind::kSpace) return run_of(text, spaced ? at + 1 : at, kind).end;
  const Run run = run_of(text, at, Kind::kSpace);
  // \s+(?!\S): the last of several spaces goes with what follows it.
  return run.end < text.size() && run.last > at ? run.last : run.end;
}

}  // namespace

std::vector<std::string_view> pretokenize(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = piece_end(text, at);
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

}  // namespace tenfold::text
