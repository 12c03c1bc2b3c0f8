// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/vector_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/npy.h"
#include "tenfold/io/vecs.h"
#include "tenfold/search/flat_index.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kHeldOutSeed = 77;
constexpr std::uint64_t kMaxVectors = std::uint64_t{256} << 30;  // bytes

Error bad_vectors(std::string code, const std::string& what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kData,
               std::move(code),
               {.what = what,
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "check how the vectors were made"});
}

VectorSet read_npy_rows(const Path& path, const std::string& place) {
  const io::NpyArray array = io::read_npy(path, kMaxVectors);
  if (array.shape.size() != 2)
    throw bad_vectors("vectors.rank",
                      place + " is no matrix",
                      fmt::format("{} dimensions", array.shape.size()),
                      "rows of numbers: two dimensions");
  VectorSet set;
  set.rows = array.shape[0];
  set.dimension = array.shape[1];
  if (array.dtype == io::DType::kF32) {
    const auto values = array.values<float>();
    set.values.assign(values.begin(), values.end());
  } else if (array.dtype == io::DType::kF64) {
    const auto values = array.values<double>();
    set.values.assign(values.begin(), values.end());
  } else {
    throw bad_vectors("vectors.dtype", place + " holds other numbers", "", "floats of 32 or 64 bits");
  }
  return set;
}

void check_rows(const VectorSet& set, const std::string& place) {
  if (set.rows == 0 || set.dimension == 0)
    throw bad_vectors("vectors.empty", place + " has no vectors", "", "at least one row");
  for (std::size_t i = 0; i < set.rows; ++i) {
    const std::span<const float> row = set.view().row(i);
    const bool finite = std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); });
    if (!finite)
      throw bad_vectors("vectors.not_finite",
                        place + " has a value that is no number",
                        fmt::format("row {}", i),
                        "finite values");
    const bool zero = std::all_of(row.begin(), row.end(), [](float value) { return value == 0.0f; });
    if (zero)
      throw bad_vectors("vectors.zero",
                        place + " has a vector of zeros, which no query can find",
                        fmt::format("row {}", i),
                        "a direction for every vector");
  }
}

}  // namespace

bool is_vector_file(std::string_view path) {
  return path.ends_with(".npy") || path.ends_with(".fvecs");
}

VectorSet read_vector_file(const Path& path, std::string_view noun) {
  const std::string place = fmt::format("{} ({})", printable(path.string(), 400), noun);
  VectorSet set;
  if (path.string().ends_with(".fvecs")) {
    io::VecsMatrix<float> matrix = io::read_vecs<float>(path, {.max_bytes = kMaxVectors});
    set = {std::move(matrix.values), matrix.rows, matrix.dimension};
  } else {
    set = read_npy_rows(path, place);
  }
  check_rows(set, place);
  return set;
}

VectorSet read_vector_file(const Path& path, std::string_view noun, std::size_t dimension) {
  VectorSet set = read_vector_file(path, noun);
  if (set.dimension == dimension) return set;
  throw bad_vectors(
      "vectors.dimension",
      fmt::format("{} ({}) has vectors of another dimension", printable(path.string(), 400), noun),
      std::to_string(set.dimension),
      std::to_string(dimension));
}

std::vector<std::vector<std::uint32_t>> read_vector_labels(const Path& path,
                                                           std::size_t queries,
                                                           std::size_t documents) {
  const std::string place = printable(path.string(), 400);
  std::vector<std::vector<std::uint32_t>> relevant(queries);
  std::size_t number = 0, labels = 0;
  for (const std::string& line : split(read_text_file(path, kMaxVectors), '\n')) {
    ++number;
    const std::string_view text = trim(line);
    if (text.empty() || text.starts_with('#')) continue;
    std::istringstream fields{std::string(text)};
    std::string query_text, document_text, rest;
    fields >> query_text >> document_text >> rest;
    const auto query = parse_integer(query_text), document = parse_integer(document_text);
    const bool good = rest.empty() && query && document && *query >= 0 && *document >= 0 &&
                      static_cast<std::uint64_t>(*query) < queries &&
                      static_cast<std::uint64_t>(*document) < documents;
    if (!good)
      throw bad_vectors(
          "labels.line",
          fmt::format("{} line {} is no label", place, number),
          printable(line),
          fmt::format("a query from 0 to {} and a document from 0 to {}", queries - 1, documents - 1));
    relevant[static_cast<std::size_t>(*query)].push_back(static_cast<std::uint32_t>(*document));
    ++labels;
  }
  if (labels == 0) throw bad_vectors("labels.empty", place + " has no labels", "", "at least one");
  return relevant;
}

bool is_held_out(std::size_t query, double share) {
  return random::Generator(kHeldOutSeed, query).uniform() < share;
}

std::vector<search::Hits> exact_hits(const VectorSet& documents, search::Vectors queries, std::size_t k) {
  search::FlatIndex index(documents.dimension);
  index.add(documents.view());
  return index.search(queries, {.k = k});
}

}  // namespace tenfold::repconc
