// SPDX-License-Identifier: Apache-2.0
// The safetensors container: 8 bytes header length (little-endian), a JSON header, raw tensor bytes. The reader accepts
// exactly what the format's text allows (github.com/huggingface/safetensors, section "Format"), so a file is either
// wholly described by its header or refused; nothing in it can run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/aligned_buffer.h"
#include "tenfold/io/dtype.h"
#include "tenfold/io/input_file.h"

namespace tenfold::io {

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;  // bytes; the limit of the format
inline constexpr std::size_t kMaxTensorRank = 8;

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;  // empty: a scalar
  std::uint64_t bytes = 0;           // product of the shape times the element size
};

namespace detail {
struct SafetensorsHeader;
}

// Opening reads the header only, and uses at most 2 x header + 1 MB of memory whatever the header claims. Tensors are
// read when asked for. All const methods may be called from several threads at once.
class SafetensorsReader {
 public:
  // Throws Error(kFile) with the codes of InputFile::open, or, for a malformed file, with one code a rule:
  //   too_short, header_too_long, header_past_end, header_start, header_utf8, header_json, header_padding,
  //   metadata_not_object, metadata_not_string, duplicate_metadata_key, duplicate_name, duplicate_key,
  //   tensor_not_object, unknown_key, missing_key, dtype_not_string, unknown_dtype, shape_not_array, rank,
  //   offsets_not_pair, negative_integer, not_an_integer, integer_too_large, shape_overflow, size_mismatch,
  //   offsets_reversed, offsets_past_end, hole, overlap, trailing_bytes
  // each with "safetensors." before it.
  static SafetensorsReader open(const Path& path);
  explicit SafetensorsReader(InputFile file);

  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;
  ~SafetensorsReader();

  std::size_t size() const;                // number of tensors
  std::vector<std::string> names() const;  // sorted by bytes
  bool contains(std::string_view name) const;
  std::map<std::string, std::string> metadata() const;

  // Throw Error(kFile, "safetensors.no_such_tensor") with the nearest name.
  TensorInfo info(std::string_view name) const;
  AlignedBuffer read(std::string_view name) const;  // little-endian, C order, 64-byte aligned
  // Throws Error(kFile, "safetensors.buffer_size") unless `target` has exactly info(name).bytes bytes.
  void read(std::string_view name, std::span<std::byte> target) const;

  // The bytes where they lie in the file, without a copy, under the rules of InputFile::map(); the address is a multiple of 8 for files
  // of write_safetensors(), of nothing for others.
  InputFile::Mapping map(std::string_view name) const;

  // Typed read; throws Error(kFile, "safetensors.wrong_dtype") when the tensor has another element type.
  template <typename T>
  std::vector<T> read_as(std::string_view name) const {
    std::vector<T> values(element_count(name, dtype_of<T>()));
    read(name, std::as_writable_bytes(std::span(values)));
    return values;
  }

 private:
  std::size_t element_count(std::string_view name, DType wanted) const;
  std::size_t find(std::string_view name) const;

  InputFile file_;
  std::unique_ptr<const detail::SafetensorsHeader> header_;
};

// A tensor to be written; `data` is little-endian, C order, and stays the caller's.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// Same tensors, same bytes: sorted by element type (widest alignment first), then name, as the reference
// implementation does; the header is padded with spaces to a multiple of 8. Tensor data is handed to the file as it
// is, never copied. Throws Error(kData): "safetensors.write_name" (duplicate, not UTF-8 or "__metadata__"),
// "safetensors.write_shape" (rank, or the shape does not fit the data), "safetensors.write_header" (over 100 MB).
void write_safetensors(WritableFile& file,
                       std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata = {});

// The same into `path`, atomically (base/file_system.h).
void write_safetensors(FileSystem& files,
                       const Path& path,
                       std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace tenfold::io
