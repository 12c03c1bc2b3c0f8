// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/sinkhorn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/io/aligned_buffer.h"
#include "tenfold/kernels/nearest.h"
#include "tenfold/kernels/sinkhorn_pass.h"

namespace tenfold::search {
namespace {

// exp of it is still a normal double, with room for sums and shares.
constexpr double kLargestExponent = 680;

struct Problem {
  std::span<const float> costs;
  std::size_t rows = 0;
  std::size_t columns = 0;
  double middle = 0;  // the scaled cost is (cost - middle) / half
  double half = 1;
  double epsilon = 1;
  double range = 0;  // largest less least scaled cost, over epsilon

  double exponent(std::size_t i, std::size_t k) const {
    return (middle - costs[i * columns + k]) / (half * epsilon);
  }
  std::span<const float> row(std::size_t i) const { return costs.subspan(i * columns, columns); }
};

Problem make_problem(std::span<const float> costs, std::size_t codewords, const SinkhornOptions& options) {
  SinkhornOptions copy = options;
  config::check_all(config::Fields(copy));
  if (codewords == 0 || costs.empty() || costs.size() % codewords != 0) {
    throw Error(ErrorClass::kData,
                "sinkhorn.shape",
                {.what = "the costs are no matrix of rows by codewords",
                 .seen = fmt::format("{} costs, {} codewords", costs.size(), codewords),
                 .wanted = "at least one row and one codeword, a cost for each pair"});
  }
  const kernels::CostRange range = kernels::range_of_costs(costs);
  if (!range.finite) {
    const auto bad = std::find_if(costs.begin(), costs.end(), [](float x) { return !std::isfinite(x); });
    const auto place = static_cast<std::size_t>(bad - costs.begin());
    throw Error(ErrorClass::kData,
                "sinkhorn.not_finite",
                {.what = fmt::format(
                     "the cost of row {}, codeword {} is not finite", place / codewords, place % codewords),
                 .seen = fmt::format("{}", *bad),
                 .wanted = "a finite number",
                 .remedy = "training has diverged: lower the learning rate"});
  }
  Problem problem{costs, costs.size() / codewords, codewords};
  const double spread = static_cast<double>(range.largest) - range.least;
  if (options.scale_costs && spread > 0) {
    problem.middle = (static_cast<double>(range.largest) + range.least) / 2;
    problem.half = spread / 2;
  }
  problem.epsilon = options.epsilon;
  problem.range = spread / (problem.half * options.epsilon);
  return problem;
}

// Fills codes, statistics and the marginals from log_u and log_v.
void finish(const Problem& problem, SinkhornResult& result) {
  std::vector<double> masses(problem.columns, 0.0);
  for (std::size_t i = 0; i < problem.rows; ++i) {
    std::size_t code = 0;
    double best = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < problem.columns; ++k) {
      const double log_share = result.log_v[k] + problem.exponent(i, k);
      if (log_share > best) {
        best = log_share;
        code = k;
      }
      masses[k] += std::exp(log_share + result.log_u[i]);
    }
    result.codes.push_back(static_cast<std::uint32_t>(code));
  }
  double error = 0;
  for (const double mass : masses) error += std::abs(1 - mass * static_cast<double>(problem.columns));
  result.marginal_error = error / static_cast<double>(problem.columns);
}

void add_statistics(const Problem& problem, SinkhornResult& result) {
  std::size_t others = 0;
  for (std::size_t i = 0; i < problem.rows; ++i) {
    result.nearest.push_back(static_cast<std::uint32_t>(kernels::first_least(problem.row(i))));
    if (result.nearest[i] != result.codes[i]) ++others;
  }
  result.usage = code_usage(result.codes, problem.columns);
  result.nearest_usage = code_usage(result.nearest, problem.columns);
  result.disagreement = static_cast<double>(others) / static_cast<double>(problem.rows);
}

double log_of_sum(std::span<const double> terms) {
  const double largest = *std::max_element(terms.begin(), terms.end());
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - largest);
  return largest + std::log(sum);
}

// Doubles in whole lines of the cache.
std::size_t round_up(std::size_t doubles) {
  return (doubles + 7) / 8 * 8;
}

// Rows of A have their largest number 1; what was divided out is in u, so that the start is the formula's.
SinkhornResult scale_in_double(const Problem& problem, std::int64_t iterations) {
  const std::size_t rows = problem.rows, columns = problem.columns;
  io::AlignedBuffer buffer((round_up(rows * columns) + round_up(rows) + 2 * round_up(columns)) *
                           sizeof(double));
  auto* place = reinterpret_cast<double*>(buffer.bytes().data());
  const auto take = [&place](std::size_t count) {
    return std::span(std::exchange(place, place + round_up(count)), count);
  };
  const std::span<double> a = take(rows * columns), u = take(rows), v = take(columns), sums = take(columns);
  std::fill(sums.begin(), sums.end(), 0.0);
  std::vector<double> log_top(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto costs = problem.row(i);
    const double least = costs[kernels::first_least(costs)];
    log_top[i] = (problem.middle - least) / (problem.half * problem.epsilon);
    const auto values = a.subspan(i * columns, columns);
    kernels::exp_of_costs(costs, least, -1 / (problem.half * problem.epsilon), values);
    kernels::add_scaled(values, std::exp(log_top[i]), sums);
  }
  const double column_mass = 1 / static_cast<double>(columns), row_mass = 1 / static_cast<double>(rows);
  for (std::int64_t t = 0; t < iterations; ++t) {
    for (std::size_t k = 0; k < columns; ++k) v[k] = column_mass / sums[k];
    kernels::sinkhorn_pass(a, v, row_mass, u, sums);
  }
  SinkhornResult result;
  for (std::size_t i = 0; i < rows; ++i) {
    result.codes.push_back(
        static_cast<std::uint32_t>(kernels::first_largest_product(a.subspan(i * columns, columns), v)));
    result.log_u.push_back(std::log(u[i]) - log_top[i]);
  }
  double error = 0;
  for (std::size_t k = 0; k < columns; ++k) {
    result.log_v.push_back(std::log(v[k]));
    error += std::abs(1 - sums[k] * v[k] / column_mass);
  }
  result.marginal_error = error / static_cast<double>(columns);
  return result;
}

SinkhornResult scale_in_log_domain(const Problem& problem, std::int64_t iterations) {
  const std::size_t rows = problem.rows, columns = problem.columns;
  SinkhornResult result{.log_u = std::vector<double>(rows, 0.0), .log_v = std::vector<double>(columns, 0.0)};
  std::vector<double> column_terms(rows), row_terms(columns);
  for (std::int64_t t = 0; t < iterations; ++t) {
    for (std::size_t k = 0; k < columns; ++k) {
      for (std::size_t i = 0; i < rows; ++i) column_terms[i] = result.log_u[i] + problem.exponent(i, k);
      result.log_v[k] = -std::log(static_cast<double>(columns)) - log_of_sum(column_terms);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < columns; ++k) row_terms[k] = result.log_v[k] + problem.exponent(i, k);
      result.log_u[i] = -std::log(static_cast<double>(rows)) - log_of_sum(row_terms);
    }
  }
  finish(problem, result);
  return result;
}

// costs[i, k] = |x_i - c_k|^2, coordinate by coordinate for all codewords at once.
void squared_distances(const Vectors& rows, const kernels::NearestTable& words, std::span<float> costs) {
  const std::size_t codewords = words.count();
  for (std::size_t i = 0; i < rows.rows; ++i) {
    float* out = &costs[i * codewords];
    std::fill(out, out + codewords, 0.0f);
    for (std::size_t j = 0; j < rows.dimension; ++j) {
      const float x = rows.row(i)[j];
      const float* column = words.columns() + j * words.padded();
      for (std::size_t k = 0; k < codewords; ++k) out[k] += (x - column[k]) * (x - column[k]);
    }
  }
}

}  // namespace

CodeUsage code_usage(std::span<const std::uint32_t> codes, std::size_t codewords) {
  std::vector<std::size_t> counts(codewords, 0);
  for (const std::uint32_t code : codes) ++counts[code];
  CodeUsage usage;
  for (const std::size_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(codes.size());
    if (count > 0) usage.entropy -= share * std::log2(share);
    usage.imbalance += std::abs(1 - share * static_cast<double>(codewords));
  }
  usage.imbalance /= static_cast<double>(codewords);
  return usage;
}

SinkhornResult sinkhorn(std::span<const float> costs, std::size_t codewords, const SinkhornOptions& options) {
  const Problem problem = make_problem(costs, codewords, options);
  // Unscaled costs may lie far from 0, where the exponent of a whole row leaves the range.
  const bool fits = problem.range <= kLargestExponent && options.scale_costs;
  SinkhornResult result =
      fits ? scale_in_double(problem, options.iterations) : scale_in_log_domain(problem, options.iterations);
  add_statistics(problem, result);
  return result;
}

SinkhornResult sinkhorn_log_domain(std::span<const float> costs,
                                   std::size_t codewords,
                                   const SinkhornOptions& options) {
  const Problem problem = make_problem(costs, codewords, options);
  SinkhornResult result = scale_in_log_domain(problem, options.iterations);
  add_statistics(problem, result);
  return result;
}

std::vector<double> transport_plan(const SinkhornResult& result,
                                   std::span<const float> costs,
                                   const SinkhornOptions& options) {
  const Problem problem = make_problem(costs, result.log_v.size(), options);
  std::vector<double> plan(costs.size());
  for (std::size_t i = 0; i < problem.rows; ++i) {
    for (std::size_t k = 0; k < problem.columns; ++k) {
      plan[i * problem.columns + k] = std::exp(result.log_u[i] + result.log_v[k] + problem.exponent(i, k));
    }
  }
  return plan;
}

std::vector<SinkhornResult> balanced_codes(const Vectors& rows,
                                           std::span<const float> centroids,
                                           std::size_t blocks,
                                           const SinkhornOptions& options) {
  if (blocks == 0 || rows.dimension % blocks != 0 || rows.rows == 0 || centroids.empty() ||
      centroids.size() % rows.dimension != 0) {
    throw Error(ErrorClass::kData,
                "sinkhorn.shape",
                {.what = "rows, codewords and blocks do not fit together",
                 .seen = fmt::format("{} rows of dimension {}, {} blocks, {} numbers of codewords",
                                     rows.rows,
                                     rows.dimension,
                                     blocks,
                                     centroids.size()),
                 .wanted = "blocks that divide the dimension, codewords [blocks, K, dimension / blocks]"});
  }
  const std::size_t width = rows.dimension / blocks, codewords = centroids.size() / rows.dimension;
  std::vector<SinkhornResult> results(blocks);
  parallel_for(blocks, 1, [&](std::size_t begin, std::size_t end) {
    std::vector<float> costs(rows.rows * codewords);
    for (std::size_t block = begin; block < end; ++block) {
      const kernels::NearestTable words(centroids.subspan(block * codewords * width, codewords * width),
                                        width);
      squared_distances(rows.columns(block * width, width), words, costs);
      results[block] = sinkhorn(costs, codewords, options);
    }
  });
  return results;
}

}  // namespace tenfold::search
