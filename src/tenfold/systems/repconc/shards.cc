// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/shards.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdint>

#include "tenfold/search/top_k.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {
namespace {

// Blocks of codes hold at most so many rows: a block is read by one rank only (search/code_store.h).
constexpr std::size_t kSearchGroup = 64;

}  // namespace

Shard shard_of(std::size_t rows, std::size_t group, int rank, int ranks) {
  const std::size_t groups = (rows + group - 1) / group;
  const auto border = [&](int at) {
    return std::min(rows, groups * static_cast<std::size_t>(at) / static_cast<std::size_t>(ranks) * group);
  };
  return {border(rank), border(rank + 1)};
}

std::vector<float> encode_in_shards(
    train::Communicator& communicator,
    std::size_t rows,
    std::size_t dimension,
    const std::function<std::vector<float>(std::size_t, std::size_t)>& encode) {
  const Shard own = shard_of(rows, retrieval::kEncodeBatch, communicator.rank(), communicator.world_size());
  std::vector<float> all(rows * dimension, 0.0F);
  if (own.begin < own.end) {
    const std::vector<float> part = encode(own.begin, own.end);
    std::copy(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(own.begin * dimension));
  }
  // x + 0 = x: a sum of rows that only one rank has is a gathering.
  torch::Tensor tensor = at::from_blob(all.data(), {static_cast<std::int64_t>(all.size())}, at::kFloat);
  communicator.all_reduce_sum(tensor);
  return all;
}

std::vector<search::Hits> search_in_shards(train::Communicator& communicator,
                                           const search::VectorIndex& index,
                                           const search::Vectors& queries,
                                           const search::SearchRequest& request) {
  const Shard own = shard_of(index.size(), kSearchGroup, communicator.rank(), communicator.world_size());
  search::Bitmap allowed(index.size());
  for (std::size_t row = own.begin; row < own.end; ++row) {
    if (request.allowed == nullptr || request.allowed->test(row)) allowed.set(row);
  }
  search::SearchRequest mine = request;
  mine.allowed = &allowed;
  const std::vector<search::Hits> found = index.search(queries, mine);

  // [ranks, queries, k]: rows plus one, so that 0 is no hit, and scores.
  const auto ranks = static_cast<std::int64_t>(communicator.world_size());
  const auto count = static_cast<std::int64_t>(queries.rows), k = static_cast<std::int64_t>(request.k);
  torch::Tensor rows = at::zeros({ranks, count, k}, at::kLong),
                scores = at::zeros({ranks, count, k}, at::kFloat);
  auto all_rows = rows.accessor<std::int64_t, 3>();
  auto all_scores = scores.accessor<float, 3>();
  for (std::int64_t query = 0; query < count; ++query) {
    const search::Hits& hits = found[static_cast<std::size_t>(query)];
    for (std::size_t i = 0; i < hits.size(); ++i) {
      all_rows[communicator.rank()][query][static_cast<std::int64_t>(i)] = std::int64_t{hits[i].row} + 1;
      all_scores[communicator.rank()][query][static_cast<std::int64_t>(i)] = hits[i].score;
    }
  }
  communicator.all_reduce_sum(rows);
  communicator.all_reduce_sum(scores);
  std::vector<search::Hits> merged;
  for (std::int64_t query = 0; query < count; ++query) {
    search::TopK best(request.k);
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      for (std::int64_t i = 0; i < k && all_rows[rank][query][i] > 0; ++i)
        best.add({static_cast<std::uint32_t>(all_rows[rank][query][i] - 1), all_scores[rank][query][i]});
    }
    merged.push_back(best.take());
  }
  return merged;
}

}  // namespace tenfold::repconc
