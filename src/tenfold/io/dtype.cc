// SPDX-License-Identifier: Apache-2.0
// One table of names and sizes for all element types.
#include "tenfold/io/dtype.h"

#include <array>

#include "tenfold/base/checked.h"

namespace tenfold::io {
namespace {

struct Entry {
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array<Entry, kDTypeCount> kTable = {{{"BOOL", 1},
                                                    {"U8", 1},
                                                    {"I8", 1},
                                                    {"F8_E5M2", 1},
                                                    {"F8_E4M3", 1},
                                                    {"I16", 2},
                                                    {"U16", 2},
                                                    {"F16", 2},
                                                    {"BF16", 2},
                                                    {"I32", 4},
                                                    {"U32", 4},
                                                    {"F32", 4},
                                                    {"F64", 8},
                                                    {"I64", 8},
                                                    {"U64", 8}}};

}  // namespace

std::string_view to_string(DType dtype) {
  return kTable.at(static_cast<std::size_t>(dtype)).name;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::size_t element_size(DType dtype) {
  return kTable.at(static_cast<std::size_t>(dtype)).bytes;
}

std::optional<std::uint64_t> byte_count(DType dtype, std::span<const std::uint64_t> shape) {
  const auto elements = checked::product(shape);
  if (!elements) return std::nullopt;
  return checked::mul<std::uint64_t>(*elements, element_size(dtype));
}

}  // namespace tenfold::io
