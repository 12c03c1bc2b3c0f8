// SPDX-License-Identifier: Apache-2.0
// Escapes as RFC 8259 section 7 has them.
#include "tenfold/io/json_string.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tenfold::io {
namespace {

std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    value <<= 4;
    if (c >= '0' && c <= '9') {
      value |= static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value |= static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value |= static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

constexpr bool is_high_surrogate(std::uint32_t unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}
constexpr bool is_low_surrogate(std::uint32_t unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

// One step of decoding: the UTF-8 bytes of one escape, or one plain byte, and how much text it took.
struct Piece {
  std::array<char, 4> bytes{};
  std::size_t size = 0;
  std::size_t taken = 0;  // 0: not a valid escape
};

Piece encode(std::uint32_t point, std::size_t taken) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (point < 0x80) return {{byte(point)}, 1, taken};
  if (point < 0x800) return {{byte(0xC0 | point >> 6), byte(0x80 | (point & 0x3F))}, 2, taken};
  if (point < 0x10000) {
    return {
        {byte(0xE0 | point >> 12), byte(0x80 | (point >> 6 & 0x3F)), byte(0x80 | (point & 0x3F))}, 3, taken};
  }
  return {{byte(0xF0 | point >> 18),
           byte(0x80 | (point >> 12 & 0x3F)),
           byte(0x80 | (point >> 6 & 0x3F)),
           byte(0x80 | (point & 0x3F))},
          4,
          taken};
}

// `text` begins with a backslash.
Piece decode_escape(std::string_view text) {
  if (text.size() < 2) return {};
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (text[1] != 'u') {
    const std::size_t i = kLetters.find(text[1]);
    if (i == std::string_view::npos) return {};
    return {{kMeanings[i]}, 1, 2};
  }
  const auto unit = hex4(text.substr(2));
  if (!unit || is_low_surrogate(*unit)) return {};
  if (!is_high_surrogate(*unit)) return encode(*unit, 6);
  if (text.size() < 12 || text[6] != '\\' || text[7] != 'u') return {};
  const auto low = hex4(text.substr(8));
  if (!low || !is_low_surrogate(*low)) return {};
  return encode(0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00), 12);
}

// Gives the decoded bytes of a checked string one at a time.
class Decoder {
 public:
  explicit Decoder(std::string_view written) : rest_(written) {}

  // -1 at the end.
  int next() {
    if (given_ == piece_.size) {
      if (rest_.empty()) return -1;
      piece_ = rest_.front() == '\\' ? decode_escape(rest_) : Piece{{rest_.front()}, 1, 1};
      rest_.remove_prefix(piece_.taken);
      given_ = 0;
    }
    return static_cast<unsigned char>(piece_.bytes[given_++]);
  }

 private:
  std::string_view rest_;
  Piece piece_;
  std::size_t given_ = 0;
};

std::strong_ordering compare_plain(std::string_view a, std::string_view b) {
  return a.compare(b) <=> 0;
}

}  // namespace

std::optional<WrittenString> scan_written_string(std::string_view rest) {
  bool escaped = false;
  std::size_t i = 0;
  while (i < rest.size()) {
    const auto c = static_cast<unsigned char>(rest[i]);
    if (c == '"') return WrittenString{rest.substr(0, i), escaped};
    if (c < 0x20) return std::nullopt;
    if (c != '\\') {
      ++i;
      continue;
    }
    escaped = true;
    const std::size_t taken = decode_escape(rest.substr(i)).taken;
    if (taken == 0) return std::nullopt;
    i += taken;
  }
  return std::nullopt;
}

std::string decode(WrittenString written) {
  if (!written.escaped) return std::string(written.text);
  std::string decoded;
  decoded.reserve(written.text.size());
  Decoder decoder(written.text);
  for (int byte = decoder.next(); byte >= 0; byte = decoder.next()) decoded += static_cast<char>(byte);
  return decoded;
}

std::strong_ordering compare(WrittenString a, WrittenString b) {
  if (!a.escaped) return 0 <=> compare(b, a.text);
  if (!b.escaped) return compare(a, b.text);
  Decoder left(a.text);
  Decoder right(b.text);
  while (true) {
    const int x = left.next();
    const int y = right.next();
    if (x != y) return x <=> y;
    if (x < 0) return std::strong_ordering::equal;
  }
}

std::strong_ordering compare(WrittenString written, std::string_view plain) {
  if (!written.escaped) return compare_plain(written.text, plain);
  Decoder decoder(written.text);
  for (const char c : plain) {
    const int wanted = static_cast<unsigned char>(c);
    const int byte = decoder.next();
    if (byte != wanted) return byte <=> wanted;
  }
  return decoder.next() < 0 ? std::strong_ordering::equal : std::strong_ordering::greater;
}

}  // namespace tenfold::io
