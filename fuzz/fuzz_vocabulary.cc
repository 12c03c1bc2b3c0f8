// SPDX-License-Identifier: Apache-2.0
// Vocabularies of tokenizers: an accepted one encodes any text into numbers it has, and byte pairs give every byte back. The first byte
// chooses the kind; the first zero byte divides the vocabulary from merges or text.
#include <algorithm>

#include "fuzz/harness.h"
#include "tenfold/text/byte_pair.h"
#include "tenfold/text/word_piece.h"

namespace {

using tenfold::fuzz::accepts;
using tenfold::fuzz::require;

void check_byte_pairs(std::string_view vocabulary, std::string_view rest) {
  if (!accepts([&] { tenfold::text::parse_byte_pair(vocabulary, rest, "input"); })) return;
  const auto tokenizer = tenfold::text::parse_byte_pair(vocabulary, rest, "input");
  require(tokenizer.decode(tokenizer.encode(rest)) == rest, "no byte is lost");
  const auto files = tenfold::text::format_byte_pair(tokenizer);
  const auto back = tenfold::text::parse_byte_pair(files.vocabulary_json, files.merges_text, "copy");
  require(back.parts().merges == tokenizer.parts().merges, "what is written is read back");
}

void check_pieces(std::string_view vocabulary, std::string_view rest) {
  if (!accepts([&] { tenfold::text::parse_word_piece(vocabulary, "input"); })) return;
  const auto tokenizer = tenfold::text::parse_word_piece(vocabulary, "input");
  for (const std::int64_t number : tokenizer.encode(rest))
    require(number >= 0 && static_cast<std::size_t>(number) < tokenizer.size(),
            "numbers are of the vocabulary");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text = tenfold::fuzz::as_text(data + 1, size - 1);
  const std::size_t cut = std::min(text.find('\0'), text.size());
  const std::string_view rest = text.substr(std::min(cut + 1, text.size()));
  if (data[0] % 2 == 0) check_byte_pairs(text.substr(0, cut), rest);
  if (data[0] % 2 == 1) check_pieces(text.substr(0, cut), rest);
  return 0;
}
