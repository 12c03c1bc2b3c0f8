// SPDX-License-Identifier: Apache-2.0
// Every row has the same length, so the file's size and first row give the layout; each row's own count is checked.
#include "tenfold/io/vecs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

static_assert(std::endian::native == std::endian::little, "values are handed over as they are");

constexpr std::uint64_t kPrefix = 4;              // bytes of the dimension before each row
constexpr std::uint64_t kBlockBytes = 256 << 10;  // rows are read in blocks of about this size

[[noreturn]] void refuse(const InputFile& file, std::string_view code, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(file.label(), 400), text.what);
  if (text.remedy.empty()) {
    text.remedy =
        "check that the file is complete and its name's ending (fvecs, ivecs, bvecs) fits its content";
  }
  throw Error(ErrorClass::kFile, fmt::format("vecs.{}", code), std::move(text));
}

struct Layout {
  std::uint64_t rows = 0;
  std::uint32_t dimension = 0;
  std::uint64_t row_bytes = 0;  // with the prefix
};

std::int32_t prefix_at(std::span<const std::byte> bytes) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

Layout read_layout(const InputFile& file, std::uint64_t value_size) {
  if (file.size() == 0) return {};
  if (file.size() < kPrefix) {
    refuse(file,
           "truncated",
           {.what = "the file ends within the first row", .seen = fmt::format("{} bytes", file.size())});
  }
  std::array<std::byte, kPrefix> prefix{};
  file.read_at(0, prefix);
  const std::int32_t dimension = prefix_at(prefix);
  const std::uint64_t most = (file.size() - kPrefix) / value_size;
  if (dimension < 1 || static_cast<std::uint64_t>(dimension) > most) {
    refuse(file,
           "dimension",
           {.what = "the first row's dimension is impossible",
            .seen = fmt::format("{}", dimension),
            .wanted = fmt::format("1 to {}, what a file of {} bytes can hold", most, file.size())});
  }
  // Bounded by the file's size: no product can wrap.
  Layout layout{.dimension = static_cast<std::uint32_t>(dimension)};
  layout.row_bytes = kPrefix + layout.dimension * value_size;
  if (file.size() % layout.row_bytes != 0) {
    refuse(file,
           "size",
           {.what = fmt::format("the file is not a whole number of rows of dimension {}", dimension),
            .seen = fmt::format("{} bytes", file.size()),
            .wanted = fmt::format("a multiple of {}", layout.row_bytes)});
  }
  layout.rows = file.size() / layout.row_bytes;
  return layout;
}

}  // namespace

template <VecsValue T>
std::uint64_t count_vecs_rows(const InputFile& file) {
  return read_layout(file, sizeof(T)).rows;
}

template <VecsValue T>
VecsMatrix<T> read_vecs(const Path& path, const VecsOptions& options) {
  return read_vecs<T>(InputFile::open(path), options);
}

template <VecsValue T>
VecsMatrix<T> read_vecs(const InputFile& file, const VecsOptions& options) {
  const Layout layout = read_layout(file, sizeof(T));
  const std::uint64_t first = std::min(options.first_row, layout.rows);
  VecsMatrix<T> matrix{.rows = std::min(options.max_rows, layout.rows - first),
                       .dimension = layout.dimension};
  const std::uint64_t bytes = matrix.rows * layout.dimension * sizeof(T);
  if (bytes > options.max_bytes) {
    refuse(file,
           "too_large",
           {.what = "the rows take more memory than the limit",
            .seen = fmt::format("{} bytes", bytes),
            .wanted = fmt::format("at most {} bytes", options.max_bytes),
            .remedy = "read fewer rows"});
  }
  if (matrix.rows == 0) return matrix;
  matrix.values.resize(matrix.rows * layout.dimension);
  const std::uint64_t rows_a_block = std::max<std::uint64_t>(1, kBlockBytes / layout.row_bytes);
  std::vector<std::byte> block(std::min(rows_a_block, matrix.rows) * layout.row_bytes);
  for (std::uint64_t done = 0; done < matrix.rows;) {
    const std::uint64_t count = std::min(rows_a_block, matrix.rows - done);
    const auto rows = std::span(block).first(count * layout.row_bytes);
    file.read_at((first + done) * layout.row_bytes, rows);
    for (std::uint64_t i = 0; i < count; ++i, ++done) {
      const auto row = rows.subspan(i * layout.row_bytes, layout.row_bytes);
      if (prefix_at(row) != static_cast<std::int32_t>(layout.dimension)) {
        refuse(file,
               "rows_disagree",
               {.what = fmt::format("row {} has another dimension than the first", first + done),
                .seen = fmt::format("{}", prefix_at(row)),
                .wanted = fmt::format("{}", layout.dimension)});
      }
      std::memcpy(&matrix.values[done * layout.dimension], row.data() + kPrefix, row.size() - kPrefix);
    }
  }
  return matrix;
}

template <VecsValue T>
void write_vecs(FileSystem& files, const Path& path, std::span<const T> values, std::uint32_t dimension) {
  if (!checked::cast<std::int32_t>(dimension) || dimension == 0 || values.size() % dimension != 0) {
    throw Error(ErrorClass::kData,
                "vecs.write_dimension",
                {.what = "cannot write rows of this dimension",
                 .seen = fmt::format("{} values in rows of {}", values.size(), dimension),
                 .wanted = "a dimension of 1 to 2147483647 that divides the number of values",
                 .remedy = "pass the number of columns"});
  }
  const auto prefix = static_cast<std::int32_t>(dimension);
  const std::size_t row_bytes = kPrefix + dimension * sizeof(T);
  write_file_atomically(files, path, [&](WritableFile& file) {
    std::vector<std::byte> block;
    block.reserve(kBlockBytes + row_bytes);
    for (std::size_t begin = 0; begin < values.size(); begin += dimension) {
      const auto head = std::as_bytes(std::span(&prefix, 1));
      const auto row = std::as_bytes(values.subspan(begin, dimension));
      block.insert(block.end(), head.begin(), head.end());
      block.insert(block.end(), row.begin(), row.end());
      if (block.size() < kBlockBytes && begin + dimension < values.size()) continue;
      file.write(block);
      block.clear();
    }
  });
}

template std::uint64_t count_vecs_rows<float>(const InputFile&);
template std::uint64_t count_vecs_rows<std::int32_t>(const InputFile&);
template std::uint64_t count_vecs_rows<std::uint8_t>(const InputFile&);
template VecsMatrix<float> read_vecs(const Path&, const VecsOptions&);
template VecsMatrix<std::int32_t> read_vecs(const Path&, const VecsOptions&);
template VecsMatrix<std::uint8_t> read_vecs(const Path&, const VecsOptions&);
template VecsMatrix<float> read_vecs(const InputFile&, const VecsOptions&);
template VecsMatrix<std::int32_t> read_vecs(const InputFile&, const VecsOptions&);
template VecsMatrix<std::uint8_t> read_vecs(const InputFile&, const VecsOptions&);
template void write_vecs(FileSystem&, const Path&, std::span<const float>, std::uint32_t);
template void write_vecs(FileSystem&, const Path&, std::span<const std::int32_t>, std::uint32_t);
template void write_vecs(FileSystem&, const Path&, std::span<const std::uint8_t>, std::uint32_t);

}  // namespace tenfold::io
