// SPDX-License-Identifier: Apache-2.0
#include "tenfold/text/word_piece.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"
#include "tenfold/text/unicode.h"

namespace tenfold::text {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;
constexpr std::int32_t kReplacement = 0xFFFD;
constexpr std::string_view kInside = "##";

Error bad_pieces(std::string code, std::string what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kData,
               std::move(code),
               {.what = std::move(what),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "use the vocab.txt of a BERT model"});
}

bool is_space(std::int32_t code) {
  return code == ' ' || code == '\t' || code == '\n' || code == '\r' || is_space_separator(code) ||
         code == 0x2028 || code == 0x2029;
}

// Characters that no word has.
bool is_dropped(std::int32_t code) {
  return code <= 0 || code == kReplacement || (is_control(code) && !is_space(code));
}

// One word without spaces, normalised; `add` gets it cut at punctuation marks.
template <typename Add>
void add_normalised(std::string_view word, const WordPieceOptions& options, const Add& add) {
  std::u32string characters;
  if (options.strip_accents.value_or(options.lower_case)) {
    for (const char32_t code : decompose(word))
      if (!is_mark(static_cast<std::int32_t>(code))) characters.push_back(code);
  } else {
    for (std::size_t at = 0; at < word.size();) {
      const Character character = character_at(word, at);
      at += character.bytes;
      characters.push_back(static_cast<char32_t>(character.code));
    }
  }
  std::u32string part;
  const auto finish = [&] {
    if (!part.empty()) add(std::exchange(part, {}));
  };
  for (const char32_t character : characters) {
    const auto code = static_cast<std::int32_t>(character);
    const char32_t kept = options.lower_case ? static_cast<char32_t>(to_lower(code)) : character;
    if (!is_punctuation(code)) {
      part.push_back(kept);
      continue;
    }
    finish();
    add(std::u32string(1, kept));
  }
  finish();
}

}  // namespace

std::vector<std::u32string> basic_words(std::string_view text, const WordPieceOptions& options) {
  std::vector<std::u32string> words;
  std::string word;
  const auto finish = [&] {
    add_normalised(word, options, [&](std::u32string part) { words.push_back(std::move(part)); });
    word.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    at += character.bytes;
    if (is_dropped(character.code)) continue;
    const bool alone = options.split_ideographs && is_cjk_ideograph(character.code);
    if (alone || is_space(character.code)) finish();
    if (!is_space(character.code)) append(word, character.code);
    if (alone) finish();
  }
  finish();
  return words;
}

WordPieceTokenizer::WordPieceTokenizer(std::vector<std::string> pieces, WordPieceOptions options)
    : pieces_(std::move(pieces)), options_(options) {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (!is_valid_utf8(pieces_[i]))
      throw bad_pieces("wordpiece.not_utf8", "a piece is not UTF-8", printable(pieces_[i]), "UTF-8");
    if (!numbers_.emplace(pieces_[i], static_cast<std::int64_t>(i)).second)
      throw bad_pieces(
          "wordpiece.duplicate", "a piece stands twice", printable(pieces_[i]), "different pieces");
  }
  unknown_ = required("[UNK]");
  begin_ = required("[CLS]");
  end_ = required("[SEP]");
  padding_ = std::max<std::int64_t>(number("[PAD]"), 0);
}

std::int64_t WordPieceTokenizer::required(std::string_view name) const {
  const std::int64_t found = number(name);
  if (found < 0)
    throw bad_pieces("wordpiece.special_token",
                     "the vocabulary has no " + std::string(name),
                     std::to_string(size()) + " pieces",
                     "[UNK], [CLS] and [SEP]");
  return found;
}

std::int64_t WordPieceTokenizer::number(std::string_view piece) const {
  const auto found = numbers_.find(piece);
  return found == numbers_.end() ? -1 : found->second;
}

void WordPieceTokenizer::add_word(std::u32string_view word, std::vector<std::int64_t>& numbers) const {
  if (word.size() > options_.longest_word) {
    numbers.push_back(unknown_);
    return;
  }
  const std::size_t before = numbers.size();
  std::vector<std::size_t> ends;  // in bytes, of each character
  std::string bytes;
  for (const char32_t code : word) {
    append(bytes, static_cast<std::int32_t>(code));
    ends.push_back(bytes.size());
  }
  std::string piece;
  for (std::size_t begin = 0; begin < word.size();) {
    const std::size_t first = begin == 0 ? 0 : ends[begin - 1];
    std::size_t end = word.size();
    std::int64_t found = -1;
    for (; end > begin && found < 0; --end) {
      piece.assign(begin == 0 ? "" : kInside);
      piece.append(bytes, first, ends[end - 1] - first);
      found = number(piece);
    }
    if (found < 0) {  // one unknown piece makes the whole word unknown
      numbers.resize(before);
      numbers.push_back(unknown_);
      return;
    }
    numbers.push_back(found);
    begin = end + 1;
  }
}

std::vector<std::int64_t> WordPieceTokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> numbers;
  for (const std::u32string& word : basic_words(text, options_)) add_word(word, numbers);
  return numbers;
}

std::vector<std::int64_t> WordPieceTokenizer::with_markers(std::span<const std::int64_t> first,
                                                           std::span<const std::int64_t> second) const {
  std::vector<std::int64_t> numbers = {begin_};
  numbers.insert(numbers.end(), first.begin(), first.end());
  numbers.push_back(end_);
  if (second.empty()) return numbers;
  numbers.insert(numbers.end(), second.begin(), second.end());
  numbers.push_back(end_);
  return numbers;
}

std::string WordPieceTokenizer::decode(std::span<const std::int64_t> pieces) const {
  std::string text;
  for (const std::int64_t number : pieces) {
    if (number < 0 || static_cast<std::size_t>(number) >= size())
      throw bad_pieces("wordpiece.no_such_piece",
                       "a number stands for no piece",
                       std::to_string(number),
                       "0 to " + std::to_string(size() - 1));
    const std::string& piece = pieces_[static_cast<std::size_t>(number)];
    if (piece.starts_with(kInside) && !text.empty()) {
      text += piece.substr(kInside.size());
    } else {
      text += (text.empty() ? "" : " ") + piece;
    }
  }
  return text;
}

std::vector<bool> WordPieceTokenizer::continues_word() const {
  std::vector<bool> inside;
  for (const std::string& piece : pieces_) inside.push_back(piece.starts_with(kInside));
  return inside;
}

WordPieceTokenizer parse_word_piece(std::string_view vocabulary,
                                    std::string_view place,
                                    const WordPieceOptions& options) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < vocabulary.size();) {
    const std::size_t end = std::min(vocabulary.find('\n', at), vocabulary.size());
    std::string_view line = vocabulary.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty())
      throw Error(ErrorClass::kFile,
                  "wordpiece.empty_line",
                  {.what = std::string(place) + " line " + std::to_string(pieces.size() + 1) + " is empty",
                   .seen = "",
                   .wanted = "one piece a line",
                   .remedy = "use the vocab.txt of a BERT model"});
    pieces.emplace_back(line);
  }
  try {
    return WordPieceTokenizer(std::move(pieces), options);
  } catch (const Error& error) {
    throw Error(ErrorClass::kFile, error.code(), with_place(error, place).text());
  }
}

WordPieceTokenizer read_word_piece(const Path& vocabulary, const WordPieceOptions& options) {
  return parse_word_piece(read_text_file(vocabulary, kMaxFile), printable(vocabulary.string(), 400), options);
}

WordPieceTokenizer read_bert_tokenizer(const Path& folder) {
  WordPieceOptions options;
  const Path path = folder / "tokenizer_config.json";
  if (path_exists(path)) {
    const std::string place = printable(path.string(), 400);
    const nlohmann::json object =
        io::parse_json(read_text_file(path, kMaxFile), place, {.error_class = ErrorClass::kFile});
    const auto flag = [&](const char* name) -> std::optional<bool> {
      if (!object.is_object() || !object.contains(name) || object[name].is_null()) return std::nullopt;
      if (object[name].is_boolean()) return object[name].get<bool>();
      throw Error(ErrorClass::kFile,
                  "wordpiece.config",
                  {.what = place + ": " + name + " is not a truth value",
                   .seen = printable(object[name].dump()),
                   .wanted = "true or false",
                   .remedy = "use the files of a BERT model"});
    };
    options.lower_case = flag("do_lower_case").value_or(true);
    options.strip_accents = flag("strip_accents");
    options.split_ideographs = flag("tokenize_chinese_chars").value_or(true);
  }
  return read_word_piece(folder / "vocab.txt", options);
}

}  // namespace tenfold::text
