// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/vector_index.h"

#include <fmt/format.h>

#include <limits>

#include "tenfold/base/error.h"

namespace tenfold::search {

void VectorIndex::check_room(std::size_t rows) const {
  if (rows <= std::numeric_limits<std::uint32_t>::max() - size()) return;
  throw Error(ErrorClass::kResource,
              "index.too_many_rows",
              {.what = "an index cannot hold so many vectors",
               .seen = fmt::format("{} and {} more", size(), rows),
               .wanted = "at most 4294967295",
               .remedy = "make several indexes and merge their results"});
}

void VectorIndex::check_rows(std::span<const std::uint32_t> rows, std::string_view verb) const {
  for (const std::uint32_t row : rows) {
    if (row < size()) continue;
    throw Error(ErrorClass::kData,
                "index.no_such_row",
                {.what = fmt::format("a row to {} is not in the index", verb),
                 .seen = fmt::format("{}", row),
                 .wanted = fmt::format("a number below {}", size())});
  }
}

void VectorIndex::remove(std::span<const std::uint32_t> rows) {
  check_rows(rows, "remove");
  for (const std::uint32_t row : rows) removed_.set(row);
  any_removed_ = any_removed_ || !rows.empty();
}

std::vector<std::uint32_t> VectorIndex::compact() {
  std::vector<std::uint32_t> rows;
  rows.reserve(live());
  for (std::size_t row = 0; row < size(); ++row) {
    if (!removed_.test(row)) rows.push_back(static_cast<std::uint32_t>(row));
  }
  if (rows.size() == size()) return rows;
  keep_only(rows);
  set_removed(Bitmap(rows.size()));
  return rows;
}

void VectorIndex::check(const Vectors& queries, const Bitmap* allowed) const {
  check_vectors(queries, dimension(), "queries");
  if (allowed == nullptr || allowed->size() == size()) return;
  throw Error(ErrorClass::kData,
              "index.filter_size",
              {.what = "the filter is made for another number of rows",
               .seen = fmt::format("{} bits", allowed->size()),
               .wanted = fmt::format("{}", size()),
               .remedy = "make the filter after the last vector was added"});
}

std::vector<Hits> VectorIndex::search(const Vectors& queries, const SearchRequest& request) const {
  check(queries, request.allowed);
  if (request.k == 0 || size() == 0) return std::vector<Hits>(queries.rows);
  return search_checked(queries, request);
}

std::vector<Hits> VectorIndex::range_search(const Vectors& queries,
                                            float least,
                                            const Bitmap* allowed) const {
  check(queries, allowed);
  return range_checked(queries, least, allowed);
}

}  // namespace tenfold::search
