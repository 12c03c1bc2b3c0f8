// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/flat_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/adc_scan.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/search/search_tasks.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kWidth = kernels::kPanelColumns;
constexpr std::size_t kGroup = 112;       // queries that share the panels in the cache
constexpr std::size_t kPanelsAtOnce = 2;  // scores in between stay in the first-level cache

}  // namespace

FlatIndex::FlatIndex(std::size_t dimension, Metric metric) : dimension_(dimension), metric_(metric) {
  if (dimension > 0) return;
  throw Error(ErrorClass::kData,
              "vectors.dimension",
              {.what = "an index of vectors needs a dimension", .seen = "0", .wanted = "at least 1"});
}

void FlatIndex::put(std::size_t number, std::span<const float> row) {
  float* panel = &panels_[number / kWidth * dimension_ * kWidth + number % kWidth];
  for (std::size_t j = 0; j < dimension_; ++j) panel[j * kWidth] = row[j];
  squares_[number] = std::inner_product(row.begin(), row.end(), row.begin(), 0.0f);
}

void FlatIndex::add(const Vectors& rows) {
  check_vectors(rows, dimension_, "documents");
  check_room(rows.rows);
  panels_.resize((rows_ + rows.rows + kWidth - 1) / kWidth * kWidth * dimension_, 0.0f);
  squares_.resize(rows_ + rows.rows);
  parallel_for(rows.rows, 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) put(rows_ + i, rows.row(i));
  });
  rows_ += rows.rows;
  grow();
}

std::vector<float> FlatIndex::row(std::size_t number) const {
  std::vector<float> row(dimension_);
  const float* panel = &panels_[number / kWidth * dimension_ * kWidth + number % kWidth];
  for (std::size_t j = 0; j < dimension_; ++j) row[j] = panel[j * kWidth];
  return row;
}

void FlatIndex::update(std::uint32_t number, const Vectors& row) {
  check_vectors(row, dimension_, "documents");
  if (number >= rows_ || row.rows != 1) {
    throw Error(ErrorClass::kData,
                "index.no_such_row",
                {.what = "a row to update is not in the index",
                 .seen = fmt::format("row {}, {} vectors", number, row.rows),
                 .wanted = fmt::format("a number below {}, one vector", rows_)});
  }
  put(number, row.row(0));
}

void FlatIndex::keep_only(std::span<const std::uint32_t> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != i) put(i, row(rows[i]));  // no row moves up
  }
  rows_ = rows.size();
  panels_.resize((rows_ + kWidth - 1) / kWidth * kWidth * dimension_);
  panels_.shrink_to_fit();
  squares_.resize(rows_);
}

template <typename Take>
void FlatIndex::scores(const Vectors& queries,
                       std::size_t first,
                       std::size_t last,
                       const Bitmap* allowed,
                       const Take& take) const {
  AlignedVector<float> products(queries.rows * kPanelsAtOnce * kWidth);
  std::vector<float> query_squares(queries.rows);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const auto row = queries.row(q);
    query_squares[q] = std::inner_product(row.begin(), row.end(), row.begin(), 0.0f);
  }
  const RowFilter accepts{allowed, removed_or_null()};
  for (std::size_t panel = first; panel < last; panel += kPanelsAtOnce) {
    const std::size_t begin = panel * kWidth, width = std::min(kPanelsAtOnce, last - panel) * kWidth;
    const kernels::GemmTerm term{.a = queries.data,
                                 .row_stride = static_cast<std::ptrdiff_t>(queries.stride),
                                 .b = &panels_[panel * kWidth * dimension_],
                                 .steps = dimension_};
    kernels::gemm({&term, 1},
                  queries.rows,
                  width,
                  {.c = products.data(), .row_stride = static_cast<std::ptrdiff_t>(width)});
    const std::size_t end = std::min(rows_, begin + width);
    for (std::size_t q = 0; q < queries.rows; ++q) {
      float* row = &products[q * width];
      if (metric_ == Metric::kEuclidean) {
        for (std::size_t i = begin; i < end; ++i)
          row[i - begin] = 2 * row[i - begin] - squares_[i] - query_squares[q];
      }
      take(q, std::span<const float>(row, end - begin), begin, accepts);
    }
  }
}

std::vector<Hits> FlatIndex::search_checked(const Vectors& queries, const SearchRequest& request) const {
  const std::size_t panels = (rows_ + kWidth - 1) / kWidth, k = std::min(request.k, rows_);
  return search_in_tasks(queries.rows,
                         kGroup,
                         panels,
                         k,
                         [&](auto first, auto last, auto begin, auto end, std::vector<TopK>& best) {
                           scores(queries.slice(first, last - first),
                                  begin,
                                  end,
                                  request.allowed,
                                  [&](auto q, auto row, auto number, const auto& filter) {
                                    TopK& top = best[q];
                                    std::array<std::uint32_t, kPanelsAtOnce * kWidth> places;
                                    const std::size_t count =
                                        kernels::select_at_least(row, top.threshold(), places.data());
                                    for (std::size_t i = 0; i < count; ++i) {
                                      const std::size_t at = places[i];
                                      if (filter.accepts(number + at))
                                        top.add({static_cast<std::uint32_t>(number + at), row[at]});
                                    }
                                    if (count == 0) return;
                                    top.tighten();
                                  });
                         });
}

std::vector<Hits> FlatIndex::range_checked(const Vectors& queries, float least, const Bitmap* allowed) const {
  std::vector<Hits> results(queries.rows);
  const std::size_t panels = (rows_ + kWidth - 1) / kWidth;
  parallel_for(queries.rows, kGroup, [&](std::size_t first, std::size_t last) {
    scores(queries.slice(first, last - first),
           0,
           panels,
           allowed,
           [&](auto q, auto row, auto number, const auto& filter) {
             for (std::size_t i = 0; i < row.size(); ++i) {
               if (row[i] >= least && filter.accepts(number + i)) {
                 results[first + q].push_back({static_cast<std::uint32_t>(number + i), row[i]});
               }
             }
           });
    for (std::size_t q = first; q < last; ++q) std::sort(results[q].begin(), results[q].end(), better);
  });
  return results;
}

}  // namespace tenfold::search
