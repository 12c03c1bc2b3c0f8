// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/npy_dataset.h"

#include <ATen/ATen.h>

#include <array>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/data/io_tensor.h"
#include "tenfold/io/npy.h"

namespace tenfold::data {

NpyFiles find_npy_files(const Path& inputs) {
  NpyFiles files{.inputs = inputs, .targets = {}};
  std::string stem = inputs.stem().string();
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kWords = {
      {{"inputs", "targets"}, {"images", "labels"}}};
  bool renamed = false;
  for (const auto& [from, to] : kWords) {
    const std::size_t at = stem.rfind(from);
    if (renamed || at == std::string::npos) continue;
    stem.replace(at, from.size(), to);
    renamed = true;
  }
  const bool ends_in_x = stem == "x" || stem == "X" || stem.ends_with("_x") || stem.ends_with("_X");
  if (!renamed && ends_in_x) {
    stem.back() = stem.back() == 'x' ? 'y' : 'Y';
    renamed = true;
  }
  const Path targets = inputs.parent_path() / (stem + inputs.extension().string());
  if (renamed && path_exists(targets)) files.targets = targets;
  return files;
}

at::Tensor read_npy_tensor(const Path& path, std::uint64_t max_bytes) {
  const io::NpyArray array = io::read_npy(open_data_file(path), max_bytes);
  if (array.shape.empty()) {
    throw Error(ErrorClass::kData,
                "npy_dataset.scalar",
                {.what = printable(path.string(), 400) + " holds a single number",
                 .seen = "an array without dimensions",
                 .wanted = "[N, ...], one row an example",
                 .remedy = "save an array with one row an example"});
  }
  try {
    return to_tensor(array.dtype, array.shape, array.data.bytes());
  } catch (const Error& error) {
    throw with_place(error, printable(path.string(), 400));
  }
}

}  // namespace tenfold::data
