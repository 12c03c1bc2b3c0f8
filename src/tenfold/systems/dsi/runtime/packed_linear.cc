// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/packed_linear.h"

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/gemm_int8.h"

namespace tenfold::dsi {

using kernels::kPanelColumns;

PackedLinear::PackedLinear(std::span<const float> weight,
                           std::size_t outputs,
                           std::size_t inputs,
                           WeightFormat format)
    : inputs_(inputs), outputs_(outputs), padded_(kernels::padded_columns(outputs)) {
  check_internal(weight.size() == outputs * inputs, "PackedLinear: bad shape");
  const auto place = [&](std::size_t output, std::size_t input) {
    const std::size_t panel = output / kPanelColumns, column = output % kPanelColumns;
    return inputs_ * panel * kPanelColumns + input * kernels::panel_width(padded_, panel) + column;
  };
  if (format == WeightFormat::kFloat32) {
    panels_.resize(inputs_ * padded_);
    for (std::size_t i = 0; i < outputs_; ++i) {
      for (std::size_t j = 0; j < inputs_; ++j) panels_[place(i, j)] = weight[i * inputs_ + j];
    }
    return;
  }
  bytes_.resize(inputs_ * padded_);
  scales_.resize(padded_);
  for (std::size_t i = 0; i < outputs_; ++i) {
    float largest = 0.0F;
    for (std::size_t j = 0; j < inputs_; ++j) largest = std::max(largest, std::abs(weight[i * inputs_ + j]));
    scales_[i] = largest / 127.0F;
    const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    for (std::size_t j = 0; j < inputs_; ++j)
      bytes_[place(i, j)] = static_cast<std::int8_t>(std::lround(weight[i * inputs_ + j] * inverse));
  }
}

void PackedLinear::apply(kernels::ConstRows x, std::size_t rows, kernels::FloatRows y, bool add) const {
  apply_panels(x, rows, 0, kernels::panel_count(outputs_), y, add);
}

void PackedLinear::apply_range(
    kernels::ConstRows x, std::size_t rows, std::size_t begin, std::size_t end, kernels::FloatRows y) const {
  const std::size_t first = begin / kPanelColumns, last = (end + kPanelColumns - 1) / kPanelColumns;
  apply_panels(x, rows, first, last - first, y, false);
}

void PackedLinear::apply_panels(kernels::ConstRows x,
                                std::size_t rows,
                                std::size_t first,
                                std::size_t count,
                                kernels::FloatRows y,
                                bool add) const {
  if (!bytes_.empty()) {
    const kernels::Int8Panels panels{bytes_.data(), scales_.data(), inputs_, padded_};
    kernels::gemm_int8(x, rows, panels, {.first_panel = first, .panels = count, .add = add}, y);
    return;
  }
  const std::size_t start = first * kPanelColumns;
  const std::size_t columns = std::min(padded_, start + count * kPanelColumns) - start;
  const kernels::GemmTerm term{
      .a = x.data, .row_stride = x.stride, .b = panels_.data() + inputs_ * start, .steps = inputs_};
  kernels::gemm({&term, 1}, rows, columns, {.c = y.data + start, .row_stride = y.stride, .add = add});
}

}  // namespace tenfold::dsi
