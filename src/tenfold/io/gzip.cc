// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

constexpr std::size_t kInputBytes = 64 << 10;
constexpr int kWindowBits = 15 + 16;  // the largest window, and gzip's header and trailer instead of zlib's
// A length and a distance code have one bit each at least and stand for 258 bytes at most: 4 x 258 bytes a byte.
constexpr std::uint64_t kMaxRatio = 1032;

[[noreturn]] void refuse(const InputFile& file, std::string_view code, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(file.label(), 400), text.what);
  text.remedy = "get the file again, or check it with gzip -t";
  throw Error(ErrorClass::kFile, fmt::format("gzip.{}", code), std::move(text));
}

}  // namespace

bool is_gzip(const InputFile& file) {
  std::array<std::byte, 2> magic{};
  if (file.size() < magic.size()) return false;
  file.read_at(0, magic);
  return magic == std::array{std::byte{0x1F}, std::byte{0x8B}};
}

std::uint64_t max_gzip_output(std::uint64_t file_bytes) {
  return checked::mul(file_bytes, kMaxRatio).value_or(std::numeric_limits<std::uint64_t>::max());
}

struct GzipReader::State {
  explicit State(const InputFile& source) : file(source), input(kInputBytes) {
    if (inflateInit2(&stream, kWindowBits) != Z_OK) throw std::bad_alloc();
  }
  ~State() { inflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool refill();
  void begin_member();
  void inflate_some();

  const InputFile& file;
  std::vector<std::byte> input;
  std::uint64_t position = 0;  // of the file: after what is in `input`
  z_stream stream{};
  bool between_members = false;
  bool ended = false;
};

// False at the end of the file.
bool GzipReader::State::refill() {
  if (stream.avail_in > 0) return true;
  const std::uint64_t count = std::min<std::uint64_t>(input.size(), file.size() - position);
  if (count == 0) return false;
  file.read_at(position, std::span(input).first(count));
  position += count;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(count);
  return true;
}

void GzipReader::State::begin_member() {
  if (!refill()) {
    ended = true;
    return;
  }
  if (*stream.next_in != 0x1F) {
    refuse(
        file,
        "trailing_bytes",
        {.what = "bytes follow the compressed data",
         .seen = fmt::format(
             "{} bytes at byte {}", file.size() - (position - stream.avail_in), position - stream.avail_in),
         .wanted = "the end of the file or another gzip member"});
  }
  inflateReset(&stream);
  between_members = false;
}

void GzipReader::State::inflate_some() {
  const bool more = refill();
  const int result = inflate(&stream, Z_NO_FLUSH);
  if (result == Z_STREAM_END) {
    between_members = true;
  } else if (result == Z_MEM_ERROR) {
    throw std::bad_alloc();
  } else if (result == Z_BUF_ERROR && !more) {
    refuse(file,
           "truncated",
           {.what = "the file ends within its compressed data",
            .seen = fmt::format("the end at byte {}", file.size())});
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    refuse(file,
           "corrupt",
           {.what = fmt::format("the compressed data are damaged before byte {}", position - stream.avail_in),
            .seen = stream.msg != nullptr ? stream.msg : "a wrong gzip header"});
  }
}

GzipReader::GzipReader(const InputFile& file) : state_(std::make_unique<State>(file)) {}

GzipReader::~GzipReader() = default;

std::size_t GzipReader::read(std::span<std::byte> target) {
  State& state = *state_;
  std::size_t filled = 0;
  // The end of the last member is looked for only when more bytes are wanted than it has.
  while (filled < target.size() && !state.ended) {
    if (state.between_members) {
      state.begin_member();
      continue;
    }
    const std::size_t room = std::min<std::size_t>(target.size() - filled, std::numeric_limits<uInt>::max());
    state.stream.next_out = reinterpret_cast<Bytef*>(target.data() + filled);
    state.stream.avail_out = static_cast<uInt>(room);
    state.inflate_some();
    filled += room - state.stream.avail_out;
  }
  return filled;
}

}  // namespace tenfold::io
