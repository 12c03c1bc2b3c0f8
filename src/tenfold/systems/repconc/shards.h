// SPDX-License-Identifier: Apache-2.0
// Encoding and searching with several processes: each works on its own rows, and all get what one process would have got, to the bit.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "tenfold/search/vector_index.h"
#include "tenfold/train/communicator.h"

namespace tenfold::repconc {

// Rows [begin, end) of one rank.
struct Shard {
  std::size_t begin = 0, end = 0;
};
// Whole groups of `group` rows, as evenly as they go: an encoder that works in parts of `group` sees the same parts as one process alone.
Shard shard_of(std::size_t rows, std::size_t group, int rank, int ranks);

// Vectors of all rows, [rows, dimension], on every rank: encode(begin, end) is asked for this rank's rows only. Throws as Communicator.
std::vector<float> encode_in_shards(
    train::Communicator& communicator,
    std::size_t rows,
    std::size_t dimension,
    const std::function<std::vector<float>(std::size_t, std::size_t)>& encode);

// The same hits on every rank as index.search(queries, request): each rank looks through its own rows, then the best k of all are merged.
// Communication: 8 k bytes a query and rank. Throws as VectorIndex::search() and Communicator.
std::vector<search::Hits> search_in_shards(train::Communicator& communicator,
                                           const search::VectorIndex& index,
                                           const search::Vectors& queries,
                                           const search::SearchRequest& request);

}  // namespace tenfold::repconc
