// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/bm25_bundle.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::search {
namespace {

using io::DType;

constexpr const char* kMember = "words.safetensors";

[[noreturn]] void fail(std::string_view code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              fmt::format("words.{}", code),
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "the bundle is damaged or of another version: build the index again"});
}

std::string text_field(const io::SafetensorsMetadata& metadata, const std::string& name) {
  const auto entry = metadata.find(name);
  if (entry == metadata.end()) fail("field", "the word index lacks its field " + name, "nothing", "a value");
  return entry->second;
}

double number_field(const io::SafetensorsMetadata& metadata, const std::string& name) {
  const std::string text = text_field(metadata, name);
  const auto number = parse_double(text);
  if (!number)
    fail("field", "a field of the word index is no number: " + name, printable(text, 40), "a number");
  return *number;
}

bool flag_field(const io::SafetensorsMetadata& metadata, const std::string& name) {
  const std::string text = text_field(metadata, name);
  if (text != "0" && text != "1")
    fail("field", "a field of the word index is no flag: " + name, printable(text, 40), "0 or 1");
  return text == "1";
}

// Ends of consecutive parts that cover `size`.
void check_ends(std::span<const std::uint64_t> ends, std::uint64_t size, const char* what) {
  std::uint64_t last = 0;
  for (const std::uint64_t end : ends) {
    if (end < last || end > size)
      fail("shape", what, fmt::format("{} after {}", end, last), fmt::format("ascending up to {}", size));
    last = end;
  }
  if (last != size) fail("shape", what, fmt::format("{}", last), fmt::format("{}", size));
}

}  // namespace

void add_words_member(io::BundleWriter& bundle, const Bm25Index& index) {
  const Bm25Index::Parts parts = index.parts();
  std::string letters;
  std::vector<std::uint64_t> word_ends, posting_ends;
  std::vector<std::uint32_t> postings;
  for (std::size_t word = 0; word < parts.words.size(); ++word) {
    letters += parts.words[word];
    word_ends.push_back(letters.size());
    for (const auto& posting : parts.postings[word]) {
      postings.push_back(posting.row);
      postings.push_back(posting.count);
    }
    posting_ends.push_back(postings.size() / 2);
  }
  const std::vector<io::TensorView> tensors{
      {"letters", DType::kU8, {letters.size()}, std::as_bytes(std::span(letters))},
      {"word_ends", DType::kU64, {word_ends.size()}, std::as_bytes(std::span(word_ends))},
      {"posting_ends", DType::kU64, {posting_ends.size()}, std::as_bytes(std::span(posting_ends))},
      {"postings", DType::kU32, {postings.size() / 2, 2}, std::as_bytes(std::span(postings))},
      {"lengths", DType::kU32, {parts.lengths.size()}, std::as_bytes(std::span(parts.lengths))}};
  const Bm25Options& options = index.options();
  const io::SafetensorsMetadata metadata{{"k1", fmt::format("{}", options.k1)},
                                         {"b", fmt::format("{}", options.b)},
                                         {"lower_case", options.tokenizer.lower_case ? "1" : "0"},
                                         {"stemmer", options.tokenizer.stemmer},
                                         {"stop_words", options.tokenizer.stop_words ? "1" : "0"}};
  bundle.add(kMember, [&](WritableFile& file) { io::write_safetensors(file, tensors, metadata); });
}

Bm25Index open_words_member(const io::BundleReader& bundle) {
  return read_words(bundle.open_tensors(kMember));
}

Bm25Index read_words(const io::SafetensorsReader& tensors) {
  const auto metadata = tensors.metadata();
  const Bm25Options options{.k1 = number_field(metadata, "k1"),
                            .b = number_field(metadata, "b"),
                            .tokenizer = {.lower_case = flag_field(metadata, "lower_case"),
                                          .stemmer = text_field(metadata, "stemmer"),
                                          .stop_words = flag_field(metadata, "stop_words")}};
  const auto letters = tensors.read_as<std::uint8_t>("letters");
  const auto word_ends = tensors.read_as<std::uint64_t>("word_ends"),
             posting_ends = tensors.read_as<std::uint64_t>("posting_ends");
  const auto postings = tensors.read_as<std::uint32_t>("postings");
  check_ends(word_ends, letters.size(), "the words do not cover their letters");
  check_ends(posting_ends, postings.size() / 2, "the posting lists do not cover the postings");
  if (word_ends.size() != posting_ends.size() || postings.size() % 2 != 0)
    fail("shape",
         "words and posting lists differ in number",
         fmt::format("{} and {}", word_ends.size(), posting_ends.size()),
         "the same number");
  Bm25Index::Parts parts{.lengths = tensors.read_as<std::uint32_t>("lengths")};
  std::uint64_t letter = 0, posting = 0;
  for (std::size_t word = 0; word < word_ends.size(); ++word) {
    const auto from = letters.begin() + static_cast<std::ptrdiff_t>(letter);
    parts.words.emplace_back(from, from + static_cast<std::ptrdiff_t>(word_ends[word] - letter));
    letter = word_ends[word];
    auto& list = parts.postings.emplace_back();
    list.reserve(posting_ends[word] - posting);
    for (; posting < posting_ends[word]; ++posting)
      list.push_back({postings[2 * posting], postings[2 * posting + 1]});
  }
  return Bm25Index(std::move(parts), options);
}

}  // namespace tenfold::search
