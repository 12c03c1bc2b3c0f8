// SPDX-License-Identifier: Apache-2.0
// A scanner for the one JSON shape a header may have. No recursion, no copies of the text.
#include "tenfold/io/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json_string.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::io::detail {
namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class HeaderParser {
 public:
  HeaderParser(SafetensorsHeader& header, std::uint64_t buffer_size, std::string_view label)
      : header_(header), text_(header.view()), buffer_size_(buffer_size), label_(label) {}

  void parse() {
    if (text_.empty() || text_.front() != '{') {
      fail("header_start",
           {.what = "the header does not begin with '{'",
            .seen = text_.empty() ? "an empty header" : printable(text_.substr(0, 1)),
            .wanted = "a JSON object"});
    }
    if (!is_valid_utf8(text_)) fail("header_utf8", {.what = "the header is not valid UTF-8"});
    object([this](WrittenRange name) {
      if (equals(name, "__metadata__")) {
        if (std::exchange(has_metadata_, true)) duplicate("duplicate_name", "a name", name);
        metadata();
      } else {
        tensor(name);
      }
    });
    const std::size_t rest = text_.find_first_not_of(' ', position_);
    if (rest != std::string_view::npos) {
      fail(
          "header_padding",
          {.what = fmt::format("the JSON object of the header ends, but byte {} of the header follows", rest),
           .seen = printable(text_.substr(rest, 1)),
           .wanted = "only spaces"});
    }
    check_ranges();
    sort_and_check_names();
  }

 private:
  // --- errors ---

  [[noreturn]] void fail(std::string_view code, ErrorText text) const {
    text.what = fmt::format("{}: {}", printable(label_, 400), text.what);
    if (text.remedy.empty()) {
      text.remedy = "the file is damaged or not a safetensors file: get it again or write it anew";
    }
    throw Error(ErrorClass::kFile, fmt::format("safetensors.{}", code), std::move(text));
  }

  [[noreturn]] void syntax(std::string_view wanted) const {
    fail("header_json",
         {.what = fmt::format("the header is not valid JSON at byte {}", position_),
          .seen = position_ < text_.size() ? printable(text_.substr(position_, 20)) : "the end of the header",
          .wanted = std::string(wanted)});
  }

  // For a value of the wrong kind: `code` when some JSON value begins here, else a syntax error.
  [[noreturn]] void wrong_kind(std::string_view code, std::string_view wanted) const {
    constexpr std::string_view kValueStarts = "\"{[-0123456789tfn";
    if (position_ >= text_.size() || kValueStarts.find(text_[position_]) == std::string_view::npos) {
      syntax(wanted);
    }
    fail(code,
         {.what = fmt::format("wrong kind of value at byte {} of the header", position_),
          .seen = printable(text_.substr(position_, 20)),
          .wanted = std::string(wanted)});
  }

  [[noreturn]] void duplicate(std::string_view code, std::string_view noun, WrittenRange name) const {
    fail(code,
         {.what = fmt::format("{} occurs twice in the header", noun),
          .seen = quoted(name),
          .wanted = "every name once"});
  }

  std::string quoted(WrittenRange name) const {
    return fmt::format("\"{}\"", printable(header_.written(name).text));
  }
  bool equals(WrittenRange written, std::string_view plain) const {
    return compare(header_.written(written), plain) == 0;
  }

  // --- JSON tokens ---

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  void skip_space() { position_ = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size()); }

  bool accept(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  WrittenRange string(std::string_view wanted) {
    if (!accept('"')) syntax(wanted);
    const auto written = scan_written_string(text_.substr(position_));
    if (!written) syntax("a string with valid escapes and a closing quote");
    WrittenRange range{.begin = static_cast<std::uint32_t>(position_)};
    range.size = static_cast<std::uint32_t>(written->text.size()) & 0x7FFFFFFFu;
    range.escaped = written->escaped ? 1 : 0;
    position_ += written->text.size() + 1;
    return range;
  }

  // Calls member(key) with the position at the value of each member.
  template <typename Member>
  void object(Member member) {
    if (!accept('{')) syntax("'{'");
    if (accept('}')) return;
    do {
      const WrittenRange key = string("a name in quotes");
      if (!accept(':')) syntax("':'");
      skip_space();
      member(key);
    } while (accept(','));
    if (!accept('}')) syntax("',' or '}'");
  }

  template <typename Element>
  void array(Element element) {
    if (!accept('[')) syntax("'['");
    if (accept(']')) return;
    do {
      skip_space();
      element();
    } while (accept(','));
    if (!accept(']')) syntax("',' or ']'");
  }

  std::uint64_t integer(std::string_view noun) {
    const std::size_t begin = position_;
    const bool negative = peek() == '-';
    if (negative) ++position_;
    if (!is_digit(peek())) {
      if (negative) syntax("a number");
      wrong_kind("not_an_integer", fmt::format("a whole number in {}", noun));
    }
    if (peek() == '0' && position_ + 1 < text_.size() && is_digit(text_[position_ + 1])) {
      syntax("a number without leading zeros");
    }
    std::optional<std::uint64_t> value = 0;
    for (; is_digit(peek()); ++position_) {
      if (value) value = checked::mul<std::uint64_t>(*value, 10);
      if (value) value = checked::add<std::uint64_t>(*value, static_cast<std::uint64_t>(peek() - '0'));
    }
    const auto reject = [&](std::string_view code, std::string wanted) {
      fail(code,
           {.what = fmt::format("bad number in {} at byte {} of the header", noun, begin),
            .seen = printable(text_.substr(begin, 30)),
            .wanted = std::move(wanted)});
    };
    if (peek() == '.' || peek() == 'e' || peek() == 'E') {
      check_fraction();
      reject("not_an_integer", "a whole number");
    }
    if (negative) reject("negative_integer", "0 or more");
    if (!value) reject("integer_too_large", "less than 2^64");
    return *value;
  }

  // The rest of a number after its whole part, so that malformed JSON is told from a fraction.
  void check_fraction() {
    const auto digits = [this] {
      if (!is_digit(peek())) syntax("a digit");
      while (is_digit(peek())) ++position_;
    };
    if (peek() == '.') {
      ++position_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++position_;
      if (peek() == '+' || peek() == '-') ++position_;
      digits();
    }
  }

  // --- parts of the header ---

  void metadata() {
    if (peek() != '{') wrong_kind("metadata_not_object", "an object of strings under __metadata__");
    object([this](WrittenRange key) {
      if (peek() != '"') wrong_kind("metadata_not_string", "a string for each key of __metadata__");
      string("a string");
      header_.metadata_keys.push_back(key);
    });
  }

  void tensor(WrittenRange name) {
    if (peek() != '{') wrong_kind("tensor_not_object", "an object with dtype, shape and data_offsets");
    TensorRecord record{.name = name};
    std::array<std::uint64_t, kMaxTensorRank> shape{};
    std::array<bool, 3> seen{};  // dtype, shape, data_offsets
    const auto first_time = [&](std::size_t which, WrittenRange key) {
      if (std::exchange(seen.at(which), true)) {
        duplicate("duplicate_key", fmt::format("a key of tensor {}", quoted(name)), key);
      }
    };
    object([&](WrittenRange key) {
      if (equals(key, "dtype")) {
        first_time(0, key);
        record.dtype = dtype(name);
      } else if (equals(key, "shape")) {
        first_time(1, key);
        record.shape_begin = static_cast<std::uint32_t>(position_);
        record.rank = dimensions(name, shape);
      } else if (equals(key, "data_offsets")) {
        first_time(2, key);
        offsets(name, record);
      } else {
        fail("unknown_key",
             {.what = fmt::format("tensor {} has an unknown key", quoted(name)),
              .seen = quoted(key),
              .wanted = "dtype, shape and data_offsets"});
      }
    });
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (seen[i]) continue;
      constexpr std::array<std::string_view, 3> kKeys = {"dtype", "shape", "data_offsets"};
      fail("missing_key",
           {.what = fmt::format("tensor {} lacks a key", quoted(name)), .wanted = std::string(kKeys[i])});
    }
    check_size(record, std::span(shape).first(record.rank));
    header_.tensors.push_back(record);
  }

  DType dtype(WrittenRange name) {
    if (peek() != '"') wrong_kind("dtype_not_string", "a string for dtype");
    const WrittenRange written = string("a string");
    for (std::size_t i = 0; i < kDTypeCount; ++i) {
      if (equals(written, to_string(static_cast<DType>(i)))) return static_cast<DType>(i);
    }
    fail("unknown_dtype",
         {.what = fmt::format("tensor {} has an unknown dtype", quoted(name)),
          .seen = quoted(written),
          .wanted = "one of BOOL U8 I8 F8_E5M2 F8_E4M3 I16 U16 F16 BF16 I32 U32 F32 F64 I64 U64"});
  }

  std::uint8_t dimensions(WrittenRange name, std::array<std::uint64_t, kMaxTensorRank>& shape) {
    if (peek() != '[') wrong_kind("shape_not_array", "an array of whole numbers for shape");
    std::size_t rank = 0;
    array([&] {
      if (rank == kMaxTensorRank) {
        fail("rank",
             {.what = fmt::format("tensor {} has too many dimensions", quoted(name)),
              .seen = fmt::format("more than {}", kMaxTensorRank),
              .wanted = fmt::format("at most {}", kMaxTensorRank)});
      }
      shape.at(rank++) = integer("shape");
    });
    return static_cast<std::uint8_t>(rank);
  }

  void offsets(WrittenRange name, TensorRecord& record) {
    if (peek() != '[') wrong_kind("offsets_not_pair", "[begin, end] for data_offsets");
    std::array<std::uint64_t, 2> values{};
    std::size_t count = 0;
    array([&] {
      const std::uint64_t value = integer("data_offsets");
      if (count < values.size()) values.at(count) = value;
      ++count;
    });
    if (count != values.size()) {
      fail("offsets_not_pair",
           {.what = fmt::format("data_offsets of tensor {} is not a pair", quoted(name)),
            .seen = fmt::format("{} numbers", count),
            .wanted = "[begin, end]"});
    }
    record.begin = values[0];
    record.end = values[1];
    const std::string seen = fmt::format("[{}, {}]", record.begin, record.end);
    if (record.begin > record.end) {
      fail("offsets_reversed",
           {.what = fmt::format("data_offsets of tensor {} end before they begin", quoted(name)),
            .seen = seen});
    }
    if (record.end > buffer_size_) {
      fail("offsets_past_end",
           {.what = fmt::format("data_offsets of tensor {} reach past the end of the file", quoted(name)),
            .seen = seen,
            .wanted = fmt::format("at most {}", buffer_size_),
            .remedy = "the file may be cut short: compare its size with the source and get it again"});
    }
  }

  void check_size(const TensorRecord& record, std::span<const std::uint64_t> shape) const {
    const auto bytes = byte_count(record.dtype, shape);
    if (!bytes) {
      fail("shape_overflow",
           {.what = fmt::format("the shape of tensor {} has too many elements", quoted(record.name)),
            .seen = fmt::format("[{}]", fmt::join(shape, ", ")),
            .wanted = "less than 2^64 bytes"});
    }
    if (*bytes != record.end - record.begin) {
      fail("size_mismatch",
           {.what = fmt::format("shape and data_offsets of tensor {} disagree", quoted(record.name)),
            .seen = fmt::format("{} bytes in data_offsets", record.end - record.begin),
            .wanted = fmt::format(
                "{} bytes for {} [{}]", *bytes, to_string(record.dtype), fmt::join(shape, ", "))});
    }
  }

  // --- rules about all tensors together ---

  // Ranges follow each other from 0 to the end of the buffer: no byte unused, none used twice.
  void check_ranges() {
    std::sort(header_.tensors.begin(), header_.tensors.end(), [](const auto& a, const auto& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t expected = 0;
    for (const TensorRecord& record : header_.tensors) {
      if (record.begin != expected) {
        fail(record.begin > expected ? "hole" : "overlap",
             {.what =
                  fmt::format("tensor {} does not begin where the one before it ends", quoted(record.name)),
              .seen = fmt::format("begin {}", record.begin),
              .wanted = fmt::format("begin {}", expected)});
      }
      expected = record.end;
    }
    if (expected != buffer_size_) {
      fail("trailing_bytes",
           {.what = "bytes at the end of the file belong to no tensor",
            .seen = fmt::format("{} bytes after the header", buffer_size_),
            .wanted = fmt::format("{} bytes", expected)});
    }
  }

  void sort_and_check_names() {
    if (const auto* twin = sort_by_name(header_.tensors, [](const TensorRecord& r) { return r.name; })) {
      duplicate("duplicate_name", "a name", twin->name);
    }
    if (const auto* twin = sort_by_name(header_.metadata_keys, [](WrittenRange key) { return key; })) {
      duplicate("duplicate_metadata_key", "a key of __metadata__", *twin);
    }
  }

  // Returns the first of two entries with the same name, or null.
  template <typename Entry, typename NameOf>
  const Entry* sort_by_name(std::deque<Entry>& entries, NameOf name_of) {
    const auto order = [&](const Entry& a, const Entry& b) {
      return compare(header_.written(name_of(a)), header_.written(name_of(b)));
    };
    std::sort(
        entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return order(a, b) < 0; });
    const auto twin = std::adjacent_find(
        entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return order(a, b) == 0; });
    return twin == entries.end() ? nullptr : &*twin;
  }

  SafetensorsHeader& header_;
  std::string_view text_;
  std::uint64_t buffer_size_;
  std::string_view label_;
  std::size_t position_ = 0;
  bool has_metadata_ = false;
};

}  // namespace

// Both run on text that HeaderParser has accepted.
std::vector<std::uint64_t> SafetensorsHeader::shape(const TensorRecord& record) const {
  std::vector<std::uint64_t> dimensions;
  bool in_number = false;
  for (std::size_t i = record.shape_begin; view()[i] != ']'; ++i) {
    const char c = view()[i];
    if (is_digit(c)) {
      if (!in_number) dimensions.push_back(0);
      dimensions.back() = dimensions.back() * 10 + static_cast<std::uint64_t>(c - '0');
    }
    in_number = is_digit(c);
  }
  return dimensions;
}

std::string SafetensorsHeader::metadata_value(WrittenRange key) const {
  const std::size_t colon = view().find(':', key.begin + key.size);
  const std::size_t quote = view().find('"', colon);
  const auto value = scan_written_string(view().substr(quote + 1));
  check_internal(value.has_value(), "metadata was checked when the header was read");
  return decode(*value);
}

SafetensorsHeader parse_safetensors_header(std::unique_ptr<char[]> text,
                                           std::uint32_t text_size,
                                           std::uint64_t buffer_size,
                                           std::string_view label) {
  SafetensorsHeader header{.text = std::move(text), .text_size = text_size};
  HeaderParser(header, buffer_size, label).parse();
  return header;
}

}  // namespace tenfold::io::detail
