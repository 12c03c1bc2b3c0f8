// SPDX-License-Identifier: Apache-2.0
// What every compressed form of vectors can do. Product quantisers (search/product_quantizer.h) and RaBitQ (search/rabitq.h) stand behind
// it; train_quantizer() makes one from vectors by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tenfold/config/field.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

// Immutable after construction and thread-safe.
class Quantizer {
 public:
  virtual ~Quantizer() = default;

  virtual std::string_view kind() const = 0;   // "pq", "opq", "anisotropic", "rabitq"
  virtual std::size_t dimension() const = 0;   // of the vectors
  virtual std::size_t code_bytes() const = 0;  // of one code

  // codes: [rows, code_bytes()]. Uses the threads of base/threads.h. Throws Error(kData) as check_vectors().
  virtual void encode(const Vectors& rows, std::span<std::uint8_t> codes) const = 0;
  // The vectors that codes stand for: [rows, dimension()].
  virtual void decode(std::span<const std::uint8_t> codes, std::span<float> rows) const = 0;
  // Estimates of the inner product of the query with every coded vector; the query itself is not quantised. scores: [rows].
  virtual void score(std::span<const float> query,
                     std::span<const std::uint8_t> codes,
                     std::span<float> scores) const = 0;
};

struct QuantizerOptions {
  std::string method = "opq";
  std::int64_t bytes = 16;  // a document
  std::int64_t bits = 8;    // a code; bytes x 8 / bits blocks
  std::int64_t kmeans_iterations = 25;
  std::int64_t points_per_cluster = 256;
  std::int64_t rotations = 50;      // rounds of "opq"
  double parallel_threshold = 0.2;  // T of "anisotropic"
  std::int64_t anisotropic_rounds = 5;
  std::int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("method",
          method,
          {.help = "how vectors are compressed", .choices = {"pq", "opq", "anisotropic", "rabitq"}});
    field("bytes", bytes, {.help = "of a document", .unit = "B", .min = 1, .max = 65536});
    field("bits",
          bits,
          {.help = "of a code: 4 or 8; with rabitq bits a coordinate, and bytes follow from them",
           .min = 1,
           .max = 8});
    field("kmeans_iterations", kmeans_iterations, {.help = "rounds of k-means", .min = 1, .max = 10000});
    field("points_per_cluster",
          points_per_cluster,
          {.help = "training vectors a codeword; 0: all", .min = 0, .max = 1e9});
    field("rotations", rotations, {.help = "rounds of learning the rotation", .min = 0, .max = 10000});
    field("parallel_threshold",
          parallel_threshold,
          {.help = "ScaNN's T; larger: errors along the vector weigh more", .min = 0.0, .max = 0.99});
    field("anisotropic_rounds",
          anisotropic_rounds,
          {.help = "rounds of the anisotropic loss", .min = 0, .max = 1000});
    field("seed", seed, {.help = "of samples, starts and rotations", .min = 0, .max = 1e15});
  }
};

// Throws Error(kConfig) for options out of range; Error(kData): "quantizer.blocks" (bytes and bits give no whole number of blocks, or
// blocks that do not divide the dimension; says which would), "kmeans.too_few_rows", and what check_vectors() throws.
std::unique_ptr<Quantizer> train_quantizer(const Vectors& rows, const QuantizerOptions& options);

// Mean over rows of the squared distance between a vector and what its code stands for.
double reconstruction_error(const Quantizer& quantizer, const Vectors& rows);

}  // namespace tenfold::search
