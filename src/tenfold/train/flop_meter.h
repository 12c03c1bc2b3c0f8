// SPDX-License-Identifier: Apache-2.0
// Counts the floating-point operations of a running LibTorch program from the real shapes of every operator,
// forward and backward, without any change to the user's modules. No torch header here, so anything may
// include it.
//
//   FlopMeter meter;              // counts in this thread, and in the backward passes that it starts
//   auto loss = model->forward(x).sum();
//   loss.backward();
//   FlopReport report = meter.report();  // report.forward, report.backward, report.operators, ...
//
// Conventions (Sevilla et al., arXiv 2202.05924, appendix B): a multiply-add is 2 FLOP; a complex one is 8;
// convolutions count every kernel tap, the padded border included; embedding look-ups, data movement and
// comparisons are 0; an FFT of length n is 5 n log2 n (real: half of that). Element-wise operators, norms,
// softmax and the optimiser count only on request. The recomputation inside a fused attention kernel is not
// counted; tangents of forward-mode differentiation are (products, convolutions and transforms; not by rules of the user's own);
// recomputation by the user (activation check-pointing) is, as part of the backward pass that causes
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold::train {

// kOther is everything inside an OptimizerScope.
enum class Phase : std::uint8_t { kForward, kBackward, kOther };
std::string_view to_string(Phase phase);  // "forward", "backward", "other"

using TensorShape = std::vector<std::int64_t>;

// FLOP of one call of an operator of the user's own, from the shapes of its tensor arguments in order.
using FlopRule = std::function<std::uint64_t(std::span<const TensorShape> inputs)>;

struct FlopMeterOptions {
  // false: operators of the constructing thread and of the autograd threads that work for it.
  // true: operators of all threads of the process.
  bool all_threads = false;
  bool count_elementwise = false;         // activations, norms, softmax, losses, arithmetic, reductions
  bool count_optimizer = false;           // element-wise operators inside an OptimizerScope
  std::map<std::string, FlopRule> rules;  // by operator name ("mylib::scan"); goes before the built-in rules
};

struct OperatorFlops {
  std::string name;  // as LibTorch dispatches it: "aten::addmm"
  Phase phase = Phase::kForward;
  std::uint64_t calls = 0;
  std::uint64_t flops = 0;
};

struct ScopeFlops {
  std::string path;  // "encoder/layer1"; empty: outside of every FlopScope
  std::uint64_t forward = 0;
  std::uint64_t backward = 0;  // of the operators whose forward ran in the scope
  std::uint64_t other = 0;
  std::uint64_t total() const { return forward + backward + other; }
};

// An operator without a rule that took matrix-like arguments and called no counted operator inside.
struct UncountedOperator {
  std::string name;
  std::uint64_t calls = 0;
  std::vector<TensorShape> example_inputs;  // tensor arguments of the first call
};

struct FlopReport {
  std::uint64_t forward = 0;
  std::uint64_t backward = 0;
  std::uint64_t other = 0;
  std::vector<OperatorFlops> operators;      // most FLOP first
  std::vector<ScopeFlops> scopes;            // by path; parents do not include their children
  std::vector<UncountedOperator> uncounted;  // by name; empty is what a user wants to see
  std::uint64_t total() const { return forward + backward + other; }
};

// Counts while it lives. Meters may nest and may run in several threads at once; each sees all operators it
// covers. Construct and destroy in the same thread. At most 16 at a time in a process: Error(kResource,
// "flop_meter.too_many").
class FlopMeter {
 public:
  explicit FlopMeter(FlopMeterOptions options = {});
  ~FlopMeter();
  FlopMeter(const FlopMeter&) = delete;
  FlopMeter& operator=(const FlopMeter&) = delete;

  // What was counted since construction or reset(). May be called from any thread, also while operators run.
  FlopReport report() const;
  // Only the three totals: no allocation, for use in every training step.
  std::uint64_t total() const;
  void reset();
  // Between these nothing is counted, and operators run at full speed. In the constructing thread only.
  void pause();
  void resume();

  class State;  // internal

 private:
  std::shared_ptr<State> state_;
  int slot_ = -1;
};

// Names a part of the model for FlopReport::scopes: FLOPs of operators called while it lives, and of their
// backward passes wherever those run, go to its path. Nesting joins names with '/'. Costs next to
// nothing while no meter exists in the process, else about 1 us an autograd node in addition to the meter. A scope opened before the first meter has no effect. A process
// remembers the last 65,536 scope changes of each thread for backward passes; older ones fall to path "".
class FlopScope {
 public:
  explicit FlopScope(std::string_view name);
  ~FlopScope();
  FlopScope(const FlopScope&) = delete;
  FlopScope& operator=(const FlopScope&) = delete;

 private:
  std::uint32_t previous_;
  bool active_;
};

// Operators called in this thread while it lives belong to the optimiser: Phase::kOther. An optimiser with element-wise
// work only (SGD, Adam) need not be watched unless a meter counts it: kElementwise switches such meters off meanwhile,
// which saves a third of their cost on a small model.
class OptimizerScope {
 public:
  enum class Work { kAny, kElementwise };
  explicit OptimizerScope(Work work = Work::kAny);
  ~OptimizerScope();
  OptimizerScope(const OptimizerScope&) = delete;
  OptimizerScope& operator=(const OptimizerScope&) = delete;

 private:
  bool previous_;
  std::uint32_t switched_off_ = 0;  // slots of meters
};

// For kernels that no dispatcher sees (a torch-free loop inside an autograd::Function): adds `flops` under
// `name` to all meters that cover this thread, in the phase and scope that are current. Nothing happens when
// there is no meter.
void count_flops(std::string_view name, std::uint64_t flops);

}  // namespace tenfold::train
