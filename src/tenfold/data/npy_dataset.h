// SPDX-License-Identifier: Apache-2.0
// NumPy arrays as a data set: one .npy file of inputs and, beside it, one of targets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/data/dataset.h"

namespace tenfold::data {

struct NpyFiles {
  Path inputs;   // [N, ...]
  Path targets;  // [N, ...]; empty: the data set has inputs alone
};

// Targets by the name of the inputs: "inputs" in it becomes "targets", "images" becomes "labels", a name that is or ends in
// "x" or "X" becomes "y" or "Y". Without such a word, or when that file is not there, `targets` stays empty.
NpyFiles find_npy_files(const Path& inputs);

// The array as it is stored. Throws what io::read_npy and to_tensor() throw, with the path, and Error(kData, "npy_dataset.scalar").
at::Tensor read_npy_tensor(const Path& path, std::uint64_t max_bytes = kDefaultReadLimit);

}  // namespace tenfold::data
