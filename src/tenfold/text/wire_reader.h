// SPDX-License-Identifier: Apache-2.0
// Fields of a protocol-buffer message, in place and within bounds. Groups, which nothing has used for many years, are refused.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenfold::text {

struct WireField {
  std::uint64_t number = 0;
  // One of: a whole number, the bits of a fixed number, or bytes (text, a message, packed numbers).
  enum class Kind { kVarint, kFixed64, kFixed32, kBytes } kind = Kind::kVarint;
  std::uint64_t bits = 0;
  std::string_view bytes;

  float as_float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }
};

class WireReader {
 public:
  explicit WireReader(std::string_view message) : message_(message) {}

  // False at the end or where the message is damaged; then damaged() tells which.
  bool next(WireField& field) {
    if (at_ == message_.size() || damaged_) return false;
    const auto key = varint();
    if (key) {
      field.number = *key >> 3;
      if (field.number > 0 && value(field, *key & 7)) return true;
    }
    damaged_ = true;
    return false;
  }
  bool damaged() const { return damaged_; }
  std::size_t position() const { return at_; }  // bytes read

 private:
  std::size_t left() const { return message_.size() - at_; }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && at_ < message_.size(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(message_[at_++]);
      if (shift == 63 && byte > 1) return std::nullopt;  // more than 64 bits
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> fixed(std::size_t size) {
    if (left() < size) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(message_[at_ + i])) << (8 * i);
    at_ += size;
    return value;
  }

  bool value(WireField& field, std::uint64_t type) {
    field.bytes = {};
    std::optional<std::uint64_t> bits;
    switch (type) {
      case 0:
        field.kind = WireField::Kind::kVarint;
        bits = varint();
        break;
      case 1:
        field.kind = WireField::Kind::kFixed64;
        bits = fixed(8);
        break;
      case 2:
        field.kind = WireField::Kind::kBytes;
        bits = varint();
        if (!bits || *bits > left()) return false;
        field.bytes = message_.substr(at_, *bits);
        at_ += *bits;
        break;
      case 5:
        field.kind = WireField::Kind::kFixed32;
        bits = fixed(4);
        break;
      default:
        return false;
    }
    field.bits = bits.value_or(0);
    return bits.has_value();
  }

  std::string_view message_;
  std::size_t at_ = 0;
  bool damaged_ = false;
};

}  // namespace tenfold::text
