// SPDX-License-Identifier: Apache-2.0
// The weights of a linear map in the order in which the product reads them: as floats, as bfloat16 (twice the multiply-adds a second on
// processors with AVX512_BF16) or in 8 bits with one scale an output (a quarter of the bytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/kernels/activation.h"

namespace tenfold::dsi {

enum class WeightFormat { kFloat32, kBfloat16, kInt8 };

// "float32", "bfloat16" or "int8"; throws Error(kConfig, "dsi.weight_format").
WeightFormat parse_weight_format(std::string_view name);

// y = W x without bias. Outputs are padded to a multiple of 16; the padding of y gets zeros. Immutable, thread-safe.
class PackedLinear {
 public:
  PackedLinear() = default;
  // weight: [outputs, inputs]. kBfloat16 rounds weights and x to 8 bits of mantissa, sums stay in float32. kInt8 rounds w to scale x round(w / scale), scale = largest |w| of the output / 127.
  PackedLinear(std::span<const float> weight,
               std::size_t outputs,
               std::size_t inputs,
               WeightFormat format = WeightFormat::kFloat32);

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  std::size_t padded_outputs() const { return padded_; }
  std::size_t bytes() const {
    return panels_.size() * 4 + pairs_.size() * 4 + bytes_.size() + scales_.size() * 4;
  }

  // y (+)= W x for rows of x: [rows, inputs] -> [rows, padded_outputs()]. A row's result does not depend on the others.
  void apply(kernels::ConstRows x, std::size_t rows, kernels::FloatRows y, bool add = false) const;
  // Only outputs [begin, end) and what shares their panels; y is output 0 as above.
  void apply_range(
      kernels::ConstRows x, std::size_t rows, std::size_t begin, std::size_t end, kernels::FloatRows y) const;

 private:
  void pack_pairs();
  void apply_panels(kernels::ConstRows x,
                    std::size_t rows,
                    std::size_t first,
                    std::size_t count,
                    kernels::FloatRows y,
                    bool add) const;

  std::size_t inputs_ = 0;
  std::size_t outputs_ = 0;
  std::size_t padded_ = 0;
  AlignedVector<float> panels_;         // kernels/gemm.h
  AlignedVector<std::uint32_t> pairs_;  // kernels/gemm.h, two inputs each
  AlignedVector<std::int8_t> bytes_;    // kernels/gemm_int8.h
  AlignedVector<float> scales_;
};

}  // namespace tenfold::dsi
