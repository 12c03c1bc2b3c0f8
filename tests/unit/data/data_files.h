// SPDX-License-Identifier: Apache-2.0
// Small data files for tests, and where the larger real ones are.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/idx.h"
#include "tenfold/io/image.h"
#include "tenfold/io/npy.h"

namespace tenfold::data {

inline Path shared_data(std::string_view name) {
  return Path(TENFOLD_SOURCE_DIR).parent_path() / "shared" / "data" / name;
}

#define TENFOLD_NEEDS_SHARED(name)                                               \
  if (!path_exists(shared_data(name))) {                                         \
    GTEST_SKIP() << "needs ../shared/data/" << (name) << ", which is not there"; \
  }

inline void write_text(const Path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(real_file_system(), path, text);
}

// PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte: `rows` pictures of `side` x `side`; pixel j of picture i is
// (first + 10 i + j) mod 256 and its label i mod 3.
inline void write_idx_pair(const Path& prefix, std::size_t rows, std::size_t side, int first = 0) {
  std::filesystem::create_directories(prefix.parent_path());
  std::vector<std::uint8_t> pixels(rows * side * side);
  std::vector<std::uint8_t> labels(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    labels[i] = static_cast<std::uint8_t>(i % 3);
    for (std::size_t j = 0; j < side * side; ++j) {
      pixels[i * side * side + j] = static_cast<std::uint8_t>(static_cast<std::size_t>(first) + 10 * i + j);
    }
  }
  io::write_idx(real_file_system(),
                prefix.string() + "-images-idx3-ubyte",
                {io::DType::kU8, {rows, side, side}, std::as_bytes(std::span(pixels))});
  io::write_idx(real_file_system(),
                prefix.string() + "-labels-idx1-ubyte",
                {io::DType::kU8, {rows}, std::as_bytes(std::span(labels))});
}

template <typename T>
void write_npy_values(const Path& path, std::vector<std::uint64_t> shape, const std::vector<T>& values) {
  std::filesystem::create_directories(path.parent_path());
  io::write_npy(
      real_file_system(),
      path,
      {.dtype = io::dtype_of<T>(), .shape = std::move(shape), .data = std::as_bytes(std::span(values))});
}

// A picture of one colour; `channels` values.
inline void write_picture(const Path& path,
                          std::uint32_t width,
                          std::uint32_t height,
                          std::vector<std::uint8_t> colour) {
  std::filesystem::create_directories(path.parent_path());
  io::Image image{
      .width = width, .height = height, .channels = static_cast<std::uint32_t>(colour.size()), .pixels = {}};
  for (std::uint32_t i = 0; i < width * height; ++i) {
    for (const std::uint8_t value : colour) image.pixels.push_back(value);
  }
  io::write_image(real_file_system(), path, image);
}

}  // namespace tenfold::data
