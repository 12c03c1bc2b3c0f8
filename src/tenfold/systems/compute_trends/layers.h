// SPDX-License-Identifier: Apache-2.0
// Training FLOP of a network by its layer table: one rule a layer (specification section 2.5 and appendix B).
// A multiply-add counts as 2 FLOP. All counts are doubles: they pass 2^63 for real training runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::compute_trends {

enum class LayerKind {
  kLinear,
  kConv2d,
  kConvTranspose2d,
  kBatchMatmul,
  kAttention,
  kLstm,
  kEmbedding,
  kMoe,
  kElementwise
};
std::string_view to_string(
    LayerKind kind);  // "linear", "conv2d", "conv_transpose2d", "bmm", "attention", ...

// One layer, counted for one example. Which numbers a kind uses is said at parse_layers().
struct Layer {
  LayerKind kind = LayerKind::kLinear;
  double in = 0, out = 0;        // features or channels; embedding: rows and width; bmm: m and n
  double height = 0, width = 0;  // of the input map
  double kernel_height = 1, kernel_width = 1;
  double stride = 1, groups = 1;
  double padding_height = 0, padding_width = 0;
  double rows = 1;                 // linear, moe: positions; lstm: steps; attention: tokens; bmm: batch
  double inner = 0;                // bmm: k; moe: hidden width of an expert
  double experts = 1, active = 1;  // moe
  double operations = 5;           // elementwise: FLOP an element
  bool causal = false;             // attention: half of the score matrix
  bool projections = true;         // attention: with its four linear layers
  bool frozen = false;             // no weight gradient
  double repeat = 1;               // this many equal layers, one after the other
  std::string text;                // as the user wrote it
  std::int64_t line = 0;           // in a CSV table; 0 for inline text
};

// FLOP of one layer for one example, all repeats together.
struct LayerCost {
  std::string name;  // "conv2d 3x224x224 64 k7 s2"
  LayerKind kind = LayerKind::kLinear;
  double forward = 0;
  double backward_data = 0;      // 0 where nothing before the layer is trained
  double backward_weight = 0;    // 0 where the layer is frozen or has no weights
  double recompute = 0;          // the second forward pass of activation checkpointing
  double parameters = 0;         // weights without biases; attention and moe: all of them
  double active_parameters = 0;  // used for one position: moe counts its active experts, embedding none

  double total() const { return forward + backward_data + backward_weight + recompute; }
};

struct LayerOptions {
  bool activation_checkpointing = false;  // + 1 forward: factor 4 instead of 3
  bool elementwise = false;               // count elementwise layers (norms, activations, softmax) too
  bool forward_only = false;              // inference, self-play, teachers: no backward pass
};

struct LayerReport {
  std::vector<LayerCost> layers;                    // in order
  double forward = 0, backward = 0, recompute = 0;  // FLOP an example
  double parameters = 0, active_parameters = 0;
  double backward_factor = 0;  // backward / forward: 2 for a deep net with all layers trained

  double total() const { return forward + backward + recompute; }
};

// Layers separated by ';' or line breaks, '#' starts a comment line. Positional words, then options in any order:
//   conv2d CxHxW OUT [kK|kHxW] [sS] [pP] [gG]    kernel 3, stride 1, padding K/2 (kernel 1 keeps the size), groups 1
//   conv_transpose2d CxHxW OUT [kK] [sS] [pP] [gG]    counted on the input map
//   linear IN OUT [nROWS]                        ROWS positions (tokens) an example, 1 without it
//   lstm IN HIDDEN [tSTEPS]
//   attention WIDTH tTOKENS [causal] [noproj]    scores and weighted sum, with the four projections unless noproj
//   embedding ROWS WIDTH [nROWS]                 0 FLOP
//   moe IN HIDDEN eEXPERTS kACTIVE [nROWS]       two linear layers an expert and the router
//   bmm B M K N                                  b matrices m x k times k x n
//   elementwise COUNT [oOPS]                     OPS FLOP an element, 5 without it
// and for each: frozen, xREPEAT. Throws Error(kUsage, "layers.bad_layer") with the layer as written and its form.
std::vector<Layer> parse_layers(std::string_view text);

// A CSV table with a column "layer" (the text above) and, if present, "repeat" and "frozen" (1 or 0). Throws
// Error(kData, "layers.bad_layer" or "layers.missing_column") with the line.
std::vector<Layer> load_layers(const Path& path);
std::vector<Layer> parse_layer_table(std::string_view csv, std::string_view source);

// Applies the rules. The data gradient of a layer is counted only when a layer before it is trained, so the first layer
// has none; a leading run of frozen layers costs its forward pass alone.
LayerReport count_layers(const std::vector<Layer>& layers, const LayerOptions& options = {});

}  // namespace tenfold::compute_trends
