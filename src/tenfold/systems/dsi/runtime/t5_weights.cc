// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/t5_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/io/dtype.h"

namespace tenfold::dsi {
namespace {

std::size_t padded_to_16(std::size_t count) {
  return (count + 15) / 16 * 16;
}

std::string shape_text(const io::TensorInfo& info) {
  return fmt::format("{} [{}]", io::to_string(info.dtype), fmt::join(info.shape, ", "));
}

// Rows of head h at h x width: [heads x size, columns] -> [heads x width, columns].
std::vector<float> pad_head_rows(const WeightFile::Matrix& from, const T5Stack& stack, std::size_t size) {
  std::vector<float> out(stack.inner() * from.columns);
  for (std::size_t row = 0; row < from.rows; ++row) {
    const std::size_t to = row / size * stack.width + row % size;
    std::copy_n(from.values.begin() + static_cast<std::ptrdiff_t>(row * from.columns),
                from.columns,
                out.begin() + static_cast<std::ptrdiff_t>(to * from.columns));
  }
  return out;
}

// The same for columns: [rows, heads x size] -> [rows, heads x width].
std::vector<float> pad_head_columns(const WeightFile::Matrix& from, const T5Stack& stack, std::size_t size) {
  std::vector<float> out(from.rows * stack.inner());
  for (std::size_t row = 0; row < from.rows; ++row) {
    for (std::size_t column = 0; column < from.columns; ++column)
      out[row * stack.inner() + column / size * stack.width + column % size] =
          from.values[row * from.columns + column];
  }
  return out;
}

class StackReader {
 public:
  StackReader(const WeightFile& file, std::string name, const T5Options& options, WeightFormat format)
      : file_(file), name_(std::move(name)), options_(options), format_(format) {}

  T5Stack read(std::size_t dimension) {
    stack_.dimension = dimension;
    stack_.padded = padded_to_16(dimension);
    const auto bias = file_.matrix(name_ + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    stack_.position_bias = bias.values;
    stack_.buckets = bias.rows;
    stack_.heads = bias.columns;
    const auto query = file_.matrix(name_ + ".block.0.layer.0.SelfAttention.q.weight", 0, dimension);
    if (stack_.heads == 0 || query.rows == 0 || query.rows % stack_.heads != 0)
      fail_weights(name_ + ": the heads do not divide the queries",
                   fmt::format("{} rows, {} heads", query.rows, stack_.heads),
                   "a multiple");
    if (stack_.buckets < 4 || stack_.buckets % 4 != 0)
      fail_weights(name_ + ": the number of buckets", fmt::format("{}", stack_.buckets), "a multiple of 4");
    if (options_.max_distance <= static_cast<std::int64_t>(stack_.buckets / 2))
      fail_weights("max_distance is below the exact buckets",
                   fmt::format("{}", options_.max_distance),
                   fmt::format("above {}", stack_.buckets / 2));
    head_size_ = query.rows / stack_.heads;
    stack_.width = padded_to_16(head_size_);
    for (std::size_t i = 0; file_.has(fmt::format("{}.block.{}.layer.0.layer_norm.weight", name_, i)); ++i)
      stack_.layers.push_back(layer(i));
    if (stack_.layers.empty()) fail_weights(name_ + " has no layers", "none", "at least one");
    stack_.final_norm = file_.norm(name_ + ".final_layer_norm.weight", dimension, options_.epsilon);
    return std::move(stack_);
  }

 private:
  std::string part(std::size_t block, int index) const {
    return fmt::format("{}.block.{}.layer.{}.", name_, block, index);
  }
  std::vector<float> projection(const std::string& name) const {
    return pad_head_rows(file_.matrix(name, head_size_ * stack_.heads, stack_.dimension), stack_, head_size_);
  }
  PackedLinear pack(const std::vector<float>& weight, std::size_t outputs, std::size_t inputs) const {
    return {weight, outputs, inputs, format_};
  }
  PackedLinear attention_output(const std::string& name) const {
    const auto weight = file_.matrix(name, stack_.dimension, head_size_ * stack_.heads);
    return pack(pad_head_columns(weight, stack_, head_size_), stack_.dimension, stack_.inner());
  }

  AttentionWeights self_attention(const std::string& place) const {
    AttentionWeights out;
    std::vector<float> all;
    for (const char* which : {"q", "k", "v"}) {
      const auto weight = projection(place + "SelfAttention." + which + ".weight");
      all.insert(all.end(), weight.begin(), weight.end());
    }
    out.query_key_value = pack(all, 3 * stack_.inner(), stack_.dimension);
    out.output = attention_output(place + "SelfAttention.o.weight");
    out.norm = file_.norm(place + "layer_norm.weight", stack_.dimension, options_.epsilon);
    return out;
  }

  AttentionWeights cross_attention(const std::string& place) const {
    const auto one = [&](const char* which) {
      return pack(
          projection(place + "EncDecAttention." + which + ".weight"), stack_.inner(), stack_.dimension);
    };
    AttentionWeights out;
    out.query_key_value = one("q");
    out.key = one("k");
    out.value = one("v");
    out.output = attention_output(place + "EncDecAttention.o.weight");
    out.norm = file_.norm(place + "layer_norm.weight", stack_.dimension, options_.epsilon);
    return out;
  }

  FeedForwardWeights feed_forward(const std::string& place) const {
    FeedForwardWeights out;
    const std::size_t d = stack_.dimension;
    const auto gate = file_.matrix(place + "DenseReluDense.wi_0.weight", 0, d);
    const auto linear = file_.matrix(place + "DenseReluDense.wi_1.weight", gate.rows, d);
    const auto outer = file_.matrix(place + "DenseReluDense.wo.weight", d, gate.rows);
    out.width = padded_to_16(gate.rows);
    std::vector<float> inner(2 * out.width * d), back(d * out.width);
    std::copy(gate.values.begin(), gate.values.end(), inner.begin());
    std::copy(linear.values.begin(),
              linear.values.end(),
              inner.begin() + static_cast<std::ptrdiff_t>(out.width * d));
    for (std::size_t row = 0; row < d; ++row) {
      for (std::size_t column = 0; column < gate.rows; ++column)
        back[row * out.width + column] = outer.values[row * gate.rows + column];
    }
    out.inner = pack(inner, 2 * out.width, d);
    out.outer = pack(back, d, out.width);
    out.norm = file_.norm(place + "layer_norm.weight", d, options_.epsilon);
    return out;
  }

  T5Layer layer(std::size_t i) const {
    const bool decoder = file_.has(part(i, 1) + "EncDecAttention.q.weight");
    T5Layer out;
    out.self = self_attention(part(i, 0));
    if (decoder) out.cross = cross_attention(part(i, 1));
    out.feed_forward = feed_forward(part(i, decoder ? 2 : 1));
    return out;
  }

  const WeightFile& file_;
  std::string name_;
  const T5Options& options_;
  WeightFormat format_;
  std::size_t head_size_ = 0;
  T5Stack stack_;
};

}  // namespace

[[noreturn]] void fail_weights(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              "dsi.weights",
              {.what = "the weights are not those of this model: " + what,
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "give the weights and the settings of one and the same model"});
}

std::size_t T5Stack::largest_feed_forward() const {
  std::size_t largest = 0;
  for (const T5Layer& layer : layers) largest = std::max(largest, layer.feed_forward.width);
  return largest;
}

std::vector<float> WeightFile::values(const io::TensorInfo& info) const {
  auto numbers = file_.read_as<float>(info.name);
  const auto bad = std::find_if(numbers.begin(), numbers.end(), [](float x) { return !std::isfinite(x); });
  if (bad != numbers.end())
    fail_weights(info.name + " has a number that is not finite", fmt::format("{}", *bad), "finite numbers");
  return numbers;
}

WeightFile::Matrix WeightFile::matrix(const std::string& name, std::size_t rows, std::size_t columns) const {
  const std::string wanted = fmt::format("F32 [{}, {}]",
                                         rows == 0 ? "rows" : std::to_string(rows),
                                         columns == 0 ? "columns" : std::to_string(columns));
  if (!has(name)) fail_weights("tensor " + name + " is missing", "nothing", wanted);
  const io::TensorInfo info = file_.info(name);
  const bool fits = info.dtype == io::DType::kF32 && info.shape.size() == 2 && info.shape[0] > 0 &&
                    info.shape[1] > 0 && (rows == 0 || info.shape[0] == rows) &&
                    (columns == 0 || info.shape[1] == columns);
  if (!fits) fail_weights("tensor " + name + " has another shape", shape_text(info), wanted);
  return {values(info), info.shape[0], info.shape[1]};
}

NormWeight WeightFile::norm(const std::string& name, std::size_t size, double epsilon) const {
  const std::string wanted = fmt::format("F32 [{}]", size);
  if (!has(name)) fail_weights("tensor " + name + " is missing", "nothing", wanted);
  const io::TensorInfo info = file_.info(name);
  if (info.dtype != io::DType::kF32 || info.shape.size() != 1 || info.shape[0] != size)
    fail_weights("tensor " + name + " has another shape", shape_text(info), wanted);
  NormWeight out{.weight = AlignedVector<float>(padded_to_16(size)),
                 .size = size,
                 .epsilon = static_cast<float>(epsilon)};
  const auto numbers = values(info);
  std::copy(numbers.begin(), numbers.end(), out.weight.begin());
  return out;
}

T5Stack read_t5_stack(const WeightFile& file,
                      const std::string& name,
                      std::size_t dimension,
                      const T5Options& options,
                      WeightFormat format) {
  return StackReader(file, name, options, format).read(dimension);
}

std::size_t relative_bucket(std::int64_t relative,
                            bool bidirectional,
                            std::size_t buckets,
                            std::int64_t max_distance) {
  std::size_t first = 0;
  if (bidirectional) {
    buckets /= 2;
    if (relative > 0) first = buckets;
    relative = std::abs(relative);
  } else {
    relative = relative < 0 ? -relative : 0;
  }
  const auto exact = static_cast<std::int64_t>(buckets / 2);
  if (relative < exact) return first + static_cast<std::size_t>(relative);
  // In float, as where the checkpoints come from: the edges of buckets depend on it.
  const float ratio =
      std::log(static_cast<float>(relative) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const auto far = exact + static_cast<std::int64_t>(
                               ratio * static_cast<float>(static_cast<std::int64_t>(buckets) - exact));
  return first + std::min(static_cast<std::size_t>(far), buckets - 1);
}

}  // namespace tenfold::dsi
