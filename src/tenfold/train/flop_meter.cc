// SPDX-License-Identifier: Apache-2.0
// The FLOP meter on LibTorch's RecordFunction: a start callback sees every dispatched operator with its arguments. The
// outermost operator that has a rule is counted and everything nested in it is skipped, so nothing counts twice. The
// autograd engine announces each node, which tells backward operators from forward ones.
#include "tenfold/train/flop_meter.h"

#include <ATen/SequenceNumber.h>
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/flop_rules.h"
#include "tenfold/train/flop_scopes.h"
#include "tenfold/train/flop_tallies.h"

namespace tenfold::train {

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kForward:
      return "forward";
    case Phase::kBackward:
      return "backward";
    case Phase::kOther:
      break;
  }
  return "other";
}

namespace {

constexpr int kSlots = 16;

std::vector<TensorShape> tensor_shapes(c10::ArrayRef<const c10::IValue> inputs) {
  std::vector<TensorShape> shapes;
  for (const c10::IValue& input : inputs) {
    if (!input.isTensor() || !input.toTensor().defined() || input.toTensor().is_nested()) continue;
    shapes.push_back(input.toTensor().sizes().vec());
  }
  return shapes;
}

}  // namespace

class FlopMeter::State {
 public:
  explicit State(FlopMeterOptions meter_options) : options(std::move(meter_options)) {
    for (auto& [name, rule] : options.rules) rules.emplace(intern_operator(name).id, &rule);
  }

  std::shared_ptr<ThreadTallies> new_thread() {
    const std::lock_guard lock(mutex);
    return threads.emplace_back(std::make_shared<ThreadTallies>());
  }

  FlopMeterOptions options;
  bool paused = false;                                       // of the owning thread
  std::unordered_map<std::uint32_t, const FlopRule*> rules;  // by operator id, read-only after construction
  mutable std::mutex mutex;
  std::vector<std::shared_ptr<ThreadTallies>> threads;
};

namespace {

// ---- slots: callbacks are plain functions, so each of 16 meters has a pair of its own ----

struct Slot {
  std::atomic<std::uint64_t> generation{0};  // changes whenever the slot gets or loses a meter
  // Guarded by Slots::mutex:
  std::shared_ptr<FlopMeter::State> state;
  std::thread::id owner;
  std::uint64_t callback = 0;  // of operators
  std::uint64_t node_callback =
      0;  // of autograd nodes; 0 until the first FlopScope, because it costs about 1 us a node
};

struct Slots {
  std::mutex mutex;
  std::array<Slot, kSlots> slots;
  std::atomic<int> active{0};
  std::atomic<int> without_nodes{0};  // meters that have no node callback yet
};

Slots& all_slots() {
  static auto* slots = new Slots;
  return *slots;
}

// What one thread knows of one meter.
struct alignas(64) ThreadMeter {
  std::uint64_t generation = 0;
  std::shared_ptr<FlopMeter::State> state;  // null: no meter in this slot
  int nested_in_counted = 0;
  int backward_depth = 0;
  ScopeId node_scope = 0;          // scope of the autograd node that runs
  bool skips_ignored = false;      // no rules of the user's
  bool skips_elementwise = false;  // nor any wish for element-wise operators
  std::uint64_t events = 0;        // operators counted so far
  std::shared_ptr<ThreadTallies> tallies;
};

struct ThreadContext {
  std::array<ThreadMeter, kSlots> meters;
  ScopeId scope = 0;
  bool in_optimizer = false;
  OperatorCache names;
};

ThreadContext& thread_context() {
  thread_local ThreadContext context;
  return context;
}

ThreadMeter& thread_meter(ThreadContext& context, int index) {
  ThreadMeter& meter = context.meters[static_cast<std::size_t>(index)];
  Slot& slot = all_slots().slots[static_cast<std::size_t>(index)];
  if (meter.generation == slot.generation.load(std::memory_order_acquire)) return meter;
  meter = ThreadMeter{};
  const std::lock_guard lock(all_slots().mutex);
  meter.generation = slot.generation.load(std::memory_order_relaxed);
  meter.state = slot.state;
  if (!meter.state) return meter;
  meter.tallies = meter.state->new_thread();
  const FlopMeterOptions& options = meter.state->options;
  meter.skips_ignored = options.rules.empty();
  meter.skips_elementwise = options.rules.empty() && !options.count_elementwise && !options.count_optimizer;
  return meter;
}

Phase current_phase(const ThreadContext& context, const ThreadMeter& meter) {
  if (meter.backward_depth > 0) return Phase::kBackward;
  return context.in_optimizer ? Phase::kOther : Phase::kForward;
}

void add_count(const ThreadContext& context,
               ThreadMeter& meter,
               std::uint32_t operator_id,
               std::uint64_t flops) {
  const Phase phase = current_phase(context, meter);
  const ScopeId scope = phase == Phase::kBackward ? meter.node_scope : context.scope;
  std::atomic<std::uint64_t>& total = meter.tallies->totals[static_cast<std::size_t>(phase)];
  const std::lock_guard lock(meter.tallies->mutex);
  Tally& tally = meter.tallies->counted[{operator_id, scope, phase}];
  ++tally.calls;
  tally.flops += flops;
  total.store(total.load(std::memory_order_relaxed) + flops, std::memory_order_relaxed);
  ++meter.events;
}

void add_uncounted(ThreadMeter& meter, std::uint32_t operator_id, std::vector<TensorShape> shapes) {
  const std::lock_guard lock(meter.tallies->mutex);
  Uncounted& entry = meter.tallies->uncounted[operator_id];
  if (entry.calls++ == 0) entry.example = std::move(shapes);
}

// ---- callbacks ----

// Lives from the start to the end of an operator that needs a matching end.
class Visit : public at::ObserverContext {
 public:
  enum class Kind { kCounted, kUnknown, kNode };

  Visit(Kind kind, ThreadMeter& meter)
      : kind_(kind), meter_(meter), generation_(meter.generation), node_scope_(meter.node_scope) {
    if (kind_ == Kind::kCounted) ++meter_.nested_in_counted;
    if (kind_ == Kind::kNode) {
      ++meter_.backward_depth;
      meter_.node_scope = 0;
    }
  }
  Visit(ThreadMeter& meter, std::uint32_t operator_id, std::vector<TensorShape> shapes)
      : Visit(Kind::kUnknown, meter) {
    operator_id_ = operator_id;
    shapes_ = std::move(shapes);
    events_before_ = meter.events;
  }

  void finish() {
    if (meter_.generation != generation_ || !meter_.state) return;  // the meter went away meanwhile
    switch (kind_) {
      case Kind::kCounted:
        --meter_.nested_in_counted;
        break;
      case Kind::kNode:
        --meter_.backward_depth;
        meter_.node_scope = node_scope_;
        break;
      case Kind::kUnknown:
        if (meter_.events == events_before_) add_uncounted(meter_, operator_id_, std::move(shapes_));
        break;
    }
  }

 private:
  Kind kind_;
  ThreadMeter& meter_;
  std::uint64_t generation_;
  ScopeId node_scope_;
  std::uint32_t operator_id_ = 0;
  std::uint64_t events_before_ = 0;
  std::vector<TensorShape> shapes_;
};

using Observer = std::unique_ptr<at::ObserverContext>;
using Inputs = c10::ArrayRef<const c10::IValue>;

bool elementwise_wanted(const ThreadContext& context, const ThreadMeter& meter) {
  const FlopMeterOptions& options = meter.state->options;
  return current_phase(context, meter) == Phase::kOther ? options.count_optimizer : options.count_elementwise;
}

Observer visit_unknown(ThreadMeter& meter, const OperatorInfo& info, Inputs inputs) {
  const int wanted = info.rule.kind == RuleKind::kUnknown ? 2 : 1;
  if (count_matrix_inputs(inputs) < wanted) return nullptr;
  return std::make_unique<Visit>(meter, info.id, tensor_shapes(inputs));
}

Observer visit_operator(const ThreadContext& context,
                        ThreadMeter& meter,
                        const OperatorInfo& info,
                        Inputs inputs) {
  const auto& rules = meter.state->rules;
  if (const auto own = rules.empty() ? rules.end() : rules.find(info.id); own != rules.end()) {
    add_count(context, meter, info.id, (*own->second)(tensor_shapes(inputs)));
    return std::make_unique<Visit>(Visit::Kind::kCounted, meter);
  }
  const RuleKind kind = info.rule.kind;
  if (kind == RuleKind::kIgnored) return nullptr;
  if (is_elementwise(kind) && !elementwise_wanted(context, meter)) return nullptr;
  if (has_wrapped_input(inputs)) return nullptr;
  if (kind == RuleKind::kUnknown || kind == RuleKind::kUnknownMatrix)
    return visit_unknown(meter, info, inputs);
  const std::optional<std::uint64_t> flops = operator_flops(info.rule, inputs);
  if (!flops) return std::make_unique<Visit>(meter, info.id, tensor_shapes(inputs));
  add_count(context, meter, info.id, *flops);
  return std::make_unique<Visit>(Visit::Kind::kCounted, meter);
}

// The engine's record around a node has a temporary name and no arguments, which operators rarely lack.
bool is_engine_record(const at::RecordFunction& call, const char* name) {
  constexpr char kEngine[] = "autograd::engine::evaluate_function";
  return call.inputs().empty() && std::strncmp(name, kEngine, sizeof(kEngine) - 1) == 0;
}

template <int index>
Observer start_operator(const at::RecordFunction& call) {
  ThreadContext& context = thread_context();
  ThreadMeter& meter = thread_meter(context, index);
  if (!meter.state || meter.nested_in_counted > 0) return nullptr;
  const char* name = call.name();
  if (meter.skips_ignored && context.names.is_ignored(name)) return nullptr;
  if (meter.skips_elementwise && context.names.is_elementwise(name)) return nullptr;
  if (is_engine_record(call, name)) return std::make_unique<Visit>(Visit::Kind::kNode, meter);
  if (std::strstr(name, "::") == nullptr) return nullptr;
  return visit_operator(context, meter, context.names.find(name), call.inputs());
}

// A node's own record follows the engine's and carries the sequence number of the forward operator.
template <int index>
Observer start_node(const at::RecordFunction& call) {
  ThreadContext& context = thread_context();
  ThreadMeter& meter = thread_meter(context, index);
  if (!meter.state || call.seqNr() < 0) return nullptr;
  const auto sequence_number = static_cast<std::uint64_t>(call.seqNr());
  const std::uint64_t thread = call.forwardThreadId();
  if (thread == at::RecordFunction::currentThreadId()) {
    meter.node_scope = this_thread_history().find(sequence_number);
  } else if (const auto history = history_of_thread(thread)) {
    meter.node_scope = history->find(sequence_number);
  }
  return nullptr;
}

void end_visit(const at::RecordFunction&, at::ObserverContext* context) {
  if (context != nullptr) static_cast<Visit*>(context)->finish();
}

struct CallbackPair {
  at::RecordFunctionCallback::StartCallback operators;
  at::RecordFunctionCallback::StartCallback nodes;
};

template <int... index>
constexpr std::array<CallbackPair, kSlots> make_callbacks(std::integer_sequence<int, index...>) {
  return {CallbackPair{&start_operator<index>, &start_node<index>}...};
}

constexpr auto kCallbacks = make_callbacks(std::make_integer_sequence<int, kSlots>());

int claim_slot(const std::shared_ptr<FlopMeter::State>& state) {
  Slots& slots = all_slots();
  const std::lock_guard lock(slots.mutex);
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = slots.slots[static_cast<std::size_t>(i)];
    if (slot.state) continue;
    slot.state = state;
    slot.owner = std::this_thread::get_id();
    slot.generation.fetch_add(1, std::memory_order_release);
    ++slots.active;
    ++slots.without_nodes;
    return i;
  }
  throw Error(ErrorClass::kResource,
              "flop_meter.too_many",
              {.what = "no room for another FLOP meter",
               .seen = std::to_string(kSlots) + " meters alive",
               .wanted = "at most " + std::to_string(kSlots) + " at a time in a process",
               .remedy = "destroy meters that are no longer needed, or share one with all_threads"});
}

void release_slot(int index) {
  Slots& slots = all_slots();
  const std::lock_guard lock(slots.mutex);
  Slot& slot = slots.slots[static_cast<std::size_t>(index)];
  if (slot.node_callback == 0) --slots.without_nodes;
  slot.state.reset();
  slot.callback = slot.node_callback = 0;
  slot.generation.fetch_add(1, std::memory_order_release);
  --slots.active;
}

std::vector<std::uint64_t> callbacks_of(int index) {
  const std::lock_guard lock(all_slots().mutex);
  const Slot& slot = all_slots().slots[static_cast<std::size_t>(index)];
  std::vector<std::uint64_t> callbacks = {slot.callback};
  if (slot.node_callback != 0) callbacks.push_back(slot.node_callback);
  return callbacks;
}

std::uint64_t add_callback(const FlopMeter::State& state, const at::RecordFunctionCallback& callback) {
  return state.options.all_threads ? at::addGlobalCallback(callback) : at::addThreadLocalCallback(callback);
}

// From the first scope on, meters need to know which node runs.
void add_node_callbacks() {
  Slots& slots = all_slots();
  if (slots.without_nodes.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(slots.mutex);
  for (std::size_t i = 0; i < kSlots; ++i) {
    Slot& slot = slots.slots[i];
    if (!slot.state || slot.node_callback != 0) continue;
    if (!slot.state->options.all_threads && slot.owner != std::this_thread::get_id()) continue;
    slot.node_callback = add_callback(
        *slot.state,
        at::RecordFunctionCallback(kCallbacks[i].nodes).scopes({at::RecordScope::BACKWARD_FUNCTION}));
    --slots.without_nodes;
  }
}

// Bit set of the running meters of this thread that count nothing of an element-wise optimiser.
std::uint32_t idle_in_optimizer() {
  std::uint32_t set = 0;
  const std::lock_guard lock(all_slots().mutex);
  for (std::size_t i = 0; i < kSlots; ++i) {
    const Slot& slot = all_slots().slots[i];
    if (!slot.state || slot.owner != std::this_thread::get_id() || slot.state->paused) continue;
    const FlopMeterOptions& options = slot.state->options;
    if (!options.all_threads && !options.count_optimizer && options.rules.empty())
      set |= std::uint32_t{1} << i;
  }
  return set;
}

template <typename Action>
void for_each_callback(std::uint32_t slots, Action action) {
  for (int i = 0; i < kSlots; ++i) {
    if ((slots >> i & 1u) == 0) continue;
    for (std::uint64_t callback : callbacks_of(i)) action(callback);
  }
}

bool covers_this_thread(const FlopMeter::State& state, std::uint64_t callback) {
  if (state.options.all_threads) return true;
  const auto& local = at::get_record_function_tls_().sorted_tls_callbacks_;
  return std::any_of(
      local.begin(), local.end(), [callback](const auto& entry) { return entry.handle_ == callback; });
}

}  // namespace

FlopMeter::FlopMeter(FlopMeterOptions options)
    : state_(std::make_shared<State>(std::move(options))), slot_(claim_slot(state_)) {
  const auto start = kCallbacks[static_cast<std::size_t>(slot_)].operators;
  const std::uint64_t callback = add_callback(
      *state_,
      at::RecordFunctionCallback(start, &end_visit).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  const std::lock_guard lock(all_slots().mutex);
  all_slots().slots[static_cast<std::size_t>(slot_)].callback = callback;
}

FlopMeter::~FlopMeter() {
  for (std::uint64_t callback : callbacks_of(slot_)) at::removeCallback(callback);
  release_slot(slot_);
}

FlopReport FlopMeter::report() const {
  const std::lock_guard lock(state_->mutex);
  return make_flop_report(state_->threads);
}

std::uint64_t FlopMeter::total() const {
  const std::lock_guard lock(state_->mutex);
  std::uint64_t sum = 0;
  for (const auto& thread : state_->threads) {
    for (const auto& total : thread->totals) sum += total.load(std::memory_order_relaxed);
  }
  return sum;
}

void FlopMeter::reset() {
  const std::lock_guard lock(state_->mutex);
  for (const auto& thread : state_->threads) {
    const std::lock_guard thread_lock(thread->mutex);
    thread->counted.clear();
    thread->uncounted.clear();
    for (auto& total : thread->totals) total.store(0, std::memory_order_relaxed);
  }
}

void FlopMeter::pause() {
  state_->paused = true;
  for (std::uint64_t callback : callbacks_of(slot_)) at::disableCallback(callback);
}

void FlopMeter::resume() {
  state_->paused = false;
  for (std::uint64_t callback : callbacks_of(slot_)) at::reenableCallback(callback);
}

FlopScope::FlopScope(std::string_view name)
    : previous_(thread_context().scope), active_(all_slots().active > 0) {
  if (!active_) return;
  add_node_callbacks();
  ThreadContext& context = thread_context();
  context.scope = intern_scope(previous_, name);
  this_thread_history().record(at::sequence_number::peek(), context.scope);
}

FlopScope::~FlopScope() {
  if (!active_) return;
  thread_context().scope = previous_;
  this_thread_history().record(at::sequence_number::peek(), previous_);
}

OptimizerScope::OptimizerScope(Work work) : previous_(std::exchange(thread_context().in_optimizer, true)) {
  if (work == Work::kAny || all_slots().active == 0) return;
  switched_off_ = idle_in_optimizer();
  for_each_callback(switched_off_, [](std::uint64_t callback) { at::disableCallback(callback); });
}

OptimizerScope::~OptimizerScope() {
  thread_context().in_optimizer = previous_;
  if (switched_off_ == 0) return;
  // Only meters that are still there and were not paused meanwhile.
  for_each_callback(switched_off_ & idle_in_optimizer(),
                    [](std::uint64_t callback) { at::reenableCallback(callback); });
}

void count_flops(std::string_view name, std::uint64_t flops) {
  if (all_slots().active == 0) return;
  std::array<bool, kSlots> covered{};
  {
    const std::lock_guard lock(all_slots().mutex);
    for (std::size_t i = 0; i < kSlots; ++i) {
      const Slot& slot = all_slots().slots[i];
      covered[i] = slot.state && covers_this_thread(*slot.state, slot.callback);
    }
  }
  ThreadContext& context = thread_context();
  const std::uint32_t id = intern_operator(name).id;
  for (int i = 0; i < kSlots; ++i) {
    if (!covered[static_cast<std::size_t>(i)]) continue;
    ThreadMeter& meter = thread_meter(context, i);
    if (meter.state && meter.nested_in_counted == 0) add_count(context, meter, id, flops);
  }
}

}  // namespace tenfold::train
