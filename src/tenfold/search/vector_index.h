// SPDX-License-Identifier: Apache-2.0
// What every index of vectors can do: search by inner product (or Euclidean distance where the index says so), add, remove, filter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/search/bitmap.h"
#include "tenfold/search/hit.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

struct SearchRequest {
  std::size_t k = 10;
  const Bitmap* allowed = nullptr;  // only these rows, of size(); null: all
  std::size_t probes = 0;           // lists to look into, of an index with lists; 0: its default
  std::size_t candidates = 0;       // rows kept in sight, of an index with a graph; 0: its default
};

// Searching is thread-safe; adding and removing are not, and not beside a search. Results do not depend on the number of threads.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;

  virtual std::string_view kind() const = 0;
  virtual std::size_t dimension() const = 0;
  // Rows ever added; numbers are never used twice.
  virtual std::size_t size() const = 0;
  std::size_t live() const { return size() - removed_.count(); }
  // All bytes that a search may touch, without rows' names.
  virtual std::size_t bytes() const = 0;

  // New rows get the numbers size(), size() + 1, ... Throws Error(kData) as check_vectors(), Error(kResource, "index.too_many_rows") beyond
  // 2^32 - 1.
  virtual void add(const Vectors& rows) = 0;
  // Rows are not found any more; doing it twice is no error. Throws Error(kData, "index.no_such_row").
  void remove(std::span<const std::uint32_t> rows);
  const Bitmap& removed() const { return removed_; }
  // Gives the space of removed rows back. The others keep their order and get the numbers 0, 1, ...; the result holds the number that each
  // had before.
  std::vector<std::uint32_t> compact();

  // At most k hits for every query, best first. Uses the threads of base/threads.h, over queries or, for few of them, over rows. Throws
  // Error(kData): as check_vectors(), "index.filter_size".
  std::vector<Hits> search(const Vectors& queries, const SearchRequest& request = {}) const;
  // All rows that score at least `least`, best first.
  std::vector<Hits> range_search(const Vectors& queries, float least, const Bitmap* allowed = nullptr) const;

 protected:
  // Queries and filter are checked already.
  virtual std::vector<Hits> search_checked(const Vectors& queries, const SearchRequest& request) const = 0;
  virtual std::vector<Hits> range_checked(const Vectors& queries,
                                          float least,
                                          const Bitmap* allowed) const = 0;
  // Forgets all rows but these, whose numbers ascend.
  virtual void keep_only(std::span<const std::uint32_t> rows) = 0;
  // To be called when rows were added.
  void grow() { removed_.resize(size()); }
  void check_room(std::size_t rows) const;
  // Throws Error(kData, "index.no_such_row"); `verb` is what was to be done: "update".
  void check_rows(std::span<const std::uint32_t> rows, std::string_view verb) const;
  void set_removed(Bitmap removed) {
    removed_ = std::move(removed);
    any_removed_ = removed_.count() > 0;
  }
  const Bitmap* removed_or_null() const { return any_removed_ ? &removed_ : nullptr; }

 private:
  void check(const Vectors& queries, const Bitmap* allowed) const;

  Bitmap removed_;
  bool any_removed_ = false;
};

}  // namespace tenfold::search
