// SPDX-License-Identifier: Apache-2.0
// The byte-pair tokenizer; its trainer is in byte_pair_trainer.cc, its files in byte_pair_files.cc.
#include "tenfold/text/byte_pair.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/text/pretokenizer.h"

namespace tenfold::text {
namespace {

constexpr std::size_t kTextsAtOnce = 64;        // of parallel encoding
constexpr std::size_t kCachedPieces = 1 << 16;  // in one call
constexpr std::size_t kCachedLength = 64;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::uint64_t key_of(std::uint32_t left, std::uint32_t right) {
  return std::uint64_t{left} << 32 | right;
}

Error bad_parts(std::string code, std::string what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kData,
               std::move(code),
               {.what = std::move(what),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "use the vocabulary and the merges of one byte-level tokenizer"});
}

// Neighbours that may be joined next. A place that was joined since is found out by the tokens it names.
struct Candidate {
  std::uint32_t rank, at, left, right;
  // The lowest rank first, then the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

// Tokens of a piece in a doubly linked list.
struct Node {
  std::uint32_t token, before, after;
};

}  // namespace

BytePairTokenizer::BytePairTokenizer(BytePairParts parts) : parts_(std::move(parts)) {
  if (parts_.tokens.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw bad_parts("bpe.too_many_tokens",
                    "a vocabulary is too large",
                    std::to_string(parts_.tokens.size()) + " tokens",
                    "less than 2^31");
  }
  special_.assign(parts_.tokens.size(), true);
  for (std::size_t i = 0; i < parts_.tokens.size(); ++i) {
    if (!numbers_.emplace(parts_.tokens[i], static_cast<std::uint32_t>(i)).second)
      throw bad_parts(
          "bpe.duplicate_token", "a token stands twice", printable(parts_.tokens[i]), "different tokens");
  }
  check_bytes();
  check_merges();
  for (std::size_t i = 0; i < size(); ++i)
    if (special_[i]) specials_.push_back(static_cast<std::uint32_t>(i));
}

void BytePairTokenizer::check_bytes() {
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = numbers_.find(std::string(1, static_cast<char>(byte)));
    if (found == numbers_.end())
      throw bad_parts("bpe.bytes",
                      "the vocabulary cannot stand for every text",
                      "no token for byte " + std::to_string(byte),
                      "a token for each of the 256 bytes");
    of_byte_.push_back(found->second);
    special_[found->second] = false;
  }
}

void BytePairTokenizer::check_merges() {
  for (std::size_t rank = 0; rank < parts_.merges.size(); ++rank) {
    const BytePairMerge& merge = parts_.merges[rank];
    const std::string place = "merge " + std::to_string(rank + 1);
    if (merge.left >= size() || merge.right >= size())
      throw bad_parts(
          "bpe.merge", place + " is of tokens that are not there", "", "tokens of the vocabulary");
    const auto found = numbers_.find(parts_.tokens[merge.left] + parts_.tokens[merge.right]);
    if (found == numbers_.end())
      throw bad_parts("bpe.merge",
                      place + " gives no token",
                      printable(parts_.tokens[merge.left] + parts_.tokens[merge.right]),
                      "a token of the vocabulary");
    special_[found->second] = false;
    const Joined joined{static_cast<std::uint32_t>(rank), found->second};
    if (!joined_.emplace(key_of(merge.left, merge.right), joined).second)
      throw bad_parts("bpe.merge", place + " stands twice", "", "each pair once");
  }
}

std::vector<std::string> BytePairTokenizer::special_tokens() const {
  std::vector<std::string> names;
  for (const std::uint32_t number : specials_) names.push_back(parts_.tokens[number]);
  return names;
}

std::vector<std::uint32_t> BytePairTokenizer::encode_piece(std::string_view piece) const {
  std::vector<Node> nodes(piece.size());
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::uint32_t at) {
    const std::uint32_t next = nodes[at].after;
    if (next == kNone) return;
    const auto found = joined_.find(key_of(nodes[at].token, nodes[next].token));
    if (found != joined_.end()) queue.push({found->second.rank, at, nodes[at].token, nodes[next].token});
  };
  const auto count = static_cast<std::uint32_t>(piece.size());
  for (std::uint32_t i = 0; i < count; ++i)
    nodes[i] = {of_byte_[static_cast<unsigned char>(piece[i])],
                i == 0 ? kNone : i - 1,
                i + 1 < count ? i + 1 : kNone};
  for (std::uint32_t i = 0; i < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& node = nodes[best.at];
    // A node that was joined to the one before it has no token any more.
    if (node.token != best.left || node.after == kNone || nodes[node.after].token != best.right) continue;
    Node& gone = nodes[node.after];
    node.token = joined_.at(key_of(best.left, best.right)).token;
    node.after = gone.after;
    if (gone.after != kNone) nodes[gone.after].before = best.at;
    gone.token = kNone;
    offer(best.at);
    if (node.before != kNone) offer(node.before);
  }
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t at = 0; at != kNone && count > 0; at = nodes[at].after)
    tokens.push_back(nodes[at].token);
  return tokens;
}

void BytePairTokenizer::encode_ordinary(std::string_view text,
                                        Cache& cache,
                                        std::vector<std::int64_t>& tokens) const {
  for (const std::string_view piece : pretokenize(text)) {
    if (piece.size() > kCachedLength || cache.size() >= kCachedPieces) {
      const std::vector<std::uint32_t> found = encode_piece(piece);
      tokens.insert(tokens.end(), found.begin(), found.end());
      continue;
    }
    const auto [entry, is_new] = cache.try_emplace(piece);
    if (is_new) entry->second = encode_piece(piece);
    tokens.insert(tokens.end(), entry->second.begin(), entry->second.end());
  }
}

std::vector<std::int64_t> BytePairTokenizer::encode_with(std::string_view text,
                                                         const BytePairEncodeOptions& options,
                                                         Cache& cache) const {
  std::vector<std::int64_t> tokens;
  if (!options.special_tokens) {
    encode_ordinary(text, cache, tokens);
    return tokens;
  }
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    // The longest name that begins here.
    std::size_t longest = 0, token = 0;
    for (const std::uint32_t number : specials_) {
      const std::string& name = parts_.tokens[number];
      if (name.size() <= longest || !text.substr(at).starts_with(name)) continue;
      longest = name.size();
      token = number;
    }
    if (longest == 0) {
      ++at;
      continue;
    }
    encode_ordinary(text.substr(begin, at - begin), cache, tokens);
    tokens.push_back(static_cast<std::int64_t>(token));
    begin = at += longest;
  }
  encode_ordinary(text.substr(begin), cache, tokens);
  return tokens;
}

std::vector<std::int64_t> BytePairTokenizer::encode(std::string_view text,
                                                    const BytePairEncodeOptions& options) const {
  Cache cache;
  return encode_with(text, options, cache);
}

std::vector<std::vector<std::int64_t>> BytePairTokenizer::encode(std::span<const std::string> texts,
                                                                 const BytePairEncodeOptions& options) const {
  std::vector<std::vector<std::int64_t>> tokens(texts.size());
  parallel_for(texts.size(), kTextsAtOnce, [&](std::size_t begin, std::size_t end) {
    Cache cache;
    for (std::size_t i = begin; i < end; ++i) tokens[i] = encode_with(texts[i], options, cache);
  });
  return tokens;
}

const std::string& BytePairTokenizer::token(std::int64_t number) const {
  if (number >= 0 && static_cast<std::size_t>(number) < size())
    return parts_.tokens[static_cast<std::size_t>(number)];
  throw Error(ErrorClass::kData,
              "bpe.no_such_token",
              {.what = "a token is not in the vocabulary",
               .seen = std::to_string(number),
               .wanted = "0 to " + std::to_string(size() - 1),
               .remedy = "decode with the tokenizer that encoded"});
}

std::string BytePairTokenizer::decode(std::span<const std::int64_t> tokens) const {
  std::string text;
  for (const std::int64_t number : tokens) text += token(number);
  return text;
}

bool BytePairTokenizer::is_special(std::int64_t number) const {
  return number >= 0 && static_cast<std::size_t>(number) < size() &&
         special_[static_cast<std::size_t>(number)];
}

std::int64_t BytePairTokenizer::number(std::string_view token) const {
  const auto found = numbers_.find(std::string(token));
  return found == numbers_.end() ? -1 : static_cast<std::int64_t>(found->second);
}

}  // namespace tenfold::text
