// SPDX-License-Identifier: Apache-2.0
// The speed claim of forward gradients: a step of each estimator over a step of backpropagation, both by the same tuned layers,
// beside the generic estimators, plain LibTorch and PyTorch in the same run, interleaved.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"

namespace tenfold::forward_gradient {

struct BenchOptions {
  std::vector<std::string> models = {"logistic", "mlp", "small_cnn", "paper_cnn"};  // models.h
  std::int64_t batch = 64;
  int threads = 1;
  int repeats = 9;                   // of each method, interleaved
  double seconds_per_repeat = 0.04;  // of each method: as many steps as fit, at least one
  double seconds =
      1e9;  // no new repeat of a model after its share of this and what others left, but for the first three
  std::uint64_t seed = 1;
  bool memory = true;  // also the row of memory
  bool peer = true;
  std::string python = "/usr/bin/python3";              // interpreter that has PyTorch
  Path peer_script;                                     // bench/peers/forward_gradient.py; empty: no peer
  std::function<void(std::string_view line)> progress;  // may be empty
  const StopToken* stop = nullptr;
};

// Names: <model>/<method>. Methods:
//   loss               value only, fused
//   backprop           fused, with the SGD update in its products
//   backprop_autograd  plain LibTorch with autograd and SGD, the faster of two memory formats
//   dual_gaussian, dual_rademacher  the generic estimators on dual tensors (train/forward_gradient.h), streaming
//   rademacher_fused   dense signs, fused
//   rank1, rank1_bf16, block, block_bf16  FusedNet's modes, tangents in float32 or bfloat16 with stochastic rounding
//   best               the fastest forward gradient of these that is unbiased
//
// The reference of a model is the faster of its two ways of backpropagation. All forward gradients here are unbiased, bfloat16 ones by
// stochastic rounding: with independent roundings of tangent and weight E[x' W'] = x W, and nothing after them bends the
// tangent (ReLU and pooling follow the float32 values). Weights are rounded again only when their update is applied, so within
// such a window of steps estimates share the rounding of the weights, off by 2^-8 at most.
//
// Row deep_mlp/memory: peak memory of a step, see MemoryFigures.
struct BenchRow {
  std::string name;
  std::string unit = "ms";       // a step, batch of BenchOptions::batch; "MB" for memory
  double ours = 0.0;             // median wall time
  double ours_cpu = 0.0;         // median CPU time
  std::string kind;              // "loss", "backprop", "forward", "memory"
  std::string method;            // of `best`: which one it is; of backprop_autograd: its memory format
  bool reference = false;        // the backpropagation that vs_backprop is over
  std::optional<bool> unbiased;  // of forward gradients
  std::optional<double> peer;  // PyTorch's step of the same kind: its faster forward-AD method, its backward
  std::optional<double> peer_cpu;
  std::optional<double> ratio;           // peer / ours: > 1 where ours is faster
  std::optional<double> floor;           // least time these threads allow for products and memory
  std::optional<double> share_of_floor;  // floor / ours
  int threads = 1;
  int repeats = 0;
  std::optional<double> vs_backprop;  // median of the ratios to the reference in the same repeat, wall time
  std::optional<double> vs_backprop_cpu;   // the same by CPU time: steadier on a busy machine
  std::optional<double> vs_autograd;       // to backprop_autograd: like with like for dual tensors
  std::optional<double> peer_vs_backprop;  // peer's step over the peer's backpropagation
  std::optional<double> sampling_share;    // of the step that draws directions
  std::string peer_note;                   // which PyTorch, or why there is no peer
  std::string floor_note;
};

// Sets the thread count for the measurement and restores it. Throws Error(kUsage, "bench.bad_size"), Error(kConfig,
// "forward_gradient.unknown_model"), Error(kResource, "forward_gradient.stopped").
std::vector<BenchRow> bench_forward_gradient(const BenchOptions& options);

// Peak resident memory of two steps on a deep_mlp() above what the process held with the model, its packed copy and the batch.
// Bytes.
struct MemoryFigures {
  double forward = 0.0;   // FusedNet, rank1, float32 tangents
  double backprop = 0.0;  // FusedNet
  double autograd = 0.0;  // LibTorch with gradients and SGD
};
// Throws Error(kResource, "bench.no_peak") on a system without such figures.
MemoryFigures measure_step_memory(std::int64_t layers, std::int64_t width, std::int64_t batch);
// What two calls of `step` add to the resident memory at most.
double step_memory(const std::function<void()>& step);

}  // namespace tenfold::forward_gradient
