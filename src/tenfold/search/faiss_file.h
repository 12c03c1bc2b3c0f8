// SPDX-License-Identifier: Apache-2.0
// Index files of Faiss 1.7 (github.com/facebookresearch/faiss), read and written by code of our own that checks every size against the
// bytes that are there. All numbers are little-endian; a vector is its length as 64 bits and its elements.
//
//   IxFI, IxF2   flat, inner product or Euclidean            IxPT   rotation (LTra, rrot) before another index
//   IxPq         codes of 4 or 8 bits, in order of the rows   IPfs   4-bit codes in blocks
//   IwPQ, IwPf   the same in inverted lists, not residual     IxRF   any of them with flat vectors to rank again
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tenfold/base/file_system.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"

namespace tenfold::search {

struct FaissIndex {
  std::string kind;                // "IxRF IxPT IxPq"
  std::optional<CodeIndex> codes;  // IxPq, IPfs, IwPQ, IwPf, with the rotation before it
  std::optional<FlatIndex> flat;   // IxFI, IxF2 alone, or the second stage of IxRF
  float refine_factor = 1;         // candidates a wanted hit, of IxRF
  std::size_t probes = 0;          // lists to look into that the file asks for
};

// Throws Error(kFile) with the codes of read_binary_file() or, `place` first:
//   "faiss.truncated"    the file ends earlier than it says, or a length is more than the file can hold
//   "faiss.trailing"     bytes behind the index
//   "faiss.kind"         another kind of index, transform, coarse quantiser or inverted lists than those above
//   "faiss.header"       a dimension, number of rows, metric or flag that cannot be
//   "faiss.shape"        parts that do not fit together: code size, blocks, lists, rotation
//   "faiss.unsupported"  what no index here can do: codes by Euclidean distance, residual codes, a transform that changes the dimension or
//                        adds an offset, ids of a list that are not the row numbers 0, 1, ...
// and Error(kData) "pq.not_finite", "vectors.not_finite".
FaissIndex read_faiss(const Path& path, std::uint64_t limit = std::uint64_t{64} << 30);
FaissIndex parse_faiss(std::span<const std::byte> bytes, std::string_view place);

struct FaissWriteOptions {
  const FlatIndex* refine = nullptr;  // its vectors as the second stage; as many rows as the index
  float refine_factor = 10;
  std::size_t probes = 0;  // of an index with lists; 0: its default
};

// Writes the index as IxPT (with a rotation) and IxPq, IPfs, IwPQ or IwPf, and IxRF when there is something to rank again. Rows that were
// removed are left out of lists; without lists they would be found by Faiss, so that they are refused. Throws Error(kData):
// "faiss.removed_rows", "faiss.refine_rows" (another number of rows or dimension than the index); Error(kFile) and Error(kResource) as
// write_file_atomically().
void write_faiss(FileSystem& files,
                 const Path& path,
                 const CodeIndex& index,
                 const FaissWriteOptions& options = {});

}  // namespace tenfold::search
