// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files, versions 1.0 to 3.0 (numpy.lib.format). The header is parsed as a fixed form, never evaluated.
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

inline constexpr std::size_t kMaxNpyRank = 32;  // NumPy's own limit

struct NpyArray {
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;  // empty: a scalar
  AlignedBuffer data;                // native byte order, C order

  // The values; throws Error(kFile, "npy.wrong_dtype") when the array has another element type.
  template <typename T>
  std::span<const T> values() const {
    require(dtype_of<T>());
    return data.as<T>();
  }

 private:
  void require(DType wanted) const;
};

// Reads a whole array: bool, signed and unsigned integers of 8 to 64 bits, floats of 16 to 64 bits. Big-endian data are
// converted to native order and Fortran-ordered data are transposed to C order, so callers see one form only.
// Refuses object, string, complex and structured arrays, and arrays of more than `limit` bytes before allocating.
// Throws Error(kFile) with the codes of InputFile::open, or "npy.magic", "npy.version", "npy.header_past_end",
// "npy.header_syntax", "npy.duplicate_key", "npy.unknown_key", "npy.missing_key", "npy.unsupported_dtype", "npy.rank",
// "npy.shape_overflow", "npy.too_large", "npy.truncated", "npy.trailing_bytes".
NpyArray read_npy(const Path& path, std::uint64_t limit = kDefaultReadLimit);
NpyArray read_npy(const InputFile& file, std::uint64_t limit = kDefaultReadLimit);

// Writes version 1.0, little-endian, C order, data aligned to 64 bytes as NumPy does; atomically. Throws Error(kData):
// "npy.write_shape" (data do not fit the shape), "npy.write_dtype" (BF16 and the 8-bit floats have no NumPy name).
struct NpyView {
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;
};
void write_npy(FileSystem& files, const Path& path, const NpyView& array);

}  // namespace tenfold::io
