// SPDX-License-Identifier: Apache-2.0
// The .model file of a unigram tokenizer: an accepted one cuts any text, here its own bytes, into pieces that it has.
#include "fuzz/harness.h"
#include "tenfold/text/unigram.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view model = tenfold::fuzz::as_text(data, size);
  if (!tenfold::fuzz::accepts([&] { tenfold::text::parse_unigram(model, "input"); })) return 0;
  const auto tokenizer = tenfold::text::parse_unigram(model, "input");
  const auto numbers = tokenizer.encode(model);
  for (const std::int64_t number : numbers)
    tenfold::fuzz::require(number >= 0 && static_cast<std::size_t>(number) < tokenizer.size(),
                           "numbers are of the vocabulary");
  tokenizer.decode(numbers);
  return 0;
}
