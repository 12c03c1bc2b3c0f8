// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/pseudo_queries.h"

#include <algorithm>
#include <utility>

namespace tenfold::retrieval {
namespace {

constexpr std::uint32_t kLeastWords = 2, kMostWords = 8;  // of a made-up query

// Writes words one after the other, as far as there is room.
class Writer {
 public:
  explicit Writer(std::span<std::int64_t> out) : out_(out) {}
  void put(TokenSpan word) {
    const std::size_t count = std::min(word.size(), out_.size() - used_);
    std::copy_n(word.begin(), count, out_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += count;
  }
  std::size_t used() const { return used_; }

 private:
  std::span<std::int64_t> out_;
  std::size_t used_ = 0;
};

std::size_t put_run(const std::vector<TokenSpan>& words,
                    std::uint32_t length,
                    random::Generator& draws,
                    std::span<std::int64_t> out) {
  Writer writer(out);
  const std::uint32_t begin = draws.below(static_cast<std::uint32_t>(words.size()) - length + 1);
  for (std::uint32_t i = begin; i < begin + length; ++i) writer.put(words[i]);
  return writer.used();
}

std::uint32_t draw_length(const std::vector<TokenSpan>& words, random::Generator& draws) {
  return std::min(static_cast<std::uint32_t>(words.size()),
                  kLeastWords + draws.below(kMostWords - kLeastWords + 1));
}

}  // namespace

std::vector<TokenSpan> words_of(TokenSpan text, const std::vector<bool>& continues_word) {
  std::vector<TokenSpan> words;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= text.size(); ++i) {
    if (i < text.size() && !continues_word.empty() && continues_word[static_cast<std::size_t>(text[i])])
      continue;
    words.push_back(text.subspan(begin, i - begin));
    begin = i;
  }
  return words;
}

std::size_t put_pseudo_query(std::vector<TokenSpan> words,
                             random::Generator draws,
                             std::span<std::int64_t> out) {
  const std::uint32_t length = draw_length(words, draws);
  if (draws.below(2) == 0) return put_run(words, length, draws, out);
  // Words without repetition: the first `length` places of a shuffle.
  const auto count = static_cast<std::uint32_t>(words.size());
  Writer writer(out);
  for (std::uint32_t i = 0; i < length; ++i) {
    std::swap(words[i], words[i + draws.below(count - i)]);
    writer.put(words[i]);
  }
  return writer.used();
}

std::size_t put_span(const std::vector<TokenSpan>& words,
                     random::Generator draws,
                     std::span<std::int64_t> out) {
  const std::uint32_t length = draw_length(words, draws);
  return put_run(words, length, draws, out);
}

}  // namespace tenfold::retrieval
