// SPDX-License-Identifier: Apache-2.0
// From the arrays of io/ to tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/dtype.h"
#include "tenfold/io/input_file.h"

namespace tenfold::data {

// Opens a file that the user named. Links are followed, unlike in io::InputFile::open: data folders are often made of them.
io::InputFile open_data_file(const Path& path);

// A tensor with a copy of `bytes` ([...shape], native byte order). Types that LibTorch does not have become the next larger
// one: U16 -> int32, U32 -> int64. Throws Error(kData): "data.unsupported_dtype" for U64 and the 8-bit floats,
// "data.no_values" for an empty array.
at::Tensor to_tensor(io::DType dtype,
                     const std::vector<std::uint64_t>& shape,
                     std::span<const std::byte> bytes);

// As models take it: integers and bool become int64, floats become float32.
at::Tensor to_model_type(const at::Tensor& tensor);

}  // namespace tenfold::data
