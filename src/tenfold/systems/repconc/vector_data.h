// SPDX-License-Identifier: Apache-2.0
// Vectors from outside as documents and queries: files of NumPy (.npy) and of the TEXMEX data sets (.fvecs). No LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/config/field.h"
#include "tenfold/search/hit.h"
#include "tenfold/search/vectors.h"

namespace tenfold::repconc {

struct VectorOptions {
  std::string method = "opq";
  std::string queries;  // file of vectors
  std::string labels;   // which documents answer them
  double valid_share = 0.1;
  std::int64_t hidden = 64;

  void visit_fields(auto&& field) {
    field("method",
          method,
          {.help = "how vectors are compressed when DATA is a file of vectors",
           .choices = {"pq", "opq", "anisotropic", "rabitq"}});
    field("queries",
          queries,
          {.help = "file of query vectors to train codewords and a map of queries with",
           .file = config::FileUse::kRead});
    field("labels",
          labels,
          {.help = "text file: row of a query, row of a document that answers it; none: whole vectors are "
                   "the teacher",
           .file = config::FileUse::kRead});
    field("valid_share", valid_share, {.help = "of the queries, kept for tuning", .min = 0.0, .max = 0.9});
    field("hidden", hidden, {.help = "hidden units of the map of queries", .min = 1, .max = 65536});
  }
};

// By the ending of its name.
bool is_vector_file(std::string_view path);

struct VectorSet {
  std::vector<float> values;  // [rows, dimension]
  std::size_t rows = 0, dimension = 0;

  search::Vectors view() const { return {values.data(), rows, dimension}; }
};

// All rows of a file: .npy of two dimensions and floats of 32 or 64 bits, or .fvecs. `noun` is what messages call them. Throws Error(kFile)
// as read_npy() and read_vecs(), and Error(kData): "vectors.empty", "vectors.rank", "vectors.dtype", "vectors.not_finite" and
// "vectors.zero" (both name the row).
VectorSet read_vector_file(const Path& path, std::string_view noun);
// The same, of this dimension: "vectors.dimension".
VectorSet read_vector_file(const Path& path, std::string_view noun, std::size_t dimension);

// Lines "query document", rows from 0, separated by white space; empty lines and those that begin with # are skipped. Documents by query.
// Throws Error(kData): "labels.line" (another form, or a row that is not there), "labels.empty"; Error(kFile) as read_text_file().
std::vector<std::vector<std::uint32_t>> read_vector_labels(const Path& path,
                                                           std::size_t queries,
                                                           std::size_t documents);

// Whether the query of this row is kept for tuning: the same for every run.
bool is_held_out(std::size_t query, double share);

// The k best documents of every query over whole vectors, by inner product.
std::vector<search::Hits> exact_hits(const VectorSet& documents, search::Vectors queries, std::size_t k);

}  // namespace tenfold::repconc
