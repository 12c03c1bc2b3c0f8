// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/rabitq.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"

namespace tenfold::search {
namespace {

constexpr int kScales = 24;  // tried for t, from no clipped coordinate to a third of the range

RabitqParts checked(RabitqParts parts) {
  const std::size_t d = parts.dimension, bits = parts.bits;
  const bool known_bits = bits == 1 || bits == 2 || bits == 4 || bits == 8;
  if (d == 0 || !known_bits || parts.rotation.size() != d * d || parts.centre.size() != d) {
    throw Error(ErrorClass::kData,
                "rabitq.shape",
                {.what = "the parts of a RaBitQ quantiser do not fit together",
                 .seen = fmt::format("dimension {}, {} bits, {} numbers of the rotation, {} of the centre",
                                     d,
                                     bits,
                                     parts.rotation.size(),
                                     parts.centre.size()),
                 .wanted = "1, 2, 4 or 8 bits, dimension x dimension numbers and dimension numbers"});
  }
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
  };
  if (!finite(parts.rotation) || !finite(parts.centre)) {
    throw Error(ErrorClass::kData,
                "rabitq.not_finite",
                {.what = "the rotation or the centre is not finite", .wanted = "finite numbers"});
  }
  return parts;
}

// Grid points of the residual over t, and their products with it.
struct GridFit {
  double dot = 0;     // <y, r>
  double square = 0;  // |y|^2
  double cosine_over_norm() const { return square > 0 ? dot / std::sqrt(square) : 0; }
};

std::uint8_t grid_code(float r, double inverse, int top) {
  const double place = static_cast<double>(r) * inverse + top / 2.0;
  return static_cast<std::uint8_t>(std::clamp(static_cast<int>(std::floor(place + 0.5)), 0, top));
}

GridFit fit(std::span<const float> residual, double inverse, int top) {
  GridFit result;
  for (const float r : residual) {
    const double y = grid_code(r, inverse, top) - top / 2.0;
    result.dot += y * r;
    result.square += y * y;
  }
  return result;
}

}  // namespace

Rabitq::Rabitq(RabitqParts parts)
    : parts_(checked(std::move(parts))),
      rotation_(parts_.rotation, parts_.dimension),
      rotation_transposed_(rotation_.transposed()) {}

void Rabitq::encode_row(std::span<const float> residual, std::uint8_t* code) const {
  const int top = (1 << parts_.bits) - 1;
  float largest = 0;
  for (const float r : residual) largest = std::max(largest, std::abs(r));
  std::fill(code, code + code_bytes(), std::uint8_t{0});
  if (largest == 0) return;
  // One bit is the sign whatever t is.
  double inverse = 1.0 / largest;
  GridFit best = fit(residual, inverse, top);
  for (int scale = 0; parts_.bits > 1 && scale < kScales; ++scale) {
    const double candidate = top / 2.0 / largest * (1 + 2.0 * scale / kScales);
    const GridFit found = fit(residual, candidate, top);
    if (scale == 0 || found.cosine_over_norm() > best.cosine_over_norm()) {
      best = found;
      inverse = candidate;
    }
  }
  for (std::size_t j = 0; j < residual.size(); ++j) {
    const std::size_t bit = j * parts_.bits;
    code[bit / 8] |= static_cast<std::uint8_t>(grid_code(residual[j], inverse, top) << (bit % 8));
  }
  const double square = std::inner_product(residual.begin(), residual.end(), residual.begin(), 0.0);
  const auto factor = static_cast<float>(best.dot > 0 ? square / best.dot : 0.0);
  std::memcpy(code + bit_bytes(), &factor, sizeof factor);
}

void Rabitq::encode(const Vectors& rows, std::span<std::uint8_t> codes) const {
  check_vectors(rows, dimension(), "vectors to encode");
  check_internal(codes.size() == rows.rows * code_bytes(), "room for the codes");
  const std::size_t d = dimension();
  parallel_for(rows.rows, 256, [&](std::size_t begin, std::size_t end) {
    std::vector<float> centred((end - begin) * d), residual(centred.size());
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t j = 0; j < d; ++j) {
        centred[(i - begin) * d + j] = rows.data[i * rows.stride + j] - parts_.centre[j];
      }
    }
    apply(rotation_transposed_, as_vectors(centred, d), residual);
    for (std::size_t i = begin; i < end; ++i) {
      encode_row(std::span(residual).subspan((i - begin) * d, d), &codes[i * code_bytes()]);
    }
  });
}

void Rabitq::decode(std::span<const std::uint8_t> codes, std::span<float> rows) const {
  const std::size_t d = dimension(), count = codes.size() / code_bytes();
  check_internal(rows.size() == count * d, "room for the vectors");
  const int top = (1 << parts_.bits) - 1;
  std::vector<float> grid(count * d);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* code = &codes[i * code_bytes()];
    float factor = 0;
    std::memcpy(&factor, code + bit_bytes(), sizeof factor);
    for (std::size_t j = 0; j < d; ++j) {
      const std::size_t bit = j * parts_.bits;
      const int value = (code[bit / 8] >> (bit % 8)) & top;
      grid[i * d + j] = factor * (static_cast<float>(value) - static_cast<float>(top) / 2);
    }
  }
  apply(rotation_, as_vectors(grid, d), rows);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < d; ++j) rows[i * d + j] += parts_.centre[j];
  }
}

void Rabitq::score(std::span<const float> query,
                   std::span<const std::uint8_t> codes,
                   std::span<float> scores) const {
  const Vectors one(query.data(), 1, query.size());
  check_vectors(one, dimension(), "queries");
  check_internal(codes.size() == scores.size() * code_bytes(), "one score a code");
  std::vector<float> turned(dimension());
  apply(rotation_transposed_, one, turned);
  const int top = (1 << parts_.bits) - 1;
  // What a byte of the code adds, for all 256 of them: 8 / bits coordinates at a time.
  const std::size_t bytes = bit_bytes(), per_byte = 8 / parts_.bits;
  std::vector<float> tables(bytes * 256);
  for (std::size_t b = 0; b < bytes; ++b) {
    for (unsigned value = 0; value < 256; ++value) {
      float sum = 0;
      for (std::size_t j = 0; j < per_byte && b * per_byte + j < dimension(); ++j) {
        const int code = static_cast<int>(value >> (j * parts_.bits)) & top;
        sum += turned[b * per_byte + j] * (static_cast<float>(code) - static_cast<float>(top) / 2);
      }
      tables[b * 256 + value] = sum;
    }
  }
  const float centre = std::inner_product(query.begin(), query.end(), parts_.centre.begin(), 0.0f);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::uint8_t* code = &codes[i * code_bytes()];
    float sum = 0, factor = 0;
    for (std::size_t b = 0; b < bytes; ++b) sum += tables[b * 256 + code[b]];
    std::memcpy(&factor, code + bytes, sizeof factor);
    scores[i] = centre + factor * sum;
  }
}

Rabitq train_rabitq(const Vectors& rows, std::size_t bits, std::uint64_t seed) {
  check_vectors(rows, rows.dimension, "training vectors");
  if (rows.rows == 0) {
    throw Error(
        ErrorClass::kData,
        "kmeans.too_few_rows",
        {.what = "there is no vector to learn the centre from", .seen = "0 vectors", .wanted = "at least 1"});
  }
  std::vector<double> sum(rows.dimension, 0.0);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.dimension; ++j) sum[j] += rows.data[i * rows.stride + j];
  }
  RabitqParts parts{.dimension = rows.dimension, .bits = bits};
  for (const double s : sum) parts.centre.push_back(static_cast<float>(s / static_cast<double>(rows.rows)));
  parts.rotation = random_rotation(rows.dimension, seed).dense();
  return Rabitq(std::move(parts));
}

}  // namespace tenfold::search
