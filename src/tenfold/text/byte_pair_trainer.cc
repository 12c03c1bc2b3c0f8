// SPDX-License-Identifier: Apache-2.0
// Training of a byte-pair tokenizer. The texts are reduced to their different pieces and how often each occurs; for every pair of
// neighbours there is a count and the pieces that have it, so that a merge touches only these.
#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_set>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/text/byte_pair.h"
#include "tenfold/text/pretokenizer.h"

namespace tenfold::text {
namespace {

constexpr std::size_t kTextsAtOnce = 1024;
constexpr std::size_t kLongestPiece =
    256;  // bytes; a longer one is no word, and is cut so that a merge stays cheap

using PieceCounts = std::unordered_map<std::string_view, std::int64_t>;

PieceCounts count_pieces(std::span<const std::string> texts) {
  std::vector<PieceCounts> parts((texts.size() + kTextsAtOnce - 1) / kTextsAtOnce);
  parallel_for(texts.size(), kTextsAtOnce, [&](std::size_t begin, std::size_t end) {
    PieceCounts& counts = parts[begin / kTextsAtOnce];
    for (std::size_t i = begin; i < end; ++i)
      for (std::string_view piece : pretokenize(texts[i]))
        for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), kLongestPiece)))
          ++counts[piece.substr(0, kLongestPiece)];
  });
  PieceCounts all;
  for (const PieceCounts& counts : parts)
    for (const auto& [piece, count] : counts) all[piece] += count;
  return all;
}

struct Piece {
  std::vector<std::uint32_t> tokens;
  std::int64_t count;
};

std::uint64_t key_of(std::uint32_t left, std::uint32_t right) {
  return std::uint64_t{left} << 32 | right;
}

struct Pair {
  std::int64_t count = 0;
  std::vector<std::uint32_t> pieces;  // those that have it or had it
};

// An entry of the queue may be out of date: the count in the table decides.
struct Entry {
  std::int64_t count;
  std::uint64_t key;
  bool operator<(const Entry& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class Trainer {
 public:
  Trainer(std::span<const std::string> texts, const BytePairTrainOptions& options) : options_(options) {
    add_first_tokens();
    const PieceCounts counts = count_pieces(texts);
    std::vector<std::pair<std::string_view, std::int64_t>> sorted(counts.begin(), counts.end());
    std::sort(sorted.begin(), sorted.end());  // the order of a hash table is nobody's promise
    for (const auto& [bytes, count] : sorted) {
      Piece piece{{}, count};
      for (const char byte : bytes) piece.tokens.push_back(numbers_.at(std::string(1, byte)));
      pieces_.push_back(std::move(piece));
    }
    for (std::uint32_t i = 0; i < pieces_.size(); ++i) count_pairs(i, 1, kEveryPair);
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  BytePairParts run() {
    while (parts_.tokens.size() < options_.tokens && !queue_.empty()) {
      const Entry best = queue_.top();
      queue_.pop();
      const std::int64_t count = pairs_.at(best.key).count;
      if (count < best.count && count > 0) queue_.push({count, best.key});
      if (count != best.count) continue;
      if (count < options_.least_count) break;
      merge(static_cast<std::uint32_t>(best.key >> 32), static_cast<std::uint32_t>(best.key));
    }
    return std::move(parts_);
  }

 private:
  static constexpr std::uint32_t kEveryPair = std::numeric_limits<std::uint32_t>::max();

  void add_first_tokens() {
    for (const std::string& name : options_.special_tokens) {
      if (name.size() < 2 || !is_valid_utf8(name) || !specials_.insert(name).second)
        throw Error(ErrorClass::kConfig,
                    "bpe.special_token",
                    {.what = "a special token cannot be told from others",
                     .seen = "'" + printable(name) + "'",
                     .wanted = "different names of two bytes or more, in UTF-8",
                     .remedy = "name it like <s>"});
      add_token(name);
    }
    if (options_.tokens < specials_.size() + 256)
      throw Error(ErrorClass::kConfig,
                  "bpe.vocabulary_size",
                  {.what = "the vocabulary is too small",
                   .seen = std::to_string(options_.tokens) + " tokens",
                   .wanted = "at least " + std::to_string(specials_.size() + 256) +
                             ": every byte and the special tokens",
                   .remedy = "ask for more tokens"});
    // GPT-2's order: bytes that are printed as they are come first.
    for (int pass = 0; pass < 2; ++pass)
      for (int byte = 0; byte < 256; ++byte) {
        const std::string bytes(1, static_cast<char>(byte));
        const bool moved = static_cast<unsigned char>(to_printable_bytes(bytes)[0]) >= 0xC4;  // U+0100 and on
        if (moved == (pass == 1)) add_token(bytes);
      }
  }

  std::uint32_t add_token(const std::string& bytes) {
    const auto [entry, is_new] = numbers_.emplace(bytes, static_cast<std::uint32_t>(parts_.tokens.size()));
    if (is_new) parts_.tokens.push_back(bytes);
    return entry->second;
  }

  // Adds `sign` times the piece's count to each of its pairs. Pairs with `changed` in them learn that this piece has them.
  void count_pairs(std::uint32_t number, std::int64_t sign, std::uint32_t changed) {
    const Piece& piece = pieces_[number];
    for (std::size_t i = 0; i + 1 < piece.tokens.size(); ++i) {
      const std::uint32_t left = piece.tokens[i], right = piece.tokens[i + 1];
      Pair& pair = pairs_[key_of(left, right)];
      pair.count += sign * piece.count;
      if (sign < 0 || (changed != kEveryPair && changed != left && changed != right)) continue;
      if (pair.pieces.empty() || pair.pieces.back() != number) pair.pieces.push_back(number);
      if (changed != kEveryPair) changed_.insert(key_of(left, right));
    }
  }

  void merge(std::uint32_t left, std::uint32_t right) {
    Pair& pair = pairs_.at(key_of(left, right));
    const std::string bytes = parts_.tokens[left] + parts_.tokens[right];
    if (specials_.contains(bytes)) return;  // never made of text
    const std::vector<std::uint32_t> with_it = std::exchange(pair.pieces, {});
    const std::uint32_t joined = add_token(bytes);
    parts_.merges.push_back({left, right});
    changed_.clear();
    for (const std::uint32_t number : with_it) join_in(number, {left, right}, joined);
    for (const std::uint64_t key : changed_) queue_.push({pairs_.at(key).count, key});
  }

  void join_in(std::uint32_t number, BytePairMerge merge, std::uint32_t joined) {
    std::vector<std::uint32_t>& tokens = pieces_[number].tokens;
    const auto is_here = [&](std::size_t i) {
      return i + 1 < tokens.size() && tokens[i] == merge.left && tokens[i + 1] == merge.right;
    };
    std::size_t first = 0;
    while (first < tokens.size() && !is_here(first)) ++first;
    if (first == tokens.size()) return;
    count_pairs(number, -1, joined);
    std::size_t out = first;
    for (std::size_t i = first; i < tokens.size(); ++out) {
      const bool here = is_here(i);
      const std::uint32_t token = here ? joined : tokens[i];
      i += here ? 2 : 1;
      tokens[out] = token;
    }
    tokens.resize(out);
    count_pairs(number, 1, joined);
  }

  const BytePairTrainOptions& options_;
  BytePairParts parts_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::unordered_set<std::string> specials_;
  std::vector<Piece> pieces_;
  std::unordered_map<std::uint64_t, Pair> pairs_;
  std::unordered_set<std::uint64_t> changed_;  // pairs of the token that the current merge makes
  std::priority_queue<Entry> queue_;
};

}  // namespace

BytePairParts train_byte_pair(std::span<const std::string> texts, const BytePairTrainOptions& options) {
  return Trainer(texts, options).run();
}

}  // namespace tenfold::text
