// SPDX-License-Identifier: Apache-2.0
// An index of codes of a product quantiser, searched by a scan, by lists (search/code_index.h) or by a graph (search/graph_index.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/vector_index.h"

namespace tenfold::search {

class CodedIndex : public VectorIndex {
 public:
  virtual const ProductQuantizer& quantizer() const = 0;
  // Rows that are coded already: [rows, code_bytes()], as the quantiser packs them. Throws Error(kResource, "index.too_many_rows").
  virtual void add_codes(std::span<const std::uint8_t> codes) = 0;
  // Copies mapped codes into memory: a file that changes later changes nothing.
  virtual void own_codes() = 0;
  // Packed codes of all rows in the order of their numbers, a copy: [size, code_bytes()]. Removed rows keep theirs.
  virtual std::vector<std::uint8_t> packed_codes() const = 0;
};

}  // namespace tenfold::search
