// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/packed_linear.h"

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/gemm_int8.h"

namespace tenfold::dsi {

using kernels::kPanelColumns;

namespace {

constexpr std::size_t kPairs = 16384;  // of the rows that are rounded together: 64 KB on the stack

}  // namespace

WeightFormat parse_weight_format(std::string_view name) {
  if (name == "float32") return WeightFormat::kFloat32;
  if (name == "bfloat16") return WeightFormat::kBfloat16;
  if (name == "int8") return WeightFormat::kInt8;
  throw Error(ErrorClass::kConfig,
              "dsi.weight_format",
              {.what = "there is no such format of weights",
               .seen = printable(name),
               .wanted = "float32, bfloat16 or int8",
               .remedy = "change the option"});
}

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
  if (format != WeightFormat::kInt8) {
    panels_.resize(inputs_ * padded_);
    for (std::size_t i = 0; i < outputs_; ++i) {
      for (std::size_t j = 0; j < inputs_; ++j) panels_[place(i, j)] = weight[i * inputs_ + j];
    }
    if (format == WeightFormat::kBfloat16) pack_pairs();
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

void PackedLinear::pack_pairs() {
  const std::size_t steps = (inputs_ + 1) / 2;
  pairs_.resize(steps * padded_);
  for (std::size_t panel = 0; panel < kernels::panel_count(padded_); ++panel) {
    kernels::round_pairs_bf16(panels_.data() + panel * inputs_ * kPanelColumns,
                              {inputs_, kernels::panel_width(padded_, panel)},
                              {},
                              0,
                              pairs_.data() + panel * steps * kPanelColumns);
  }
  panels_ = {};
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
  if (!pairs_.empty()) {
    // Two neighbours of a row are the pair that the product wants. Some rows at a time, so that they stay in the cache.
    const std::size_t steps = (inputs_ + 1) / 2;
    alignas(64) std::uint32_t rounded[kPairs];
    const std::size_t at_once = kPairs / steps;
    check_internal(at_once > 0, "PackedLinear: too many inputs");
    for (std::size_t row = 0; row < rows; row += at_once) {
      const std::size_t part = std::min(at_once, rows - row);
      for (std::size_t i = 0; i < part; ++i) {
        std::uint32_t* to = rounded + i * steps;
        to[steps - 1] = 0;
        kernels::round_bf16(x.data + static_cast<std::ptrdiff_t>(row + i) * x.stride,
                            inputs_,
                            {},
                            0,
                            reinterpret_cast<std::uint16_t*>(to));
      }
      const kernels::GemmTerm pairs{.a = rounded,
                                    .row_stride = static_cast<std::ptrdiff_t>(steps),
                                    .b = pairs_.data() + steps * start,
                                    .steps = steps,
                                    .bf16 = true};
      float* c = y.data + static_cast<std::ptrdiff_t>(row) * y.stride + start;
      kernels::gemm({&pairs, 1}, part, columns, {.c = c, .row_stride = y.stride, .add = add});
    }
    return;
  }
  const kernels::GemmTerm term{
      .a = x.data, .row_stride = x.stride, .b = panels_.data() + inputs_ * start, .steps = inputs_};
  kernels::gemm({&term, 1}, rows, columns, {.c = y.data + start, .row_stride = y.stride, .add = add});
}

}  // namespace tenfold::dsi
