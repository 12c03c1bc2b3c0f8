// SPDX-License-Identifier: Apache-2.0
// k-means by Lloyd's algorithm over kernels/nearest.h, on the threads of base/threads.h. The result is a pure function of rows,
// options and instruction set, not of the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

struct KMeansOptions {
  std::int64_t iterations = 25;
  std::int64_t points_per_cluster = 256;  // train on a sample of so many rows a cluster; 0: on all rows
  std::string start =
      "random";  // "random": rows drawn without repetition; "kmeans++": Arthur and Vassilvitskii (2007)
  std::int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("iterations", iterations, {.help = "rounds of assignment and averaging", .min = 0, .max = 10000});
    field("points_per_cluster",
          points_per_cluster,
          {.help = "rows of the sample a cluster; 0: all", .min = 0, .max = 1e9});
    field("start", start, {.help = "first centroids", .choices = {"random", "kmeans++"}});
    field("seed", seed, {.help = "of the sample and the start", .min = 0, .max = 1e15});
  }
};

struct KMeansResult {
  std::vector<float> centroids;  // [clusters, dimension]
  std::vector<double>
      objective;  // mean squared distance at each iteration's assignment; never rises but where clusters were split
  std::size_t splits = 0;  // clusters that were empty and took half of the largest one
};

// Stops early when no row changes its cluster. Throws Error(kData): "kmeans.clusters" (0), "kmeans.too_few_rows" (fewer rows than
// clusters), and what check_vectors() throws; Error(kConfig) for options out of range.
KMeansResult kmeans(const Vectors& rows, std::size_t clusters, const KMeansOptions& options = {});

// Goes on from `centroids` on all of `rows`, which are not checked again.
KMeansResult refine_kmeans(const Vectors& rows, std::vector<float> centroids, std::size_t iterations);

// The nearest centroid of each row and, when asked for, half of its squared distance less half of the row's square
// (kernels/nearest.h).
std::vector<std::uint32_t> assign(const Vectors& rows,
                                  std::span<const float> centroids,
                                  std::vector<float>* values = nullptr);

}  // namespace tenfold::search
