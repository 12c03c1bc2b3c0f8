// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/io/csv.h"

namespace tenfold::compute_trends {
namespace {

constexpr double kLargest = 1e15;  // of any one number: products of ten of them stay finite

struct KindInfo {
  LayerKind kind;
  std::string_view name;
  std::string_view form;
  std::size_t positional;
};

constexpr KindInfo kKinds[] = {
    {LayerKind::kLinear, "linear", "linear IN OUT [nROWS]", 2},
    {LayerKind::kConv2d, "conv2d", "conv2d CxHxW OUT [kK] [sS] [pP] [gG]", 2},
    {LayerKind::kConvTranspose2d, "conv_transpose2d", "conv_transpose2d CxHxW OUT [kK] [sS] [pP] [gG]", 2},
    {LayerKind::kBatchMatmul, "bmm", "bmm B M K N", 4},
    {LayerKind::kAttention, "attention", "attention WIDTH tTOKENS [causal] [noproj]", 1},
    {LayerKind::kLstm, "lstm", "lstm IN HIDDEN [tSTEPS]", 2},
    {LayerKind::kEmbedding, "embedding", "embedding ROWS WIDTH [nROWS]", 2},
    {LayerKind::kMoe, "moe", "moe IN HIDDEN eEXPERTS kACTIVE [nROWS]", 2},
    {LayerKind::kElementwise, "elementwise", "elementwise COUNT [oOPS]", 1},
};

class LayerParser {
 public:
  explicit LayerParser(std::string_view text) : text_(text) {
    for (const std::string& word : split(text, ' ')) {
      if (!trim(word).empty()) words_.emplace_back(trim(word));
    }
  }

  Layer run() {
    const auto kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const KindInfo& info) {
      return info.name == to_lower(words_.front());
    });
    if (kind == std::end(kKinds)) fail_kind();
    info_ = &*kind;
    layer_.kind = kind->kind;
    layer_.text = join(words_, " ");
    if (words_.size() < 1 + kind->positional)
      fail(fmt::format("{} numbers after '{}'", kind->positional, kind->name));
    read_positional();
    for (std::size_t i = 1 + kind->positional; i < words_.size(); ++i) read_option(words_[i]);
    finish();
    return std::move(layer_);
  }

 private:
  bool is_conv() const {
    return layer_.kind == LayerKind::kConv2d || layer_.kind == LayerKind::kConvTranspose2d;
  }

  // A whole number from `least` to kLargest.
  double number(std::string_view word, double least = 1) const {
    const auto value = parse_integer(word);
    if (!value || static_cast<double>(*value) < least || static_cast<double>(*value) > kLargest) {
      fail(fmt::format("a whole number from {:.0f} to 1e15 instead of '{}'", least, printable(word)));
    }
    return static_cast<double>(*value);
  }

  void read_positional() {
    if (is_conv()) {
      const std::vector<std::string> sizes = split(words_[1], 'x');
      if (sizes.size() != 3) fail("the input map as channels x height x width, for example 3x224x224");
      layer_.in = number(sizes[0]);
      layer_.height = number(sizes[1]);
      layer_.width = number(sizes[2]);
      layer_.out = number(words_[2]);
      layer_.kernel_height = layer_.kernel_width = 3;
      return;
    }
    layer_.in = number(words_[1]);
    if (layer_.kind == LayerKind::kBatchMatmul) {
      layer_.rows = number(words_[1]);
      layer_.in = number(words_[2]);
      layer_.inner = number(words_[3]);
      layer_.out = number(words_[4]);
      return;
    }
    if (layer_.kind == LayerKind::kMoe) {
      layer_.inner = number(words_[2]);
      layer_.experts = layer_.active = 0;  // must be given
    } else if (info_->positional == 2) {
      layer_.out = number(words_[2]);
    }
    if (layer_.kind == LayerKind::kAttention) layer_.rows = 0;  // must be given
  }

  void read_option(const std::string& word) {
    const LayerKind kind = layer_.kind;
    if (word == "frozen") {
      layer_.frozen = true;
      return;
    }
    if (kind == LayerKind::kAttention && word == "causal") {
      layer_.causal = true;
      return;
    }
    if (kind == LayerKind::kAttention && word == "noproj") {
      layer_.projections = false;
      return;
    }
    const std::string_view value = std::string_view(word).substr(1);
    const bool has_rows =
        kind == LayerKind::kLinear || kind == LayerKind::kEmbedding || kind == LayerKind::kMoe;
    const bool has_steps = kind == LayerKind::kLstm || kind == LayerKind::kAttention;
    const char letter = word[0];
    if (letter == 'x') {
      layer_.repeat = number(value);
    } else if (letter == 'n' && has_rows) {
      layer_.rows = number(value);
    } else if (letter == 't' && has_steps) {
      layer_.rows = number(value);
    } else if (letter == 'e' && kind == LayerKind::kMoe) {
      layer_.experts = number(value);
    } else if (letter == 'k' && kind == LayerKind::kMoe) {
      layer_.active = number(value);
    } else if (letter == 'o' && kind == LayerKind::kElementwise) {
      layer_.operations = number(value);
    } else if (is_conv()) {
      read_conv_option(letter, value, word);
    } else {
      fail_option(word);
    }
  }

  void read_conv_option(char letter, std::string_view value, const std::string& word) {
    if (letter == 'k') {
      const std::vector<std::string> sizes = split(value, 'x');
      if (sizes.size() > 2) fail("a kernel such as k3 or k3x1");
      layer_.kernel_height = number(sizes.front());
      layer_.kernel_width = number(sizes.back());
    } else if (letter == 's') {
      layer_.stride = number(value);
    } else if (letter == 'p') {
      padding_ = number(value, 0);
    } else if (letter == 'g') {
      layer_.groups = number(value);
    } else {
      fail_option(word);
    }
  }

  void finish() {
    if (layer_.kind == LayerKind::kMoe &&
        (layer_.experts < 1 || layer_.active < 1 || layer_.active > layer_.experts)) {
      fail("eEXPERTS and kACTIVE with no more active experts than experts");
    }
    if (layer_.kind == LayerKind::kAttention && layer_.rows < 1) fail("the number of tokens as tTOKENS");
    if (!is_conv()) return;
    // Half the kernel keeps the size of the map at stride 1.
    layer_.padding_height = padding_.value_or(std::floor(layer_.kernel_height / 2));
    layer_.padding_width = padding_.value_or(std::floor(layer_.kernel_width / 2));
    if (std::fmod(layer_.in, layer_.groups) != 0 || std::fmod(layer_.out, layer_.groups) != 0) {
      fail("channels that the groups divide");
    }
    const bool fits = layer_.kernel_height <= layer_.height + 2 * layer_.padding_height &&
                      layer_.kernel_width <= layer_.width + 2 * layer_.padding_width;
    if (!fits) fail("a kernel no larger than the padded map");
  }

  [[noreturn]] void fail(std::string wanted) const {
    throw Error(ErrorClass::kUsage,
                "layers.bad_layer",
                {.what = "a layer cannot be read",
                 .seen = "'" + printable(text_) + "'",
                 .wanted = std::move(wanted),
                 .remedy = fmt::format("write: {} [frozen] [xREPEAT]", info_->form)});
  }

  [[noreturn]] void fail_option(const std::string& word) const {
    throw Error(ErrorClass::kUsage,
                "layers.bad_layer",
                {.what = fmt::format("a layer of kind '{}' has no option '{}'", info_->name, printable(word)),
                 .seen = fmt::format("'{}' in '{}'", printable(word), printable(text_)),
                 .wanted = fmt::format("{} [frozen] [xREPEAT]", info_->form),
                 .remedy = fmt::format("write: {} [frozen] [xREPEAT]", info_->form)});
  }

  [[noreturn]] void fail_kind() const {
    std::vector<std::string> names;
    for (const KindInfo& info : kKinds) names.emplace_back(info.name);
    throw unknown_name({.code = "layers.bad_layer",
                        .what = "unknown kind of layer",
                        .name = words_.front(),
                        .known = names,
                        .remedy = "begin every layer with one of these kinds"});
  }

  std::string_view text_;
  std::vector<std::string> words_;
  const KindInfo* info_ = nullptr;
  Layer layer_;
  std::optional<double> padding_;
};

// Pixels of the output map.
double conv_map(const Layer& layer) {
  const double height =
      std::floor((layer.height + 2 * layer.padding_height - layer.kernel_height) / layer.stride) + 1;
  const double width =
      std::floor((layer.width + 2 * layer.padding_width - layer.kernel_width) / layer.stride) + 1;
  return height * width;
}

// What a layer costs once, everything trained, before the rules for first and frozen layers.
LayerCost full_cost(const Layer& layer) {
  LayerCost cost;
  const auto dense = [&](double flop, double parameters) {
    cost.forward = cost.backward_data = cost.backward_weight = flop;
    cost.parameters = cost.active_parameters = parameters;
  };
  switch (layer.kind) {
    case LayerKind::kLinear:
      dense(2 * layer.rows * layer.in * layer.out, layer.in * layer.out);
      break;
    case LayerKind::kConv2d:
    case LayerKind::kConvTranspose2d: {
      const bool transposed = layer.kind == LayerKind::kConvTranspose2d;
      const double map = transposed ? layer.height * layer.width : conv_map(layer);
      const double weights = layer.out * layer.in / layer.groups * layer.kernel_height * layer.kernel_width;
      dense(2 * map * weights, weights);
      break;
    }
    case LayerKind::kBatchMatmul:
      cost.forward = 2 * layer.rows * layer.in * layer.inner * layer.out;
      cost.backward_data = 2 * cost.forward;  // both operands are data
      break;
    case LayerKind::kAttention: {
      const double scores = 4 * layer.rows * layer.rows * layer.in * (layer.causal ? 0.5 : 1.0);
      const double weights = layer.projections ? 4 * layer.in * layer.in : 0;
      dense(2 * layer.rows * weights, weights);
      cost.forward += scores;
      cost.backward_data += 2 * scores;
      break;
    }
    case LayerKind::kLstm:
      dense(8 * layer.rows * layer.out * (layer.in + layer.out), 4 * layer.out * (layer.in + layer.out));
      break;
    case LayerKind::kEmbedding:
      cost.parameters = layer.in * layer.out;
      break;
    case LayerKind::kMoe: {
      const double expert = 2 * layer.in * layer.inner, router = layer.in * layer.experts;
      dense(2 * layer.rows * (layer.active * expert + router), layer.experts * expert + router);
      cost.active_parameters = layer.active * expert + router;
      break;
    }
    case LayerKind::kElementwise:
      cost.forward = cost.backward_data = layer.in * layer.operations;
      break;
  }
  return cost;
}

bool has_weights(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::kBatchMatmul:
    case LayerKind::kElementwise:
      return false;
    case LayerKind::kAttention:
      return layer.projections;
    default:
      return true;
  }
}

// The part of the data gradient that is needed although nothing before the layer is trained: inside the layer gradients
// still flow to its own weights, back through time and from the scores to the projections.
double inner_backward(const Layer& layer) {
  if (layer.frozen) return 0;
  if (layer.kind == LayerKind::kLstm) return 8 * layer.rows * layer.out * layer.out;
  if (layer.kind == LayerKind::kAttention && layer.projections) {
    const double scores = 8 * layer.rows * layer.rows * layer.in * (layer.causal ? 0.5 : 1.0);
    return scores + 2 * layer.rows * layer.in * layer.in;  // and through the output projection
  }
  if (layer.kind == LayerKind::kMoe) {
    // Through the second linear layer of each active expert; the gate's gradient is of the experts' outputs.
    return 2 * layer.rows * layer.active * layer.in * layer.inner;
  }
  return 0;
}

// Equal layers one after the other: the first may stand before anything trained, the others do not.
LayerCost layer_cost(const Layer& layer, bool& trained_before, const LayerOptions& options) {
  const bool ignored = layer.kind == LayerKind::kElementwise && !options.elementwise;
  const LayerCost unit = ignored ? LayerCost{} : full_cost(layer);
  LayerCost cost;
  cost.name = layer.text;
  cost.kind = layer.kind;
  cost.parameters = unit.parameters * layer.repeat;
  cost.active_parameters = unit.active_parameters * layer.repeat;
  cost.forward = unit.forward * layer.repeat;
  if (options.forward_only || ignored) return cost;
  const bool trains = has_weights(layer) && !layer.frozen;
  const double first_data = trained_before ? unit.backward_data : inner_backward(layer);
  const bool later_trained = trained_before || trains;
  cost.backward_data = first_data + (layer.repeat - 1) * (later_trained ? unit.backward_data : 0.0);
  if (trains) cost.backward_weight = unit.backward_weight * layer.repeat;
  // Nothing is stored, so nothing computed again, before the first trained layer.
  if (options.activation_checkpointing && later_trained) cost.recompute = cost.forward;
  trained_before = later_trained;
  return cost;
}

}  // namespace

std::string_view to_string(LayerKind kind) {
  for (const KindInfo& info : kKinds) {
    if (info.kind == kind) return info.name;
  }
  return "linear";
}

std::vector<Layer> parse_layers(std::string_view text) {
  std::vector<Layer> layers;
  for (const std::string& line : split(text, '\n')) {
    if (trim(line).starts_with('#')) continue;
    for (const std::string& part : split(line, ';')) {
      if (!trim(part).empty()) layers.push_back(LayerParser(trim(part)).run());
    }
  }
  if (!layers.empty()) return layers;
  throw Error(ErrorClass::kUsage,
              "layers.bad_layer",
              {.what = "the list of layers is empty",
               .wanted = "layers with ';' between them",
               .remedy = "for example \"conv2d 3x224x224 64 k7 s2; linear 4096 1000\""});
}

std::vector<Layer> parse_layer_table(std::string_view csv, std::string_view source) {
  const io::CsvTable table = io::parse_csv(csv, std::string(source));
  const auto text = table.column("layer"), repeat = table.column("repeat"), frozen = table.column("frozen");
  if (!text) {
    throw Error(ErrorClass::kData,
                "layers.missing_column",
                {.what = fmt::format("{} line 1: the layer table lacks a column", source),
                 .seen = join(table.header, ", "),
                 .wanted = "a column 'layer'",
                 .remedy = "write one layer a row, for example conv2d 3x224x224 64 k7 s2"});
  }
  std::vector<Layer> layers;
  for (const io::CsvRow& row : table.rows) {
    try {
      std::string words(trim(row[*text]));
      if (repeat && !trim(row[*repeat]).empty()) words += " x" + std::string(trim(row[*repeat]));
      if (frozen && trim(row[*frozen]) == "1") words += " frozen";
      for (Layer& layer : parse_layers(words)) {
        layer.line = static_cast<std::int64_t>(row.line());
        layers.push_back(std::move(layer));
      }
    } catch (const Error& error) {
      ErrorText place = error.text();
      place.what = fmt::format("{} line {}: {}", source, row.line(), place.what);
      throw Error(ErrorClass::kData, error.code(), place);
    }
  }
  return layers;
}

std::vector<Layer> load_layers(const Path& path) {
  return parse_layer_table(read_text_file(path, std::uint64_t{16} << 20), path.filename().string());
}

LayerReport count_layers(const std::vector<Layer>& layers, const LayerOptions& options) {
  LayerReport report;
  bool trained_before = false;
  for (const Layer& layer : layers) {
    report.layers.push_back(layer_cost(layer, trained_before, options));
    const LayerCost& cost = report.layers.back();
    report.forward += cost.forward;
    report.backward += cost.backward_data + cost.backward_weight;
    report.recompute += cost.recompute;
    report.parameters += cost.parameters;
    report.active_parameters += cost.active_parameters;
  }
  if (report.forward > 0) report.backward_factor = report.backward / report.forward;
  return report;
}

}  // namespace tenfold::compute_trends
