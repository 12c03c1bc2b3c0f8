// SPDX-License-Identifier: Apache-2.0
// LibTorch tensors in and out of safetensors files (io/safetensors.h), by name.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "tenfold/io/safetensors.h"

namespace tenfold::train {

using TensorMap = std::map<std::string, torch::Tensor>;

// The tensors as views for the writer. Contiguous CPU tensors are written from where they are; the others are copied into
// `copies`, which must live as long as the views. Element types: bool, uint8, int8 to int64, float16, bfloat16, float32,
// float64. Throws Error(kData, "tensor_file.dtype") for another one, "tensor_file.undefined" for an undefined tensor.
std::vector<io::TensorView> tensor_views(const TensorMap& tensors, std::vector<torch::Tensor>& copies);

// Bytes that a file with these tensors takes at most, its header included.
std::uint64_t file_bytes(const TensorMap& tensors);

// All tensors of a file, each read straight into its own memory. Throws Error(kFile): what the reader throws,
// "tensor_file.dtype" for an element type that LibTorch lacks (unsigned 16 to 64 bits, 8-bit floats), "tensor_file.shape",
// "tensor_file.bad_bool" for a bool that is neither 0 nor 1.
TensorMap read_tensors(const io::SafetensorsReader& reader);

}  // namespace tenfold::train
