// SPDX-License-Identifier: Apache-2.0
// IDX files, the format of MNIST and its relatives (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database", section
// "file formats"), plain or compressed with gzip: two zero bytes, element type, rank, big-endian sizes, big-endian values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/aligned_buffer.h"
#include "tenfold/io/dtype.h"
#include "tenfold/io/input_file.h"

namespace tenfold::io {

inline constexpr std::size_t kMaxIdxRank = 8;

struct IdxInfo {
  DType dtype = DType::kU8;          // U8, I8, I16, I32, F32 or F64
  std::vector<std::uint64_t> shape;  // rank 1 to 8
  bool compressed = false;
};

struct IdxArray {
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;
  AlignedBuffer data;  // native byte order, last index fastest

  // The values; throws Error(kFile, "idx.wrong_dtype") when the array has another element type.
  template <typename T>
  std::span<const T> values() const {
    require(dtype_of<T>());
    return data.as<T>();
  }

 private:
  void require(DType wanted) const;
};

// Whether a file is compressed is seen by its first bytes, not by its name. Nothing is allocated that the file could not
// hold: the sizes in the header are checked against the size of the file, or against the most that gzip can give, and
// against `limit` (bytes of values). Decompression stops one byte after what the header says.
// Throws Error(kFile) with the codes of InputFile::open and of GzipReader, or "idx.magic", "idx.unsupported_dtype",
// "idx.rank", "idx.header_past_end", "idx.shape_overflow", "idx.lying_header" (more values than the compressed file can
// hold), "idx.truncated", "idx.trailing_bytes", "idx.too_large".
IdxArray read_idx(const Path& path, std::uint64_t limit = kDefaultReadLimit);
IdxArray read_idx(const InputFile& file, std::uint64_t limit = kDefaultReadLimit);

// Type and shape. Checks all that read_idx() checks, but holds no values: 100 KB of memory.
IdxInfo idx_info(const InputFile& file, std::uint64_t limit = kDefaultReadLimit);

// Writes an uncompressed file, atomically. Throws Error(kData): "idx.write_shape" (rank, a size of 2^32 or more, data that do
// not fit the shape), "idx.write_dtype" (a type that IDX does not have).
struct IdxView {
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;
};
void write_idx(FileSystem& files, const Path& path, const IdxView& array);

}  // namespace tenfold::io
