// SPDX-License-Identifier: Apache-2.0
// How a batch of queries is spread over threads: over groups of queries and, when there are few, over parts of the rows too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tenfold/base/threads.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {

// Calls work(first query, last query, first piece, last piece, best) for tasks that together cover all queries and pieces; best[i] takes
// the hits of query first + i. The hits do not depend on the tasks, because a TopK does not depend on the order of hits.
template <typename Work>
std::vector<Hits> search_in_tasks(
    std::size_t queries, std::size_t group, std::size_t pieces, std::size_t k, const Work& work) {
  const std::size_t groups = (queries + group - 1) / group,
                    threads = static_cast<std::size_t>(thread_count());
  const std::size_t parts = groups >= threads ? 1 : std::max<std::size_t>(1, std::min(threads, pieces));
  std::vector<std::vector<TopK>> best(groups * parts);
  parallel_for(best.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t task = begin; task < end; ++task) {
      const std::size_t first = task / parts * group, last = std::min(queries, first + group),
                        part = task % parts;
      best[task].assign(last - first, TopK(k));
      work(first, last, pieces * part / parts, pieces * (part + 1) / parts, best[task]);
    }
  });
  std::vector<Hits> results(queries);
  for (std::size_t query = 0; query < queries; ++query) {
    TopK& whole = best[query / group * parts][query % group];
    for (std::size_t part = 1; part < parts; ++part)
      whole.merge(best[query / group * parts + part][query % group]);
    results[query] = whole.take();
  }
  return results;
}

}  // namespace tenfold::search
