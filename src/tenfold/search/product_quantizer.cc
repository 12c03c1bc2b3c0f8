// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/product_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/gemm.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kGrainRows = 256;
constexpr int kDescentRounds = 4;  // over the blocks, when codes are chosen for inner products

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

ProductQuantizerParts checked(ProductQuantizerParts parts) {
  const std::size_t d = parts.dimension, words = std::size_t{1} << std::min<std::size_t>(parts.bits, 16);
  const bool fits = d > 0 && parts.blocks > 0 && d % parts.blocks == 0 &&
                    (parts.bits == 4 || parts.bits == 8) && parts.centroids.size() == d * words &&
                    (parts.rotation.empty() || parts.rotation.size() == d * d);
  if (!fits) {
    throw Error(
        ErrorClass::kData,
        "pq.shape",
        {.what = "the parts of a product quantiser do not fit together",
         .seen = fmt::format("dimension {}, {} blocks, {} bits, {} numbers of codewords, {} of the rotation",
                             d,
                             parts.blocks,
                             parts.bits,
                             parts.centroids.size(),
                             parts.rotation.size()),
         .wanted = "blocks that divide the dimension, 4 or 8 bits, dimension x 2^bits numbers of codewords, "
                   "dimension x dimension of the rotation or none"});
  }
  if (!all_finite(parts.centroids) || !all_finite(parts.rotation)) {
    throw Error(ErrorClass::kData,
                "pq.not_finite",
                {.what = "a codeword or the rotation is not finite", .wanted = "finite numbers"});
  }
  if (!std::isfinite(parts.anisotropy) || parts.anisotropy < 0) {
    throw Error(ErrorClass::kData,
                "pq.anisotropy",
                {.what = "the anisotropy cannot be used",
                 .seen = fmt::format("{}", parts.anisotropy),
                 .wanted = "a number from 0 on"});
  }
  return parts;
}

// Column of block `m` in rows of width d.
const float* block_of(const Vectors& rows, std::size_t first, std::size_t m, std::size_t width) {
  return rows.data + first * rows.stride + m * width;
}

}  // namespace

ProductQuantizer::ProductQuantizer(ProductQuantizerParts parts) : parts_(checked(std::move(parts))) {
  const std::size_t size = codewords() * width();
  for (std::size_t m = 0; m < blocks(); ++m) {
    tables_.emplace_back(std::span(parts_.centroids).subspan(m * size, size), width());
  }
  if (!has_rotation()) return;
  rotation_ = SquareMatrix(parts_.rotation, parts_.dimension);
  rotation_transposed_ = rotation_.transposed();
}

std::string_view ProductQuantizer::kind() const {
  return parts_.anisotropy != 1.0 ? "anisotropic" : has_rotation() ? "opq" : "pq";
}

std::vector<float> ProductQuantizer::rotate(const Vectors& rows) const {
  std::vector<float> result(rows.rows * dimension());
  if (has_rotation()) {
    apply(rotation_transposed_, rows, result);
  } else {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      std::copy_n(rows.data + i * rows.stride, dimension(), &result[i * dimension()]);
    }
  }
  return result;
}

std::vector<std::uint8_t> ProductQuantizer::codes_of_rotated(const Vectors& rotated) const {
  std::vector<std::uint8_t> codes(rotated.rows * blocks());
  parallel_for(rotated.rows, kGrainRows, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> index(end - begin);
    for (std::size_t m = 0; m < blocks(); ++m) {
      kernels::nearest(tables_[m],
                       block_of(rotated, begin, m, width()),
                       static_cast<std::ptrdiff_t>(rotated.stride),
                       index,
                       nullptr);
      for (std::size_t i = begin; i < end; ++i) {
        codes[i * blocks() + m] = static_cast<std::uint8_t>(index[i - begin]);
      }
    }
    if (parts_.anisotropy != 1.0) {
      choose_for_inner_products(rotated.slice(begin, end - begin),
                                std::span(codes).subspan(begin * blocks(), (end - begin) * blocks()));
    }
  });
  return codes;
}

// Coordinate descent over the blocks on |r|^2 + (eta - 1) <r, y>^2 / |y|^2, r = y - y^: with p_k = <y_j, c_jk> and h_k = |c_jk|^2 / 2 the
// cost of codeword k is 2 (h_k - p_k) + (eta - 1) / |y|^2 (s + |y_j|^2 - p_k)^2, s the sum of <r_i, y_i> over the other blocks.
void ProductQuantizer::choose_for_inner_products(const Vectors& rotated,
                                                 std::span<std::uint8_t> codes) const {
  const std::size_t words = codewords();
  std::vector<float> products(blocks() * words), squares(blocks());
  for (std::size_t i = 0; i < rotated.rows; ++i) {
    const float* y = rotated.data + i * rotated.stride;
    std::uint8_t* code = &codes[i * blocks()];
    float total = 0, along = 0;
    for (std::size_t m = 0; m < blocks(); ++m) {
      const float* part = y + m * width();
      const kernels::GemmTerm term{.a = part,
                                   .b = tables_[m].columns(),
                                   .steps = width(),
                                   .b_step = static_cast<std::ptrdiff_t>(tables_[m].padded())};
      kernels::gemm({&term, 1},
                    1,
                    words,
                    {.c = &products[m * words], .row_stride = static_cast<std::ptrdiff_t>(words)});
      squares[m] = std::inner_product(part, part + width(), part, 0.0f);
      total += squares[m];
      along += squares[m] - products[m * words + code[m]];
    }
    if (total <= 0) continue;
    const auto weight = static_cast<float>((parts_.anisotropy - 1) / total);
    for (int round = 0; round < kDescentRounds; ++round) {
      bool changed = false;
      for (std::size_t m = 0; m < blocks(); ++m) {
        const float* p = &products[m * words];
        const float* h = tables_[m].half_squares();
        const float others = along - (squares[m] - p[code[m]]), base = others + squares[m];
        std::size_t best = code[m];
        const auto cost = [&](std::size_t k) {
          return 2 * (h[k] - p[k]) + weight * (base - p[k]) * (base - p[k]);
        };
        float least = cost(best);
        for (std::size_t k = 0; k < words; ++k) {
          if (cost(k) < least) {
            least = cost(k);
            best = k;
          }
        }
        changed = changed || best != code[m];
        code[m] = static_cast<std::uint8_t>(best);
        along = others + squares[m] - p[best];
      }
      if (!changed) break;
    }
  }
}

void ProductQuantizer::encode(const Vectors& rows, std::span<std::uint8_t> codes) const {
  check_vectors(rows, dimension(), "vectors to encode");
  check_internal(codes.size() == rows.rows * code_bytes(), "room for the codes");
  // In pieces, so that the rotated copy stays small.
  constexpr std::size_t kPiece = 16384;
  for (std::size_t first = 0; first < rows.rows; first += kPiece) {
    const Vectors piece = rows.slice(first, std::min(kPiece, rows.rows - first));
    const auto out = codes.subspan(first * code_bytes(), piece.rows * code_bytes());
    const std::vector<float> rotated = has_rotation() ? rotate(piece) : std::vector<float>();
    pack(codes_of_rotated(has_rotation() ? as_vectors(rotated, dimension()) : piece), out);
  }
}

void ProductQuantizer::decode(std::span<const std::uint8_t> codes, std::span<float> rows) const {
  const std::size_t count = codes.size() / code_bytes(), d = dimension();
  check_internal(rows.size() == count * d, "room for the vectors");
  std::vector<std::uint8_t> bytes(count * blocks());
  unpack(codes, bytes);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t m = 0; m < blocks(); ++m) {
      const std::size_t word = m * codewords() + bytes[i * blocks() + m];
      std::copy_n(&parts_.centroids[word * width()], width(), &rows[i * d + m * width()]);
    }
  }
  if (!has_rotation()) return;
  // Rows times R is R^T applied to each.
  std::vector<float> turned(rows.size());
  apply(rotation_, {rows.data(), count, d}, turned);
  std::copy(turned.begin(), turned.end(), rows.begin());
}

std::vector<float> ProductQuantizer::tables(const Vectors& queries) const {
  const std::vector<float> rotated = rotate(queries);
  return tables_of_rotated({rotated.data(), queries.rows, dimension()});
}

std::vector<float> ProductQuantizer::tables_of_rotated(const Vectors& queries) const {
  const std::size_t words = codewords();
  std::vector<float> result(queries.rows * blocks() * words);
  const auto row_stride = static_cast<std::ptrdiff_t>(blocks() * words);
  for (std::size_t m = 0; m < blocks(); ++m) {
    const kernels::GemmTerm term{.a = queries.data + m * width(),
                                 .row_stride = static_cast<std::ptrdiff_t>(queries.stride),
                                 .b = tables_[m].columns(),
                                 .steps = width(),
                                 .b_step = static_cast<std::ptrdiff_t>(tables_[m].padded())};
    kernels::gemm({&term, 1}, queries.rows, words, {.c = &result[m * words], .row_stride = row_stride});
  }
  return result;
}

void ProductQuantizer::score(std::span<const float> query,
                             std::span<const std::uint8_t> codes,
                             std::span<float> scores) const {
  const Vectors one(query.data(), 1, query.size());
  check_vectors(one, dimension(), "queries");
  const std::vector<float> table = tables(one);
  check_internal(codes.size() == scores.size() * code_bytes(), "one score a code");
  std::vector<std::uint8_t> bytes(blocks());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    unpack(codes.subspan(i * code_bytes(), code_bytes()), bytes);
    float sum = 0;
    for (std::size_t m = 0; m < blocks(); ++m) sum += table[m * codewords() + bytes[m]];
    scores[i] = sum;
  }
}

void ProductQuantizer::pack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) const {
  if (bits() == 8) {
    std::copy(bytes.begin(), bytes.end(), codes.begin());
    return;
  }
  std::fill(codes.begin(), codes.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < bytes.size() / blocks(); ++i) {
    for (std::size_t m = 0; m < blocks(); ++m) {
      codes[i * code_bytes() + m / 2] |= static_cast<std::uint8_t>(bytes[i * blocks() + m] << (m % 2 * 4));
    }
  }
}

void ProductQuantizer::unpack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) const {
  if (bits() == 8) {
    std::copy(codes.begin(), codes.end(), bytes.begin());
    return;
  }
  for (std::size_t i = 0; i < bytes.size() / blocks(); ++i) {
    for (std::size_t m = 0; m < blocks(); ++m) {
      bytes[i * blocks() + m] = (codes[i * code_bytes() + m / 2] >> (m % 2 * 4)) & 15;
    }
  }
}

double anisotropy_of(double threshold, std::size_t dimension) {
  const double square = threshold * threshold;
  return std::max(1.0, static_cast<double>(dimension - 1) * square / (1 - square));
}

}  // namespace tenfold::search
