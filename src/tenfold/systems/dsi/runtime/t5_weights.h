// SPDX-License-Identifier: Apache-2.0
// Weights of T5 1.1 stacks (Raffel et al., arXiv 1910.10683; gated GELU, no bias, attention without 1/sqrt(d)) under the names of
// public checkpoints, read from safetensors and packed for products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/kernels/transformer_ops.h"
#include "tenfold/systems/dsi/runtime/packed_linear.h"

namespace tenfold::dsi {

// What the shapes of the tensors do not tell.
struct T5Options {
  std::int64_t max_distance = 128;  // of relative positions
  double epsilon = 1e-6;            // of the normalisation
  std::string weights =
      "float32";  // or "bfloat16", or "int8": of the linear maps, 8 bits only in the decoder

  void visit_fields(auto&& field) {
    field("max_distance", max_distance, {.help = "largest relative position", .min = 2, .max = 1e6});
    field("epsilon", epsilon, {.help = "epsilon of RMSNorm", .min = 1e-12, .max = 1});
    field("weights",
          weights,
          {.help = "format of the weights in memory", .choices = {"float32", "bfloat16", "int8"}});
  }
};

// RMSNorm weight padded with zeros.
struct NormWeight {
  AlignedVector<float> weight;
  std::size_t size = 0;
  float epsilon = 1e-6F;
  kernels::RmsNorm view() const { return {weight.data(), size, epsilon}; }
};

// Projections of all heads; a head is padded to `width`, a multiple of 16, in the outputs of the first and the inputs of the second.
struct AttentionWeights {
  PackedLinear
      query_key_value;      // three parts of heads x width outputs; only the query of attention to the text
  PackedLinear key, value;  // of attention to the text
  PackedLinear output;
  NormWeight norm;
};
struct FeedForwardWeights {
  PackedLinear inner;  // gate and linear part, each padded to a multiple of 16
  PackedLinear outer;
  NormWeight norm;
  std::size_t width = 0;  // padded
};
struct T5Layer {
  AttentionWeights self;
  AttentionWeights cross;  // only of the decoder
  FeedForwardWeights feed_forward;
};

struct T5Stack {
  std::size_t dimension = 0;  // d
  std::size_t padded = 0;     // d rounded up to 16
  std::size_t heads = 0;
  std::size_t width = 0;  // of a head, padded
  std::vector<T5Layer> layers;
  NormWeight final_norm;
  std::vector<float> position_bias;  // [buckets, heads]
  std::size_t buckets = 0;

  std::size_t inner() const { return heads * width; }
  std::size_t largest_feed_forward() const;
};

// Tensors of a file with the shapes they must have. All throw Error(kFile, "dsi.weights") that names the tensor: missing, not F32, of
// another shape, or with a number that is not finite.
class WeightFile {
 public:
  explicit WeightFile(const io::SafetensorsReader& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.contains(name); }
  // [rows, columns]; a wanted size of 0 takes what there is.
  struct Matrix {
    std::vector<float> values;
    std::size_t rows = 0;
    std::size_t columns = 0;
  };
  Matrix matrix(const std::string& name, std::size_t rows = 0, std::size_t columns = 0) const;
  NormWeight norm(const std::string& name, std::size_t size, double epsilon) const;

 private:
  std::vector<float> values(const io::TensorInfo& info) const;

  const io::SafetensorsReader& file_;
};

// "encoder" or "decoder". dimension: d. The weights are in `format`.
T5Stack read_t5_stack(const WeightFile& file,
                      const std::string& name,
                      std::size_t dimension,
                      const T5Options& options,
                      WeightFormat format);

// Bucket of a relative position, key minus query (T5, section 2.1 and its code): exact for near ones, logarithmic up to `max_distance`.
std::size_t relative_bucket(std::int64_t relative,
                            bool bidirectional,
                            std::size_t buckets,
                            std::int64_t max_distance);

[[noreturn]] void fail_weights(std::string what, std::string seen, std::string wanted);

}  // namespace tenfold::dsi
