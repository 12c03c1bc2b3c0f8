// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file, checked in place. A general JSON library copies long strings and numbers several
// times over; this one keeps positions in the header text, 32 bytes a tensor, which is less than the shortest
// entry takes in the text. That is what bounds the memory by 2 x header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/io/dtype.h"
#include "tenfold/io/json_string.h"

namespace tenfold::io::detail {

// A string of the header in its written form (see json_string.h), as a range of the header text.
struct WrittenRange {
  std::uint32_t begin = 0;
  std::uint32_t size : 31 = 0;  // headers have at most 10^8 bytes
  std::uint32_t escaped : 1 = 0;
};

struct TensorRecord {
  WrittenRange name;
  std::uint32_t shape_begin = 0;  // position of the '[' of the shape
  DType dtype = DType::kBool;
  std::uint8_t rank = 0;
  std::uint64_t begin = 0;  // byte range in the buffer that follows the header
  std::uint64_t end = 0;
};
static_assert(sizeof(TensorRecord) <= 32);

struct SafetensorsHeader {
  std::unique_ptr<char[]> text;
  std::uint32_t text_size = 0;
  // Sorted by decoded name. A deque grows without holding its content twice.
  std::deque<TensorRecord> tensors;
  // Keys of __metadata__, sorted by decoded key; the value follows each in the text.
  std::deque<WrittenRange> metadata_keys;

  std::string_view view() const { return {text.get(), text_size}; }
  WrittenString written(WrittenRange range) const {
    return {view().substr(range.begin, range.size), range.escaped != 0};
  }
  std::vector<std::uint64_t> shape(const TensorRecord& record) const;
  std::string metadata_value(WrittenRange key) const;  // decoded
};

// Checks `text` against every rule of the format and fills the records. `buffer_size`: bytes after the header.
// `label` begins the messages. Throws Error(kFile, "safetensors.…").
SafetensorsHeader parse_safetensors_header(std::unique_ptr<char[]> text,
                                           std::uint32_t text_size,
                                           std::uint64_t buffer_size,
                                           std::string_view label);

}  // namespace tenfold::io::detail
