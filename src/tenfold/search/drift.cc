// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::search {

std::vector<double> CodeCounts::entropy(std::size_t blocks) const {
  const std::size_t words = counts.size() / blocks;
  std::vector<double> bits(blocks, 0.0);
  for (std::size_t m = 0; m < blocks; ++m) {
    std::size_t used = 0;
    for (std::size_t k = 0; k < words; ++k) {
      const std::uint64_t count = counts[m * words + k];
      if (count == 0) continue;
      const double share = static_cast<double>(count) / static_cast<double>(rows);
      bits[m] -= share * std::log2(share);
      ++used;
    }
    if (rows > 0)
      bits[m] += static_cast<double>(used - 1) / (2.0 * static_cast<double>(rows) * std::log(2.0));
    bits[m] = std::min(bits[m], std::log2(static_cast<double>(words)));
  }
  return bits;
}

CodeCounts count_codes(const ProductQuantizer& quantizer, const Vectors& rows) {
  check_vectors(rows, quantizer.dimension(), "documents");
  const std::size_t blocks = quantizer.blocks(), words = quantizer.codewords(), width = quantizer.width();
  CodeCounts result{.counts = std::vector<std::uint64_t>(blocks * words, 0), .rows = rows.rows};
  constexpr std::size_t kPiece = 16384;  // so that the rotated copy stays small
  for (std::size_t first = 0; first < rows.rows; first += kPiece) {
    const std::size_t count = std::min(kPiece, rows.rows - first);
    const std::vector<float> rotated = quantizer.rotate(rows.slice(first, count));
    const auto codes = quantizer.codes_of_rotated(as_vectors(rotated, quantizer.dimension()));
    for (std::size_t i = 0; i < count * blocks; ++i) {
      const std::size_t word = i % blocks * words + codes[i];
      ++result.counts[word];
      for (std::size_t j = 0; j < width; ++j) {
        const double x = rotated[i * width + j], error = x - quantizer.parts().centroids[word * width + j];
        result.squared_error += error * error;
        result.squared_length += x * x;
      }
    }
  }
  return result;
}

DriftMonitor::DriftMonitor(const ProductQuantizer& quantizer, CodeCounts training, DriftOptions options)
    : quantizer_(quantizer), training_(std::move(training)), options_(options) {
  config::check_all(config::Fields(options_));
  const std::size_t wanted = quantizer.blocks() * quantizer.codewords();
  const std::uint64_t total =
      std::accumulate(training_.counts.begin(), training_.counts.end(), std::uint64_t{0});
  if (training_.rows > 0 && training_.counts.size() == wanted && total / quantizer.blocks() == training_.rows)
    return;
  throw Error(
      ErrorClass::kData,
      "drift.shape",
      {.what = "the counts of the training vectors do not fit the quantiser",
       .seen = fmt::format("{} counts of {} codes, {} rows", training_.counts.size(), total, training_.rows),
       .wanted = fmt::format("{} counts, {} codes a row, at least one row", wanted, quantizer.blocks()),
       .remedy = "count the training vectors with the quantiser that codes them"});
}

void DriftMonitor::observe(const Vectors& rows) {
  const CodeCounts more = count_codes(quantizer_, rows);
  seen_.counts.resize(more.counts.size(), 0);
  for (std::size_t i = 0; i < more.counts.size(); ++i) seen_.counts[i] += more.counts[i];
  seen_.rows += more.rows;
  seen_.squared_error += more.squared_error;
  seen_.squared_length += more.squared_length;
}

DriftReport DriftMonitor::report() const {
  DriftReport report{.rows = seen_.rows, .training_entropy = training_.entropy(quantizer_.blocks())};
  const auto error = [](const CodeCounts& counts) {
    return counts.squared_length > 0 ? counts.squared_error / counts.squared_length : 0.0;
  };
  report.training_error = error(training_);
  report.enough = seen_.rows >= static_cast<std::uint64_t>(options_.min_rows);
  if (seen_.rows == 0) return report;
  report.entropy = seen_.entropy(quantizer_.blocks());
  report.error = error(seen_);
  if (report.training_error > 0) report.error_ratio = report.error / report.training_error;
  for (std::size_t m = 0; m < quantizer_.blocks(); ++m) {
    const double loss = report.training_entropy[m] - report.entropy[m];
    if (m > 0 && loss <= report.entropy_loss) continue;
    report.entropy_loss = loss;
    report.worst_block = m;
  }
  if (!report.enough) return report;
  if (report.error_ratio > options_.max_error_ratio) {
    report.reason =
        fmt::format("the codes of {} new documents lose {:.2f} times as much as those of training",
                    report.rows,
                    report.error_ratio);
  } else if (report.entropy_loss > options_.max_entropy_loss) {
    report.reason =
        fmt::format("the codes of block {} of {} new documents say {:.2f} bits less than in training",
                    report.worst_block,
                    report.rows,
                    report.entropy_loss);
  }
  report.drifted = !report.reason.empty();
  if (report.drifted) report.reason += "; train the codewords again with some of the new documents";
  return report;
}

}  // namespace tenfold::search
