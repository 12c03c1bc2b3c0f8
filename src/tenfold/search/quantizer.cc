// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/quantizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/rabitq.h"

namespace tenfold::search {

std::unique_ptr<Quantizer> train_quantizer(const Vectors& rows, const QuantizerOptions& options) {
  QuantizerOptions copy = options;
  config::check_all(config::Fields(copy));
  if (options.method == "rabitq") {
    return std::make_unique<Rabitq>(
        train_rabitq(rows, static_cast<std::size_t>(options.bits), static_cast<std::uint64_t>(options.seed)));
  }
  return std::make_unique<ProductQuantizer>(train_product_quantizer(rows, options));
}

double reconstruction_error(const Quantizer& quantizer, const Vectors& rows) {
  constexpr std::size_t kPiece = 4096;
  double sum = 0;
  for (std::size_t first = 0; first < rows.rows; first += kPiece) {
    const Vectors piece = rows.slice(first, std::min(kPiece, rows.rows - first));
    std::vector<std::uint8_t> codes(piece.rows * quantizer.code_bytes());
    std::vector<float> decoded(piece.rows * piece.dimension);
    quantizer.encode(piece, codes);
    quantizer.decode(codes, decoded);
    for (std::size_t i = 0; i < piece.rows; ++i) {
      const auto row = piece.row(i);
      for (std::size_t j = 0; j < row.size(); ++j) {
        const double difference = static_cast<double>(row[j]) - decoded[i * piece.dimension + j];
        sum += difference * difference;
      }
    }
  }
  return sum / static_cast<double>(rows.rows);
}

}  // namespace tenfold::search
