// SPDX-License-Identifier: Apache-2.0
// The loops over panels and tiles of kernels/gemm.h, and its plain version.
#include "tenfold/kernels/gemm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/kernels/gemm_tile.h"

namespace tenfold::kernels {
namespace {

using gemm_detail::TileOutput;
using gemm_detail::TileTable;
using gemm_detail::TileTerm;

constexpr std::size_t kMaxTerms = 2;

std::ptrdiff_t signed_of(std::size_t value) {
  return static_cast<std::ptrdiff_t>(value);
}

// The term at row 0 and column 0 of a panel.
TileTerm panel_term(const GemmTerm& term, std::size_t panel, std::size_t width) {
  const bool packed = term.b_step == 0;
  const std::ptrdiff_t default_panel =
      packed ? signed_of(term.steps * term.segments * kPanelColumns) : signed_of(kPanelColumns);
  const std::ptrdiff_t panel_stride = term.b_panel != 0 ? term.b_panel : default_panel;
  return {static_cast<const float*>(term.a),
          term.row_stride,
          term.step_stride,
          term.segment_stride,
          static_cast<const float*>(term.b) + signed_of(panel) * panel_stride,
          packed ? signed_of(width) : term.b_step,
          packed ? signed_of(term.steps * width) : term.b_segment,
          term.steps,
          term.segments,
          term.bf16};
}

TileOutput panel_output(const GemmOutput& output, std::size_t rows, std::size_t panel, std::size_t width) {
  const bool packed = output.row_stride == 0;
  const std::ptrdiff_t default_panel = packed ? signed_of(rows * kPanelColumns) : signed_of(kPanelColumns);
  const std::ptrdiff_t panel_stride = output.panel_stride != 0 ? output.panel_stride : default_panel;
  return {output.c + signed_of(panel) * panel_stride,
          packed ? signed_of(width) : output.row_stride,
          output.add,
          output.alpha};
}

// All rows of `vectors` vectors of columns. Tiles are as equal as possible: a last tile of few rows would be slow.
void run_rows(const TileTable& tiles,
              std::size_t vectors,
              std::span<TileTerm> terms,
              std::size_t rows,
              TileOutput output) {
  const gemm_detail::Tile* by_rows = vectors == 2 ? tiles.two : tiles.one;
  for (std::size_t left = (rows + tiles.max_rows - 1) / tiles.max_rows; left > 0; --left) {
    const std::size_t count = (rows + left - 1) / left;
    by_rows[count - 1](terms.data(), terms.size(), output);
    for (TileTerm& term : terms) term.a += signed_of(count) * term.row_stride;
    output.c += signed_of(count) * output.row_stride;
    rows -= count;
  }
}

double plain_element(const GemmTerm& term, std::ptrdiff_t a_at, std::ptrdiff_t b_at) {
  if (!term.bf16) {
    return double{static_cast<const float*>(term.a)[a_at]} * double{static_cast<const float*>(term.b)[b_at]};
  }
  const std::uint32_t a = static_cast<const std::uint32_t*>(term.a)[a_at];
  const std::uint32_t b = static_cast<const std::uint32_t*>(term.b)[b_at];
  const auto number = [](std::uint32_t bits) { return double{std::bit_cast<float>(bits)}; };
  return number(a << 16) * number(b << 16) + number(a & 0xFFFF0000u) * number(b & 0xFFFF0000u);
}

double plain_sum(const GemmTerm& term, std::size_t row, std::size_t column) {
  const std::size_t panel = column / kPanelColumns;
  double sum = 0.0;
  // The width of the panel only matters for packed operands, whose callers pass it in b_step here.
  for (std::size_t s = 0; s < term.segments; ++s) {
    for (std::size_t k = 0; k < term.steps; ++k) {
      sum += plain_element(term,
                           signed_of(s) * term.segment_stride + signed_of(row) * term.row_stride +
                               signed_of(k) * term.step_stride,
                           signed_of(panel) * term.b_panel + signed_of(s) * term.b_segment +
                               signed_of(k) * term.b_step + signed_of(column % kPanelColumns));
    }
  }
  return sum;
}

}  // namespace

void gemm(std::span<const GemmTerm> terms, std::size_t rows, std::size_t columns, const GemmOutput& output) {
  check_internal(columns % 16 == 0 && terms.size() <= kMaxTerms, "gemm: bad shape");
  bool bf16 = false;
  for (const GemmTerm& term : terms) bf16 = bf16 || term.bf16;
  const TileTable* native = bf16 ? gemm_detail::native_bf16_tiles() : nullptr;
  const TileTable& tiles = native != nullptr ? *native : gemm_detail::simd_tiles();
  for (std::size_t panel = 0; panel < panel_count(columns); ++panel) {
    const std::size_t width = panel_width(columns, panel);
    const std::size_t vectors = std::min<std::size_t>(2, width / tiles.lanes);
    for (std::size_t column = 0; column < width; column += vectors * tiles.lanes) {
      std::array<TileTerm, kMaxTerms> own;
      for (std::size_t t = 0; t < terms.size(); ++t) {
        own[t] = panel_term(terms[t], panel, width);
        own[t].b += column;
      }
      TileOutput to = panel_output(output, rows, panel, width);
      to.c += column;
      run_rows(tiles, vectors, {own.data(), terms.size()}, rows, to);
    }
  }
}

void gemm_plain(std::span<const GemmTerm> terms,
                std::size_t rows,
                std::size_t columns,
                const GemmOutput& output) {
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      const std::size_t panel = column / kPanelColumns;
      const std::size_t width = panel_width(columns, panel);
      double sum = 0.0;
      for (const GemmTerm& term : terms) {
        GemmTerm resolved = term;
        const TileTerm at = panel_term(term, 1, width);
        resolved.b_panel = at.b - static_cast<const float*>(term.b);
        resolved.b_step = at.b_step;
        resolved.b_segment = at.b_segment;
        sum += plain_sum(resolved, row, column);
      }
      const TileOutput to = panel_output(output, rows, panel, width);
      float& c = to.c[signed_of(row) * to.row_stride + signed_of(column % kPanelColumns)];
      c = static_cast<float>(output.add ? double{c} + double{output.alpha} * sum : sum);
    }
  }
}

std::string gemm_target() {
  return gemm_detail::simd_tiles().name;
}

std::string gemm_bf16_target() {
  return has_fast_bf16() ? gemm_detail::native_bf16_tiles()->name : gemm_target();
}

bool has_fast_bf16() {
  return gemm_detail::native_bf16_tiles() != nullptr;
}

double gemm_peak(bool bf16) {
  constexpr std::size_t kSteps = 256, kRows = 14, kRepeats = 600;
  alignas(64) static thread_local float a[kRows * kSteps], b[kSteps * kPanelColumns],
      c[kRows * kPanelColumns];
  const GemmTerm term{.a = a, .row_stride = kSteps, .b = b, .steps = kSteps, .bf16 = bf16};
  double best = std::numeric_limits<double>::infinity();
  for (int sample = 0; sample < 20; ++sample) {
    const Stopwatch watch;
    for (std::size_t i = 0; i < kRepeats; ++i) gemm({&term, 1}, kRows, kPanelColumns, {.c = c});
    best = std::min(best, watch.cpu_seconds());
  }
  return 2.0 * kRows * kSteps * kPanelColumns * kRepeats * (bf16 ? 2.0 : 1.0) / best;
}

}  // namespace tenfold::kernels
