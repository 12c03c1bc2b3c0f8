// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/kmeans.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/nearest.h"

namespace tenfold::search {
namespace {

constexpr std::uint64_t kStartStream = 0x6b6d6561;
constexpr std::size_t kGrainRows = 1024;
// Both halves of a split cluster move so far away from its centre (as Faiss has it).
constexpr float kSplitShift = 1.0f / 1024;

double squared_length(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return sum;
}

std::vector<float> random_start(const Vectors& rows, std::size_t clusters, std::uint64_t seed) {
  std::vector<std::uint32_t> order(rows.rows);
  random::permutation(seed, kStartStream, order);
  std::vector<float> centroids;
  centroids.reserve(clusters * rows.dimension);
  for (std::size_t k = 0; k < clusters; ++k) {
    const auto row = rows.row(order[k]);
    centroids.insert(centroids.end(), row.begin(), row.end());
  }
  return centroids;
}

// Each next centroid is a row drawn with probability proportional to its squared distance to those chosen before.
std::vector<float> spread_start(const Vectors& rows, std::size_t clusters, std::uint64_t seed) {
  random::Generator generator(seed, kStartStream);
  std::vector<double> distances(rows.rows, std::numeric_limits<double>::infinity());
  std::vector<float> centroids;
  std::size_t chosen = generator.below(static_cast<std::uint32_t>(rows.rows));
  for (std::size_t k = 0;;) {
    const auto centre = rows.row(chosen);
    centroids.insert(centroids.end(), centre.begin(), centre.end());
    if (++k == clusters) return centroids;
    parallel_for(rows.rows, kGrainRows, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const auto row = rows.row(i);
        double distance = 0;
        for (std::size_t j = 0; j < row.size(); ++j) {
          const double difference = static_cast<double>(row[j]) - centre[j];
          distance += difference * difference;
        }
        distances[i] = std::min(distances[i], distance);
      }
    });
    double left = generator.uniform() * std::accumulate(distances.begin(), distances.end(), 0.0);
    for (chosen = 0; chosen + 1 < rows.rows && left >= distances[chosen]; ++chosen) left -= distances[chosen];
  }
}

// Rows in the order of their clusters: begins[k] to begins[k + 1] are those of cluster k.
struct Members {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> begins;
};

Members members_of(std::span<const std::uint32_t> index, std::size_t clusters) {
  Members members{std::vector<std::uint32_t>(index.size()), std::vector<std::size_t>(clusters + 1, 0)};
  for (const std::uint32_t k : index) ++members.begins[k + 1];
  std::partial_sum(members.begins.begin(), members.begins.end(), members.begins.begin());
  std::vector<std::size_t> next(members.begins.begin(), members.begins.end() - 1);
  for (std::uint32_t i = 0; i < index.size(); ++i) members.rows[next[index[i]]++] = i;
  return members;
}

void average(const Vectors& rows, const Members& members, std::vector<float>& centroids) {
  const std::size_t dimension = rows.dimension;
  parallel_for(members.begins.size() - 1, 8, [&](std::size_t begin, std::size_t end) {
    std::vector<double> sum(dimension);
    for (std::size_t k = begin; k < end; ++k) {
      const std::size_t first = members.begins[k], last = members.begins[k + 1];
      if (first == last) continue;
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::size_t i = first; i < last; ++i) {
        const float* row = rows.data + members.rows[i] * rows.stride;
        for (std::size_t j = 0; j < dimension; ++j) sum[j] += row[j];
      }
      const double scale = 1.0 / static_cast<double>(last - first);
      for (std::size_t j = 0; j < dimension; ++j) {
        centroids[k * dimension + j] = static_cast<float>(sum[j] * scale);
      }
    }
  });
}

// Every empty cluster takes half of the largest one: both move a little to opposite sides of its centre.
std::size_t split_for_empty(std::vector<std::size_t> counts,
                            std::size_t dimension,
                            std::vector<float>& centroids) {
  std::size_t splits = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] != 0) continue;
    const auto largest =
        static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
    for (std::size_t j = 0; j < dimension; ++j) {
      float& centre = centroids[largest * dimension + j];
      const float shift = j % 2 == 0 ? kSplitShift : -kSplitShift;
      centroids[k * dimension + j] = centre * (1 + shift);
      centre *= 1 - shift;
    }
    counts[k] = counts[largest] / 2;
    counts[largest] -= counts[k];
    ++splits;
  }
  return splits;
}

void check(const Vectors& rows, std::size_t clusters) {
  check_vectors(rows, rows.dimension, "training vectors");
  if (clusters == 0) {
    throw Error(ErrorClass::kData,
                "kmeans.clusters",
                {.what = "there is no cluster", .seen = "0", .wanted = "at least 1"});
  }
  if (rows.rows >= clusters) return;
  throw Error(ErrorClass::kData,
              "kmeans.too_few_rows",
              {.what = "there are fewer vectors than codewords to learn",
               .seen = fmt::format("{} vectors", rows.rows),
               .wanted = fmt::format("at least {}, better {}", clusters, 39 * clusters),
               .remedy = "add documents, or use 4 bits a code (16 codewords)"});
}

}  // namespace

std::vector<std::uint32_t> assign(const Vectors& rows,
                                  std::span<const float> centroids,
                                  std::vector<float>* values) {
  const kernels::NearestTable table(centroids, rows.dimension);
  std::vector<std::uint32_t> index(rows.rows);
  if (values != nullptr) values->resize(rows.rows);
  parallel_for(rows.rows, kGrainRows, [&](std::size_t begin, std::size_t end) {
    kernels::nearest(table,
                     rows.data + begin * rows.stride,
                     static_cast<std::ptrdiff_t>(rows.stride),
                     std::span(index).subspan(begin, end - begin),
                     values == nullptr ? nullptr : values->data() + begin);
  });
  return index;
}

KMeansResult refine_kmeans(const Vectors& rows, std::vector<float> centroids, std::size_t iterations) {
  KMeansResult result{.centroids = std::move(centroids)};
  const std::size_t clusters = result.centroids.size() / rows.dimension;
  double squares = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) squares += squared_length(rows.row(i));
  std::vector<std::uint32_t> before;
  std::vector<float> values;
  for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
    std::vector<std::uint32_t> index = assign(rows, result.centroids, &values);
    const double sum = squares + 2 * std::accumulate(values.begin(), values.end(), 0.0);
    result.objective.push_back(std::max(0.0, sum) / static_cast<double>(rows.rows));
    if (index == before) break;
    const Members members = members_of(index, clusters);
    average(rows, members, result.centroids);
    std::vector<std::size_t> counts(clusters);
    for (std::size_t k = 0; k < clusters; ++k) counts[k] = members.begins[k + 1] - members.begins[k];
    result.splits += split_for_empty(std::move(counts), rows.dimension, result.centroids);
    before = std::move(index);
  }
  return result;
}

KMeansResult kmeans(const Vectors& rows, std::size_t clusters, const KMeansOptions& options) {
  KMeansOptions copy = options;
  config::check_all(config::Fields(copy));
  check(rows, clusters);
  const auto seed = static_cast<std::uint64_t>(options.seed);
  const auto per_cluster = static_cast<std::size_t>(options.points_per_cluster);
  std::vector<float> sample;
  Vectors part = rows;
  if (per_cluster != 0 && rows.rows > per_cluster * clusters) {
    sample = sample_rows(rows, per_cluster * clusters, seed);
    part = as_vectors(sample, rows.dimension);
  }
  std::vector<float> start =
      options.start == "kmeans++" ? spread_start(part, clusters, seed) : random_start(part, clusters, seed);
  return refine_kmeans(part, std::move(start), static_cast<std::size_t>(options.iterations));
}

}  // namespace tenfold::search
