// SPDX-License-Identifier: Apache-2.0
#include "tenfold/text/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/text/unicode.h"

namespace tenfold::text {
namespace {

constexpr std::string_view kSpace = "\u2581";
constexpr std::string_view kReplacement = "\uFFFD";
constexpr float kUnknownPenalty = 10.0F;
constexpr float kUserDefinedScore =
    -0.1F;  // above any logarithm of a probability worth the name: they are always taken

[[noreturn]] void refuse(const char* code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              fmt::format("unigram.{}", code),
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "get the vocabulary again"});
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.code == kInvalidByte) return false;
    at += character.bytes;
  }
  return true;
}

bool is_cut_into(UnigramPieceType type) {
  return type == UnigramPieceType::kNormal || type == UnigramPieceType::kUserDefined;
}

// 0 to 255 for "<0x00>" to "<0xFF>", -1 for another text.
int byte_of(std::string_view piece) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const std::size_t high = kDigits.find(piece[3]), low = kDigits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(16 * high + low);
}

}  // namespace

PrefixTrie::PrefixTrie(std::vector<Entry> entries) {
  if (entries.empty()) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  // Level by level: the entries below each node of the level are a range.
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges{{0, entries.size(), 0}};
  nodes_.push_back({});
  for (std::size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    if (entries[begin].key.size() == depth) nodes_[node].value = entries[begin++].value;
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char byte = entries[begin].key[depth];
      std::size_t last = begin;
      while (last < end && entries[last].key[depth] == byte) ++last;
      ranges.push_back({begin, last, depth + 1});
      nodes_.push_back({.byte = static_cast<std::uint8_t>(byte)});
      ++nodes_[node].children;
      begin = last;
    }
  }
}

std::uint32_t PrefixTrie::child(std::uint32_t node, std::uint8_t byte) const {
  const auto first = nodes_.begin() + nodes_[node].first_child, last = first + nodes_[node].children;
  const auto found = std::lower_bound(
      first, last, byte, [](const Node& other, std::uint8_t wanted) { return other.byte < wanted; });
  return found == last || found->byte != byte ? 0 : static_cast<std::uint32_t>(found - nodes_.begin());
}

UnigramTokenizer::UnigramTokenizer(UnigramParts parts) : parts_(std::move(parts)) {
  check_pieces();
  check_charsmap();
  std::vector<PrefixTrie::Entry> entries, own;
  float least = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < parts_.pieces.size(); ++i) {
    const UnigramPiece& piece = parts_.pieces[i];
    const auto number = static_cast<std::int64_t>(i);
    if (is_cut_into(piece.type)) entries.push_back({piece.text, number});
    if (piece.type == UnigramPieceType::kUserDefined) own.push_back({piece.text, number});
    if (piece.type == UnigramPieceType::kNormal) least = std::min(least, piece.score);
  }
  unknown_score_ = least - kUnknownPenalty;
  trie_ = PrefixTrie(std::move(entries));
  user_defined_ = PrefixTrie(std::move(own));
}

void UnigramTokenizer::check_pieces() {
  std::set<std::string_view> seen;
  std::vector<std::int64_t> unknown, bytes(256, -1);
  for (std::size_t i = 0; i < parts_.pieces.size(); ++i) {
    const UnigramPiece& piece = parts_.pieces[i];
    const auto name = [&] { return fmt::format("piece {} \"{}\"", i, printable(piece.text, 40)); };
    if (piece.text.empty()) refuse("piece", "a piece is empty", name(), "some text");
    if (!seen.insert(piece.text).second)
      refuse("piece", "a piece is there twice", name(), "different pieces");
    if (!is_utf8(piece.text)) refuse("piece", "a piece is not UTF-8", name(), "UTF-8");
    if (!std::isfinite(piece.score))
      refuse("piece", "the score of a piece is not finite", name(), "a logarithm");
    if (piece.type == UnigramPieceType::kUnknown) unknown.push_back(static_cast<std::int64_t>(i));
    const int byte = piece.type == UnigramPieceType::kByte ? byte_of(piece.text) : -1;
    if (byte >= 0) bytes[static_cast<std::size_t>(byte)] = static_cast<std::int64_t>(i);
  }
  if (unknown.size() != 1)
    refuse("unknown", "the vocabulary needs one unknown piece", fmt::format("{}", unknown.size()), "1");
  unknown_ = unknown.front();
  if (parts_.byte_fallback) {
    const auto missing = std::count(bytes.begin(), bytes.end(), -1);
    if (missing > 0)
      refuse("bytes", "pieces of single bytes are missing", fmt::format("{}", missing), "<0x00> to <0xFF>");
    bytes_ = std::move(bytes);
  }
  for (const std::int64_t marker : {parts_.begin, parts_.end, parts_.padding}) {
    if (marker < -1 || marker >= static_cast<std::int64_t>(size()))
      refuse("marker",
             "a marker is no piece",
             fmt::format("{}", marker),
             fmt::format("below {}, or -1", size()));
  }
}

void UnigramTokenizer::check_charsmap() {
  const std::string_view map = parts_.charsmap;
  if (map.empty()) return;
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4 && i < map.size(); ++i)
    size |= static_cast<std::size_t>(static_cast<std::uint8_t>(map[i])) << (8 * i);
  if (map.size() < 4 || size > map.size() - 4 || size % 4 != 0 || size == 0)
    refuse("charsmap",
           "the table of replacements is damaged",
           fmt::format("{} bytes of {}", size, map.size()),
           "a length that fits");
  units_ = map.substr(4, size);
  replaced_ = map.substr(4 + size);
}

// Number `index` of the double array; one that leads nowhere behind its end.
std::uint32_t UnigramTokenizer::unit(std::size_t index) const {
  if (index >= units_.size() / 4) return 0x80000000u;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(units_[4 * index + i])) << (8 * i);
  return value;
}

// What the text begins with becomes: a user-defined piece itself, the longest key of the table its replacement, another character itself.
// The double array is that of Darts-clone: units hold a label, the offset of the children and whether a value stands among them.
UnigramTokenizer::Replacement UnigramTokenizer::replacement_at(std::string_view text) const {
  std::size_t longest = 0;
  user_defined_.match(text, [&](std::size_t length, std::int64_t) { longest = length; });
  if (longest > 0) return {text.substr(0, longest), longest};
  std::size_t value = 0;
  const auto offset = [](std::uint32_t x) {
    return static_cast<std::size_t>(x >> 10) << ((x & 0x200u) >> 6);
  };
  std::size_t node = units_.empty() ? 0 : offset(unit(0));
  for (std::size_t i = 0; i < text.size() && !units_.empty(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    node ^= byte;
    const std::uint32_t here = unit(node);
    if ((here & 0x800000FFu) != byte) break;
    node ^= offset(here);
    if ((here >> 8 & 1) == 0) continue;
    longest = i + 1;
    value = unit(node) & 0x7FFFFFFFu;
  }
  if (longest > 0) {
    const std::string_view rest = value < replaced_.size() ? replaced_.substr(value) : std::string_view();
    return {rest.substr(0, rest.find('\0')), longest};
  }
  const Character character = character_at(text, 0);
  return {character.code == kInvalidByte ? kReplacement : text.substr(0, character.bytes), character.bytes};
}

std::string UnigramTokenizer::normalise(std::string_view text) const {
  const std::string_view space = parts_.escape_whitespaces ? kSpace : std::string_view(" ");
  std::string out;
  bool after_space = parts_.remove_extra_whitespaces;
  bool begun = false;
  while (!text.empty()) {
    auto [part, consumed] = replacement_at(text);
    text.remove_prefix(consumed);
    if (!begun && parts_.remove_extra_whitespaces && part == " ") continue;
    if (!begun && parts_.add_dummy_prefix && !parts_.whitespace_as_suffix) out += space;
    begun = true;
    while (after_space && part.starts_with(' ')) part.remove_prefix(1);
    if (!part.empty()) {
      for (const char byte : part) byte == ' ' ? out += space : out += byte;
      after_space = part.back() == ' ';
    }
    if (!parts_.remove_extra_whitespaces) after_space = false;
  }
  if (!begun) return out;
  while (parts_.remove_extra_whitespaces && out.ends_with(space)) out.resize(out.size() - space.size());
  if (parts_.add_dummy_prefix && parts_.whitespace_as_suffix) out += space;
  return out;
}

std::vector<std::int64_t> UnigramTokenizer::encode(std::string_view text) const {
  const std::string normal = normalise(text);
  // The best way to each place, by the piece that ends there (Viterbi). Of equal ways the first stays, as in the original.
  struct Way {
    std::int64_t piece = -1;
    std::size_t from = 0;
    float score = 0.0F;
  };
  std::vector<Way> ways(normal.size() + 1);
  ways[0].piece = unknown_;
  const auto offer = [&](std::size_t from, std::size_t length, std::int64_t piece, float score) {
    Way& to = ways[from + length];
    const float sum = score + ways[from].score;
    if (to.piece < 0 || sum > to.score) to = {piece, from, sum};
  };
  for (std::size_t at = 0; at < normal.size();) {
    const std::size_t step = character_at(normal, at).bytes;
    bool single = false;
    trie_.match(std::string_view(normal).substr(at), [&](std::size_t length, std::int64_t piece) {
      const UnigramPiece& entry = parts_.pieces[static_cast<std::size_t>(piece)];
      const bool own = entry.type == UnigramPieceType::kUserDefined;
      offer(at, length, piece, own ? kUserDefinedScore : entry.score);
      single = single || length == step;
    });
    if (!single) offer(at, step, unknown_, unknown_score_);
    at += step;
  }
  std::vector<std::int64_t> numbers;
  bool unknown_before = false;
  for (std::size_t at = normal.size(); at > 0; at = ways[at].from) {
    const bool unknown = ways[at].piece == unknown_;
    if (unknown && parts_.byte_fallback) {
      for (std::size_t i = at; i > ways[at].from; --i)
        numbers.push_back(bytes_[static_cast<std::uint8_t>(normal[i - 1])]);
    } else if (!(unknown && unknown_before)) {
      numbers.push_back(ways[at].piece);
    }
    unknown_before = unknown;
  }
  std::reverse(numbers.begin(), numbers.end());
  return numbers;
}

std::string UnigramTokenizer::decode(std::span<const std::int64_t> pieces) const {
  std::string out;
  for (const std::int64_t number : pieces) {
    if (number < 0 || number >= static_cast<std::int64_t>(size()))
      refuse("no_such_piece",
             "there is no such piece",
             fmt::format("{}", number),
             fmt::format("below {}", size()));
    const UnigramPiece& piece = parts_.pieces[static_cast<std::size_t>(number)];
    if (piece.type == UnigramPieceType::kControl) continue;
    if (piece.type == UnigramPieceType::kUnknown) {
      out += " \u2047 ";
      continue;
    }
    const int byte = piece.type == UnigramPieceType::kByte ? byte_of(piece.text) : -1;
    if (byte >= 0) {
      out.push_back(static_cast<char>(byte));
      continue;
    }
    std::string_view rest = piece.text;
    for (std::size_t at = rest.find(kSpace); at != std::string_view::npos; at = rest.find(kSpace)) {
      out += rest.substr(0, at);
      out += ' ';
      rest.remove_prefix(at + kSpace.size());
    }
    out += rest;
  }
  if (parts_.add_dummy_prefix && !parts_.whitespace_as_suffix && out.starts_with(' ')) out.erase(0, 1);
  if (parts_.add_dummy_prefix && parts_.whitespace_as_suffix && out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace tenfold::text
