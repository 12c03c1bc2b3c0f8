// SPDX-License-Identifier: Apache-2.0
// A scanner for the one Python dictionary that the header may be, then plain bytes.
#include "tenfold/io/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/byte_order.h"

namespace tenfold::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxHeader = 1 << 20;  // 32 dimensions need less than 1 KB

[[noreturn]] void refuse(const InputFile& file, std::string_view code, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(file.label(), 400), text.what);
  if (text.remedy.empty()) {
    text.remedy = "save a plain numeric array with numpy.save(path, array, allow_pickle=False)";
  }
  throw Error(ErrorClass::kFile, fmt::format("npy.{}", code), std::move(text));
}

struct NpyName {
  std::string_view name;  // without the byte order
  DType dtype;
};
constexpr std::array<NpyName, 12> kNames = {{{"b1", DType::kBool},
                                             {"u1", DType::kU8},
                                             {"i1", DType::kI8},
                                             {"i2", DType::kI16},
                                             {"u2", DType::kU16},
                                             {"f2", DType::kF16},
                                             {"i4", DType::kI32},
                                             {"u4", DType::kU32},
                                             {"f4", DType::kF32},
                                             {"f8", DType::kF64},
                                             {"i8", DType::kI64},
                                             {"u8", DType::kU64}}};

struct Header {
  DType dtype = DType::kF32;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with the keys in any order.
class HeaderParser {
 public:
  HeaderParser(const InputFile& file, std::string_view text) : file_(file), text_(text) {}

  Header parse() {
    expect('{');
    while (!accept('}')) {
      member(string());
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    if (position_ != text_.size()) syntax("only spaces and a line end after the dictionary");
    constexpr std::array<std::string_view, 3> kKeys = {"descr", "fortran_order", "shape"};
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      if (!seen_.at(i))
        refuse(file_, "missing_key", {.what = "the header lacks a key", .wanted = std::string(kKeys.at(i))});
    }
    return std::move(header_);
  }

 private:
  [[noreturn]] void syntax(std::string_view wanted) const {
    refuse(
        file_,
        "header_syntax",
        {.what = fmt::format("the header is malformed at byte {}", position_),
         .seen = position_ < text_.size() ? printable(text_.substr(position_, 20)) : "the end of the header",
         .wanted = std::string(wanted)});
  }

  void skip_space() { position_ = std::min(text_.find_first_not_of(" \t\n", position_), text_.size()); }

  bool accept(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) syntax(fmt::format("'{}'", c));
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  std::string_view string() {
    skip_space();
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') syntax("a string in quotes");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) syntax("a closing quote");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    if (content.find('\\') != std::string_view::npos) syntax("a string without escapes");
    position_ = end + 1;
    return content;
  }

  void member(std::string_view key) {
    const auto first_time = [&](std::size_t which) {
      if (std::exchange(seen_.at(which), true)) {
        refuse(file_, "duplicate_key", {.what = "the header has a key twice", .seen = printable(key)});
      }
    };
    expect(':');
    if (key == "descr") {
      first_time(0);
      descr();
    } else if (key == "fortran_order") {
      first_time(1);
      header_.fortran_order = accept_word("True");
      if (!header_.fortran_order && !accept_word("False")) syntax("True or False");
    } else if (key == "shape") {
      first_time(2);
      shape();
    } else {
      refuse(file_,
             "unknown_key",
             {.what = "the header has an unknown key",
              .seen = printable(key),
              .wanted = "descr, fortran_order and shape"});
    }
  }

  void descr() {
    skip_space();
    const std::string_view rest = text_.substr(position_);
    const std::string_view descr = rest.starts_with('[') ? rest.substr(0, 20) : string();
    const char order = descr.empty() ? '\0' : descr.front();
    const auto* entry = kNames.end();
    if (order == '<' || order == '>' || order == '|') {
      entry = std::find_if(
          kNames.begin(), kNames.end(), [&](const NpyName& name) { return name.name == descr.substr(1); });
    }
    // '|' means that byte order does not matter: one-byte elements only.
    if (entry == kNames.end() || (order == '|' && element_size(entry->dtype) > 1)) {
      refuse(file_,
             "unsupported_dtype",
             {.what = "the array has an element type that is not supported",
              .seen = printable(descr, 40),
              .wanted = "bool, integers of 8 to 64 bits or floats of 16 to 64 bits, such as '<f4'"});
    }
    header_.dtype = entry->dtype;
    header_.big_endian = order == '>';
  }

  void shape() {
    expect('(');
    while (!accept(')')) {
      if (header_.shape.size() == kMaxNpyRank) {
        refuse(file_,
               "rank",
               {.what = "the array has too many dimensions",
                .seen = fmt::format("more than {}", kMaxNpyRank),
                .wanted = fmt::format("at most {}", kMaxNpyRank)});
      }
      header_.shape.push_back(integer());
      if (accept(',')) continue;
      // Without the comma, (3) is a number in brackets, not a tuple.
      if (header_.shape.size() == 1) syntax("',' after a single dimension");
      expect(')');
      break;
    }
  }

  std::uint64_t integer() {
    skip_space();
    const std::size_t end = std::min(text_.find_first_not_of("0123456789", position_), text_.size());
    const std::string_view digits = text_.substr(position_, end - position_);
    if (digits.empty()) syntax("a whole number that is not negative");
    if (digits.size() > 1 && digits.front() == '0') syntax("a number without leading zeros");
    std::optional<std::uint64_t> value = 0;
    for (const char c : digits) {
      if (value) value = checked::mul<std::uint64_t>(*value, 10);
      if (value) value = checked::add<std::uint64_t>(*value, static_cast<std::uint64_t>(c - '0'));
    }
    if (!value) {
      refuse(file_, "shape_overflow", {.what = "a dimension is too large", .seen = printable(digits, 40)});
    }
    position_ = end;
    return *value;
  }

  const InputFile& file_;
  std::string_view text_;
  std::size_t position_ = 0;
  std::array<bool, 3> seen_{};
  Header header_;
};

// Reads the header and sets `data_begin` to the position after it.
Header read_header(const InputFile& file, std::uint64_t& data_begin) {
  std::array<std::byte, 12> prefix{};
  const std::size_t available = std::min<std::uint64_t>(prefix.size(), file.size());
  file.read_at(0, std::span(prefix).first(available));
  const std::string_view seen(reinterpret_cast<const char*>(prefix.data()), available);
  if (!seen.starts_with(kMagic)) {
    refuse(file,
           "magic",
           {.what = "not a .npy file",
            .seen = fmt::format("\"{}\"", printable(seen.substr(0, 6))),
            .wanted = "the bytes \\x93NUMPY at the beginning"});
  }
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(prefix.at(i)); };
  const std::uint32_t major = available > 7 ? byte(6) : 0;
  if (available > 7 && (major < 1 || major > 3 || byte(7) != 0)) {
    refuse(file,
           "version",
           {.what = "unknown version of the .npy format",
            .seen = fmt::format("{}.{}", major, byte(7)),
            .wanted = "1.0, 2.0 or 3.0"});
  }
  data_begin = major == 1 ? 10 : 12;
  std::uint64_t length = 0;
  if (available >= data_begin) {
    length = major == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  }
  if (available < data_begin || length > std::min(kMaxHeader, file.size() - data_begin)) {
    refuse(file,
           "header_past_end",
           {.what = "the header claims to be longer than the file or the limit",
            .seen = fmt::format("{} bytes of header in a file of {} bytes", length, file.size()),
            .wanted = fmt::format("at most {} bytes", kMaxHeader)});
  }
  std::string text(length, '\0');
  file.read_at(data_begin, std::as_writable_bytes(std::span(text.data(), text.size())));
  data_begin += length;
  return HeaderParser(file, text).parse();
}

// From first-index-fastest to last-index-fastest. Every product here is bounded by the size of the data.
AlignedBuffer to_c_order(const AlignedBuffer& fortran,
                         std::span<const std::uint64_t> shape,
                         std::size_t size) {
  AlignedBuffer result(fortran.size());
  if (result.size() == 0) return result;
  std::vector<std::uint64_t> index(shape.size(), 0);
  std::vector<std::uint64_t> stride(shape.size(), size);
  for (std::size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
  std::uint64_t source = 0;
  for (std::uint64_t target = 0; target < result.size(); target += size) {
    std::copy_n(fortran.bytes().subspan(source).begin(), size, result.bytes().subspan(target).begin());
    for (std::size_t d = shape.size(); d-- > 0;) {
      source += stride[d];
      if (++index[d] < shape[d]) break;
      source -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return result;
}

}  // namespace

void NpyArray::require(DType wanted) const {
  if (dtype == wanted) return;
  throw Error(ErrorClass::kFile,
              "npy.wrong_dtype",
              {.what = "the array has another element type",
               .seen = std::string(to_string(dtype)),
               .wanted = std::string(to_string(wanted)),
               .remedy = "convert it with array.astype(...) and save it again"});
}

NpyArray read_npy(const Path& path, std::uint64_t limit) {
  return read_npy(InputFile::open(path), limit);
}

NpyArray read_npy(const InputFile& file, std::uint64_t limit) {
  std::uint64_t data_begin = 0;
  Header header = read_header(file, data_begin);
  const auto bytes = byte_count(header.dtype, header.shape);
  const std::string shape_text = fmt::format("[{}]", fmt::join(header.shape, ", "));
  if (!bytes) {
    refuse(file, "shape_overflow", {.what = "the shape has too many elements", .seen = shape_text});
  }
  const std::uint64_t present = file.size() - data_begin;
  if (*bytes != present) {
    refuse(file,
           *bytes > present ? "truncated" : "trailing_bytes",
           {.what = "the file does not hold what its header says",
            .seen = fmt::format("{} bytes of data", present),
            .wanted = fmt::format("{} bytes for {} {}", *bytes, to_string(header.dtype), shape_text),
            .remedy = "the file is damaged or cut short: get it again"});
  }
  if (*bytes > limit) {
    refuse(file,
           "too_large",
           {.what = "the array is larger than the limit",
            .seen = fmt::format("{} bytes", *bytes),
            .wanted = fmt::format("at most {} bytes", limit),
            .remedy = "split the array"});
  }
  NpyArray array{.dtype = header.dtype, .shape = std::move(header.shape), .data = AlignedBuffer(*bytes)};
  file.read_at(data_begin, array.data.bytes());
  const std::size_t size = element_size(array.dtype);
  if (header.big_endian) reverse_each(array.data.bytes(), size);
  if (header.fortran_order && array.shape.size() > 1) array.data = to_c_order(array.data, array.shape, size);
  return array;
}

void write_npy(FileSystem& files, const Path& path, const NpyView& array) {
  const auto* entry = std::find_if(
      kNames.begin(), kNames.end(), [&](const NpyName& name) { return name.dtype == array.dtype; });
  if (entry == kNames.end()) {
    throw Error(ErrorClass::kData,
                "npy.write_dtype",
                {.what = "NumPy has no name for this element type",
                 .seen = std::string(to_string(array.dtype)),
                 .wanted = "bool, an integer, F16, F32 or F64",
                 .remedy = "convert it to F32, or write safetensors"});
  }
  if (array.shape.size() > kMaxNpyRank || byte_count(array.dtype, array.shape) != array.data.size()) {
    throw Error(ErrorClass::kData,
                "npy.write_shape",
                {.what = "the data do not fit the shape",
                 .seen = fmt::format("{} bytes", array.data.size()),
                 .wanted = fmt::format("{} [{}], at most {} dimensions",
                                       to_string(array.dtype),
                                       fmt::join(array.shape, ", "),
                                       kMaxNpyRank),
                 .remedy = "pass the shape of the data"});
  }
  const char order = element_size(array.dtype) == 1 ? '|' : '<';
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   order,
                                   entry->name,
                                   fmt::join(array.shape, ", "),
                                   array.shape.size() == 1 ? "," : "");
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::string prefix(kMagic);
  prefix += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  write_file_atomically(files, path, [&](WritableFile& file) {
    file.write(std::as_bytes(std::span(prefix)));
    file.write(std::as_bytes(std::span(header)));
    if (!array.data.empty()) file.write(array.data);
  });
}

}  // namespace tenfold::io
