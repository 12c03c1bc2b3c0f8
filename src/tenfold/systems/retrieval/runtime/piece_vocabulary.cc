// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/runtime/piece_vocabulary.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/io/json.h"
#include "tenfold/text/unicode.h"

namespace tenfold::retrieval {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
constexpr std::string_view kBegin = "<s>", kEnd = "</s>";
constexpr std::string_view kBytePair = "byte_pair", kWordPiece = "word_piece";

std::vector<std::string> lowered(std::span<const std::string> texts, bool lower_case) {
  std::vector<std::string> spaced;
  for (const std::string& text : texts) spaced.push_back(" " + (lower_case ? text::to_lower(text) : text));
  return spaced;
}

text::BytePairTokenizer train(std::span<const std::string> texts, const VocabularyOptions& options) {
  return text::BytePairTokenizer(
      text::train_byte_pair(lowered(texts, options.tokenizer.lower_case),
                            {.tokens = static_cast<std::size_t>(options.pieces),
                             .special_tokens = {std::string(kBegin), std::string(kEnd)}}));
}

Error bad_vocabulary(std::string seen) {
  return Error(ErrorClass::kFile,
               "retrieval.vocabulary",
               {.what = "vocabulary.json is not a vocabulary of this system",
                .seen = std::move(seen),
                .wanted = "byte pairs or word pieces, and how texts are prepared",
                .remedy = "train the model again"});
}

std::shared_ptr<const Vocabulary> open_byte_pairs(const io::BundleReader& bundle,
                                                  const nlohmann::json& object) {
  text::BytePairTokenizer tokenizer = text::parse_byte_pair(
      object.at("tokens").dump(), bundle.read_text("merges.txt", kMaxBytes), bundle.path().string());
  if (!tokenizer.is_special(tokenizer.number(kBegin)) || !tokenizer.is_special(tokenizer.number(kEnd)))
    throw bad_vocabulary("no tokens <s> and </s>");
  return std::make_shared<BytePairVocabulary>(std::move(tokenizer), object.at("lower_case").get<bool>());
}

std::shared_ptr<const Vocabulary> open_word_pieces(const nlohmann::json& object) {
  text::WordPieceOptions options{.lower_case = object.at("lower_case").get<bool>(),
                                 .strip_accents = object.at("strip_accents").get<bool>(),
                                 .split_ideographs = object.at("split_ideographs").get<bool>()};
  return std::make_shared<WordPieceVocabulary>(
      text::WordPieceTokenizer(object.at("pieces").get<std::vector<std::string>>(), options));
}

}  // namespace

BytePairVocabulary::BytePairVocabulary(std::span<const std::string> texts, const VocabularyOptions& options)
    : BytePairVocabulary(train(texts, options), options.tokenizer.lower_case) {}

BytePairVocabulary::BytePairVocabulary(text::BytePairTokenizer tokenizer, bool lower_case)
    : tokenizer_(std::move(tokenizer)), lower_case_(lower_case) {}

std::vector<std::int64_t> BytePairVocabulary::operator()(std::string_view text) const {
  const std::string spaced = " " + (lower_case_ ? text::to_lower(text) : std::string(text));
  return spaced.size() == 1 ? std::vector<std::int64_t>() : tokenizer_.encode(spaced);
}

std::vector<bool> BytePairVocabulary::continues_word() const {
  std::vector<bool> inside;
  for (const std::string& token : tokenizer_.parts().tokens) {
    const std::int32_t code = text::character_at(token, 0).code;
    inside.push_back(code < 0 || text::is_letter(code) || text::is_number(code));
  }
  return inside;
}

Vocabulary::Markers BytePairVocabulary::markers() const {
  return {tokenizer_.number(kBegin), tokenizer_.number(kEnd), tokenizer_.number(kEnd)};
}

void BytePairVocabulary::add_members(io::BundleWriter& bundle) const {
  const text::BytePairFiles files = text::format_byte_pair(tokenizer_);
  // Assembled as text: "tokens" is vocab.json as it is.
  bundle.add("vocabulary.json",
             "{\"kind\": \"" + std::string(kBytePair) + "\", \"lower_case\": " +
                 (lower_case_ ? "true" : "false") + ", \"tokens\": " + files.vocabulary_json + "}\n");
  bundle.add("merges.txt", files.merges_text);
}

WordPieceVocabulary::WordPieceVocabulary(text::WordPieceTokenizer tokenizer)
    : tokenizer_(std::move(tokenizer)) {}

void WordPieceVocabulary::add_members(io::BundleWriter& bundle) const {
  const text::WordPieceOptions& options = tokenizer_.options();
  const nlohmann::ordered_json object = {
      {"kind", kWordPiece},
      {"lower_case", options.lower_case},
      {"strip_accents", options.strip_accents.value_or(options.lower_case)},
      {"split_ideographs", options.split_ideographs},
      {"pieces", tokenizer_.pieces()}};
  bundle.add("vocabulary.json", object.dump() + "\n");
}

std::shared_ptr<const Vocabulary> open_piece_vocabulary(const io::BundleReader& bundle,
                                                        const std::string& vocabulary_json) {
  const nlohmann::json object =
      io::parse_json(vocabulary_json,
                     "vocabulary.json",
                     {.max_bytes = kMaxBytes, .max_nodes = 400'000'000, .error_class = ErrorClass::kFile});
  if (!object.is_object() || !object.contains("kind")) return nullptr;
  try {
    if (object["kind"] == kBytePair) return open_byte_pairs(bundle, object);
    if (object["kind"] == kWordPiece) return open_word_pieces(object);
  } catch (const nlohmann::json::exception&) {
    throw bad_vocabulary("a field is missing or of another kind");
  }
  throw bad_vocabulary("another kind");
}

}  // namespace tenfold::retrieval
