// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/rerank_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/adc_scan.h"

namespace tenfold::search {
namespace {

// values ~ scale x bytes; what is left over goes into `rest`, when asked for.
float to_bytes(std::span<const float> values, std::int8_t* bytes, std::vector<float>* rest) {
  float largest = 0;
  for (const float x : values) largest = std::max(largest, std::abs(x));
  const float scale = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
  for (std::size_t j = 0; j < values.size(); ++j) {
    bytes[j] = static_cast<std::int8_t>(std::clamp(std::lround(values[j] * inverse), -127L, 127L));
    if (rest != nullptr) rest->push_back(values[j] - scale * static_cast<float>(bytes[j]));
  }
  return scale;
}

void check_stages(const CodeIndex& first, std::size_t rows, std::size_t factor) {
  if (factor == 0) {
    throw Error(ErrorClass::kConfig,
                "index.rerank_factor",
                {.what = "no candidate would be ranked again", .seen = "0", .wanted = "at least 1"});
  }
  if (first.size() == rows) return;
  throw Error(ErrorClass::kData,
              "index.lists",
              {.what = "the stages of an index hold different numbers of rows",
               .seen = fmt::format("{} codes, {} vectors", first.size(), rows),
               .wanted = "the same number"});
}

}  // namespace

Int8Rows::Int8Rows(std::size_t dimension, std::vector<std::int8_t> values, std::vector<float> scales)
    : dimension_(dimension), values_(std::move(values)), scales_(std::move(scales)) {
  check_internal(values_.size() == dimension_ * scales_.size(), "bytes and scales of the same rows");
}

void Int8Rows::append(const Vectors& rows) {
  const std::size_t before = scales_.size();
  scales_.resize(before + rows.rows);
  values_.resize(scales_.size() * dimension_);
  parallel_for(rows.rows, 1024, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) set(before + i, rows.row(i));
  });
}

void Int8Rows::set(std::size_t row, std::span<const float> values) {
  scales_[row] = to_bytes(values, &values_[row * dimension_], nullptr);
}

void Int8Rows::keep_only(std::span<const std::uint32_t> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(&values_[rows[i] * dimension_], dimension_, &values_[i * dimension_]);
    scales_[i] = scales_[rows[i]];
  }
  values_.resize(rows.size() * dimension_);
  values_.shrink_to_fit();
  scales_.resize(rows.size());
}

Int8Rows::Query Int8Rows::quantise(std::span<const float> query) {
  Query result{std::vector<std::int8_t>(query.size()), std::vector<std::int8_t>(query.size())};
  std::vector<float> rest;
  result.coarse_scale = to_bytes(query, result.coarse.data(), &rest);
  result.fine_scale = to_bytes(rest, result.fine.data(), nullptr);
  return result;
}

float Int8Rows::score(const Query& query, std::size_t row) const {
  const std::int8_t* values = &values_[row * dimension_];
  const auto coarse = static_cast<float>(kernels::dot_int8(query.coarse.data(), values, dimension_));
  const auto fine = static_cast<float>(kernels::dot_int8(query.fine.data(), values, dimension_));
  return scales_[row] * (query.coarse_scale * coarse + query.fine_scale * fine);
}

RerankIndex::RerankIndex(CodeIndex first, std::size_t factor)
    : first_(std::move(first)), second_(first_.dimension()), factor_(factor) {
  check_stages(first_, 0, factor_);
}

RerankIndex::RerankIndex(CodeIndex first, Int8Rows second, std::size_t factor)
    : first_(std::move(first)), second_(std::move(second)), factor_(factor) {
  check_stages(first_, second_.rows(), factor_);
  set_removed(first_.removed());
}

void RerankIndex::add(const Vectors& rows) {
  first_.add(rows);
  second_.append(rows);
  grow();
}

void RerankIndex::update(std::span<const std::uint32_t> numbers, const Vectors& rows) {
  first_.update(numbers, rows);
  for (std::size_t i = 0; i < numbers.size(); ++i) second_.set(numbers[i], rows.row(i));
}

void RerankIndex::keep_only(std::span<const std::uint32_t> rows) {
  std::vector<std::uint32_t> gone;
  for (std::uint32_t row = 0; row < size(); ++row) {
    if (removed().test(row)) gone.push_back(row);
  }
  first_.remove(gone);
  first_.compact();
  second_.keep_only(rows);
}

// Rows are removed here; the first stage learns of it through its filter.
Bitmap RerankIndex::remaining(const Bitmap* allowed) const {
  Bitmap result(size());
  for (std::size_t row = 0; row < size(); ++row) {
    if ((allowed == nullptr || allowed->test(row)) && !removed().test(row)) result.set(row);
  }
  return result;
}

std::vector<Hits> RerankIndex::search_checked(const Vectors& queries, const SearchRequest& request) const {
  SearchRequest wide = request;
  wide.k = std::min(size(), request.k * factor_);
  Bitmap rows;
  if (removed_or_null() != nullptr) {
    rows = remaining(request.allowed);
    wide.allowed = &rows;
  }
  std::vector<Hits> results = first_.search(queries, wide);
  parallel_for(queries.rows, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t q = begin; q < end; ++q) {
      const Int8Rows::Query query = Int8Rows::quantise(queries.row(q));
      for (Hit& hit : results[q]) hit.score = second_.score(query, hit.row);
      std::sort(results[q].begin(), results[q].end(), better);
      results[q].resize(std::min(results[q].size(), request.k));
    }
  });
  return results;
}

std::vector<Hits> RerankIndex::range_checked(const Vectors& queries,
                                             float least,
                                             const Bitmap* allowed) const {
  std::vector<Hits> results(queries.rows);
  const RowFilter filter{allowed, removed_or_null()};
  parallel_for(queries.rows, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t q = begin; q < end; ++q) {
      const Int8Rows::Query query = Int8Rows::quantise(queries.row(q));
      for (std::size_t row = 0; row < size(); ++row) {
        const float score = filter.accepts(row) ? second_.score(query, row) : 0;
        if (filter.accepts(row) && score >= least)
          results[q].push_back({static_cast<std::uint32_t>(row), score});
      }
      std::sort(results[q].begin(), results[q].end(), better);
    }
  });
  return results;
}

}  // namespace tenfold::search
