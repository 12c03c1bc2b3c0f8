// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/byte_order.h"
#include "tenfold/io/gzip.h"

namespace tenfold::io {
namespace {

[[noreturn]] void refuse(const InputFile& file, std::string_view code, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(file.label(), 400), text.what);
  if (text.remedy.empty()) text.remedy = "check that it is an IDX file, such as train-images-idx3-ubyte.gz";
  throw Error(ErrorClass::kFile, fmt::format("idx.{}", code), std::move(text));
}

struct IdxType {
  std::uint8_t code;
  DType dtype;
};
constexpr std::array<IdxType, 6> kTypes = {{{0x08, DType::kU8},
                                            {0x09, DType::kI8},
                                            {0x0B, DType::kI16},
                                            {0x0C, DType::kI32},
                                            {0x0D, DType::kF32},
                                            {0x0E, DType::kF64}}};

// The bytes of the file one after the other, decompressed when they are compressed.
class Stream {
 public:
  explicit Stream(const InputFile& file) : file_(file) {
    if (is_gzip(file)) gzip_ = std::make_unique<GzipReader>(file);
  }
  bool compressed() const { return gzip_ != nullptr; }

  // Returns less than asked for only at the end.
  std::size_t read(std::span<std::byte> target) {
    if (gzip_) return gzip_->read(target);
    const auto part = target.first(std::min<std::uint64_t>(target.size(), file_.size() - position_));
    file_.read_at(position_, part);
    position_ += part.size();
    return part.size();
  }

 private:
  const InputFile& file_;
  std::unique_ptr<GzipReader> gzip_;
  std::uint64_t position_ = 0;
};

std::string shape_text(const IdxInfo& info) {
  return fmt::format("{} [{}]", to_string(info.dtype), fmt::join(info.shape, ", "));
}

IdxInfo read_header(const InputFile& file, Stream& stream) {
  std::array<std::byte, 4> magic{};
  const std::size_t count = stream.read(magic);
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(magic.at(i)); };
  if (count < magic.size() || byte(0) != 0 || byte(1) != 0) {
    refuse(file,
           "magic",
           {.what = "not an IDX file",
            .seen = fmt::format("the bytes {:02x}",
                                fmt::join(reinterpret_cast<const unsigned char*>(magic.data()),
                                          reinterpret_cast<const unsigned char*>(magic.data()) + count,
                                          " ")),
            .wanted = "00 00, an element type and a rank"});
  }
  const auto* type = std::find_if(
      kTypes.begin(), kTypes.end(), [&](const IdxType& candidate) { return candidate.code == byte(2); });
  if (type == kTypes.end()) {
    refuse(file,
           "unsupported_dtype",
           {.what = "the file has an unknown element type",
            .seen = fmt::format("0x{:02x}", byte(2)),
            .wanted = "0x08 (U8), 0x09 (I8), 0x0b (I16), 0x0c (I32), 0x0d (F32) or 0x0e (F64)"});
  }
  if (byte(3) == 0 || byte(3) > kMaxIdxRank) {
    refuse(file,
           "rank",
           {.what = "the number of dimensions is not supported",
            .seen = std::to_string(byte(3)),
            .wanted = fmt::format("1 to {}", kMaxIdxRank)});
  }
  std::array<std::byte, 4 * kMaxIdxRank> sizes{};
  const auto present = std::span(sizes).first(std::size_t{4} * byte(3));
  if (stream.read(present) < present.size()) {
    refuse(file,
           "header_past_end",
           {.what = "the file ends within its header",
            .wanted = fmt::format("{} sizes of four bytes each", byte(3))});
  }
  IdxInfo info{.dtype = type->dtype, .shape = {}, .compressed = stream.compressed()};
  for (std::size_t i = 0; i < present.size(); i += 4) {
    std::uint64_t size = 0;
    for (const std::byte part : present.subspan(i, 4))
      size = size << 8 | std::to_integer<std::uint64_t>(part);
    info.shape.push_back(size);
  }
  return info;
}

// Bytes of the values, once the header's claim is known to be possible and below the limit.
std::uint64_t checked_bytes(const InputFile& file, const IdxInfo& info, std::uint64_t limit) {
  const auto bytes = byte_count(info.dtype, info.shape);
  const std::uint64_t header = 4 + 4 * info.shape.size();
  if (!bytes)
    refuse(file, "shape_overflow", {.what = "the shape has too many elements", .seen = shape_text(info)});
  if (info.compressed && *bytes > max_gzip_output(file.size())) {
    refuse(
        file,
        "lying_header",
        {.what = "the compressed file cannot hold what its header says",
         .seen = fmt::format("{} bytes for {} in a file of {} bytes", *bytes, shape_text(info), file.size()),
         .wanted = fmt::format("at most {} bytes", max_gzip_output(file.size()))});
  }
  if (!info.compressed && *bytes != file.size() - header) {
    refuse(file,
           *bytes > file.size() - header ? "truncated" : "trailing_bytes",
           {.what = "the file does not hold what its header says",
            .seen = fmt::format("{} bytes of values", file.size() - header),
            .wanted = fmt::format("{} bytes for {}", *bytes, shape_text(info)),
            .remedy = "the file is damaged or cut short: get it again"});
  }
  if (*bytes > limit) {
    refuse(file,
           "too_large",
           {.what = "the array is larger than the limit",
            .seen = fmt::format("{} bytes for {}", *bytes, shape_text(info)),
            .wanted = fmt::format("at most {} bytes", limit),
            .remedy = "split the array"});
  }
  return *bytes;
}

[[noreturn]] void refuse_short(const InputFile& file,
                               const IdxInfo& info,
                               std::uint64_t seen,
                               std::uint64_t wanted) {
  refuse(file,
         "truncated",
         {.what = "the file does not hold what its header says",
          .seen = fmt::format("{} bytes of values", seen),
          .wanted = fmt::format("{} bytes for {}", wanted, shape_text(info)),
          .remedy = "the file is damaged or cut short: get it again"});
}

// Asking for one byte more also lets gzip check its sums.
void check_end(const InputFile& file, const IdxInfo& info, Stream& stream) {
  std::array<std::byte, 1> extra{};
  if (stream.read(extra) == 0) return;
  refuse(file,
         "trailing_bytes",
         {.what = "bytes follow the values",
          .wanted = fmt::format("the end of the file after {}", shape_text(info))});
}

}  // namespace

void IdxArray::require(DType wanted) const {
  if (dtype == wanted) return;
  throw Error(ErrorClass::kFile,
              "idx.wrong_dtype",
              {.what = "the array has another element type",
               .seen = std::string(to_string(dtype)),
               .wanted = std::string(to_string(wanted)),
               .remedy = "check which of the files holds images and which holds labels"});
}

IdxArray read_idx(const Path& path, std::uint64_t limit) {
  return read_idx(InputFile::open(path), limit);
}

IdxArray read_idx(const InputFile& file, std::uint64_t limit) {
  Stream stream(file);
  const IdxInfo info = read_header(file, stream);
  const std::uint64_t bytes = checked_bytes(file, info, limit);
  IdxArray array{.dtype = info.dtype, .shape = info.shape, .data = AlignedBuffer(bytes)};
  const std::size_t count = stream.read(array.data.bytes());
  if (count < bytes) refuse_short(file, info, count, bytes);
  check_end(file, info, stream);
  reverse_each(array.data.bytes(), element_size(info.dtype));
  return array;
}

IdxInfo idx_info(const InputFile& file, std::uint64_t limit) {
  Stream stream(file);
  IdxInfo info = read_header(file, stream);
  const std::uint64_t bytes = checked_bytes(file, info, limit);
  if (!info.compressed) return info;  // the size of the file told all
  std::vector<std::byte> block(std::min<std::uint64_t>(bytes, 64 << 10));
  for (std::uint64_t done = 0; done < bytes;) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(block.size(), bytes - done));
    const std::size_t count = stream.read(part);
    done += count;
    if (count < part.size()) refuse_short(file, info, done, bytes);
  }
  check_end(file, info, stream);
  return info;
}

void write_idx(FileSystem& files, const Path& path, const IdxView& array) {
  const auto* type = std::find_if(
      kTypes.begin(), kTypes.end(), [&](const IdxType& candidate) { return candidate.dtype == array.dtype; });
  const auto fail = [&](std::string_view code, std::string seen, std::string wanted) {
    throw Error(ErrorClass::kData,
                fmt::format("idx.{}", code),
                {.what = fmt::format("cannot write {} as an IDX file", printable(path.string(), 400)),
                 .seen = std::move(seen),
                 .wanted = std::move(wanted),
                 .remedy = "convert the array, or write .npy"});
  };
  if (type == kTypes.end()) {
    fail("write_dtype", std::string(to_string(array.dtype)), "U8, I8, I16, I32, F32 or F64");
  }
  constexpr std::uint64_t kMaxSize = std::numeric_limits<std::uint32_t>::max();
  const bool sizes_fit = std::all_of(
      array.shape.begin(), array.shape.end(), [](std::uint64_t size) { return size <= kMaxSize; });
  if (array.shape.empty() || array.shape.size() > kMaxIdxRank || !sizes_fit ||
      byte_count(array.dtype, array.shape) != array.data.size()) {
    fail("write_shape",
         fmt::format("[{}] and {} bytes", fmt::join(array.shape, ", "), array.data.size()),
         fmt::format("1 to {} sizes below 2^32 that give the number of bytes", kMaxIdxRank));
  }
  std::vector<std::byte> header = {
      std::byte{0}, std::byte{0}, std::byte{type->code}, static_cast<std::byte>(array.shape.size())};
  for (const std::uint64_t size : array.shape) {
    for (int shift = 24; shift >= 0; shift -= 8)
      header.push_back(static_cast<std::byte>(size >> shift & 0xFF));
  }
  write_file_atomically(files, path, [&](WritableFile& file) {
    file.write(header);
    constexpr std::size_t kBlock = 256 << 10;
    std::vector<std::byte> block;
    for (std::size_t begin = 0; begin < array.data.size(); begin += kBlock) {
      const auto part = array.data.subspan(begin, std::min(kBlock, array.data.size() - begin));
      block.assign(part.begin(), part.end());
      reverse_each(block, element_size(array.dtype));
      file.write(block);
    }
  });
}

}  // namespace tenfold::io
