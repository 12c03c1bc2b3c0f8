// SPDX-License-Identifier: Apache-2.0
// vocab.json and merges.txt of a byte-pair tokenizer.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"
#include "tenfold/text/byte_pair.h"
#include "tenfold/text/unicode.h"

namespace tenfold::text {
namespace {

constexpr std::size_t kMaxFile = std::size_t{256} << 20;
constexpr std::size_t kMaxTokens = 16'000'000;

Error bad_file(std::string code, std::string what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kFile,
               std::move(code),
               {.what = std::move(what),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "use vocab.json and merges.txt of one byte-level tokenizer"});
}

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Code point of each byte.
const std::array<std::int32_t, 256>& code_points() {
  static const std::array<std::int32_t, 256> points = [] {
    std::array<std::int32_t, 256> made{};
    std::int32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte)
      made[static_cast<std::size_t>(byte)] = stands_for_itself(byte) ? byte : next++;
    return made;
  }();
  return points;
}

// The other way round; nullopt for text with other characters, such as the name of a special token.
std::optional<std::string> from_printable_bytes(std::string_view text) {
  static const std::array<int, 512> bytes = [] {
    std::array<int, 512> made{};
    made.fill(-1);
    for (int byte = 0; byte < 256; ++byte)
      made[static_cast<std::size_t>(code_points()[static_cast<std::size_t>(byte)])] = byte;
    return made;
  }();
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    at += character.bytes;
    if (character.code < 0 || character.code >= 512) return std::nullopt;
    const int byte = bytes[static_cast<std::size_t>(character.code)];
    if (byte < 0) return std::nullopt;
    result.push_back(static_cast<char>(byte));
  }
  return result;
}

std::vector<std::string> read_tokens(std::string_view json, const std::string& place) {
  const nlohmann::json object = io::parse_json(
      json, place, {.max_bytes = kMaxFile, .max_nodes = kMaxTokens, .error_class = ErrorClass::kFile});
  const auto bad = [&](std::string seen) {
    return bad_file("bpe.vocabulary_file",
                    place + " is no vocabulary",
                    std::move(seen),
                    "an object of tokens, with each number from 0 on once");
  };
  if (!object.is_object()) throw bad("another kind of JSON");
  std::vector<std::string> tokens(object.size());
  std::vector<bool> seen(object.size());
  for (const auto& [name, number] : object.items()) {
    if (!number.is_number_unsigned()) throw bad("'" + printable(name) + "' without a number");
    const auto at = number.get<std::uint64_t>();
    if (at >= tokens.size() || seen[at])
      throw bad("number " + std::to_string(at) + " of '" + printable(name) + "'");
    seen[at] = true;
    tokens[at] = from_printable_bytes(name).value_or(name);
  }
  return tokens;
}

std::vector<BytePairMerge> read_merges(std::string_view text,
                                       const std::vector<std::string>& tokens,
                                       const std::string& place) {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (std::size_t i = 0; i < tokens.size(); ++i) numbers.emplace(tokens[i], static_cast<std::uint32_t>(i));
  std::vector<BytePairMerge> merges;
  std::size_t line_number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (line_number == 1 && line.starts_with("#version"))) continue;
    const std::size_t space = line.find(' ');
    const auto bad = [&](std::string wanted) {
      return bad_file("bpe.merges_file",
                      place + " line " + std::to_string(line_number) + " is no merge",
                      printable(line),
                      std::move(wanted));
    };
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      throw bad("two tokens with a space between them");
    const auto number_of = [&](std::string_view name) {
      const std::optional<std::string> bytes = from_printable_bytes(name);
      const auto found = bytes ? numbers.find(*bytes) : numbers.end();
      if (found == numbers.end()) throw bad("tokens of the vocabulary");
      return found->second;
    };
    const std::uint32_t left = number_of(line.substr(0, space));
    merges.push_back({left, number_of(line.substr(space + 1))});
  }
  return merges;
}

}  // namespace

std::string to_printable_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append(text, code_points()[static_cast<unsigned char>(byte)]);
  return text;
}

BytePairTokenizer parse_byte_pair(std::string_view vocabulary_json,
                                  std::string_view merges_text,
                                  std::string_view place) {
  const std::string before = place.empty() ? "" : std::string(place) + "/";
  BytePairParts parts;
  parts.tokens = read_tokens(vocabulary_json, before + "vocab.json");
  parts.merges = read_merges(merges_text, parts.tokens, before + "merges.txt");
  try {
    return BytePairTokenizer(std::move(parts));
  } catch (const Error& error) {
    throw Error(ErrorClass::kFile, error.code(), with_place(error, before + "vocab.json").text());
  }
}

BytePairTokenizer read_byte_pair(const Path& folder) {
  return parse_byte_pair(read_text_file(folder / "vocab.json", kMaxFile),
                         read_text_file(folder / "merges.txt", kMaxFile),
                         printable(folder.string(), 400));
}

BytePairFiles format_byte_pair(const BytePairTokenizer& tokenizer) {
  const auto name_of = [&](std::size_t number) {
    const std::string& token = tokenizer.parts().tokens[number];
    return tokenizer.is_special(static_cast<std::int64_t>(number)) ? token : to_printable_bytes(token);
  };
  BytePairFiles files{"", "#version: 0.2\n"};
  for (std::size_t i = 0; i < tokenizer.size(); ++i)
    files.vocabulary_json +=
        (i == 0 ? "{" : ", ") + nlohmann::json(name_of(i)).dump() + ": " + std::to_string(i);
  files.vocabulary_json += "}\n";
  for (const BytePairMerge& merge : tokenizer.parts().merges)
    files.merges_text += name_of(merge.left) + " " + name_of(merge.right) + "\n";
  return files;
}

void write_byte_pair(FileSystem& files, const Path& folder, const BytePairTokenizer& tokenizer) {
  const BytePairFiles texts = format_byte_pair(tokenizer);
  write_file_atomically(files, folder / "merges.txt", texts.merges_text);
  write_file_atomically(files, folder / "vocab.json", texts.vocabulary_json);
}

}  // namespace tenfold::text
