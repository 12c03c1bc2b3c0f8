// SPDX-License-Identifier: Apache-2.0
// Buckets of gradients that leave during the backward pass. (LibTorch's own c10d::Reducer knows neither estimators without a
// backward pass nor the order in which the trainer counts micro-batches.)
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/train/communicator.h"

namespace tenfold::train {
namespace {

namespace autograd = torch::autograd;

std::uint64_t bytes_of(const torch::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
}

// Names, types and shapes in order, as the 64 digits of a hash.
torch::Tensor fingerprint(const std::vector<NamedParameter>& parameters) {
  std::string text;
  for (const NamedParameter& parameter : parameters) {
    text += fmt::format("{} {}", parameter.name, static_cast<int>(parameter.value.scalar_type()));
    for (const std::int64_t size : parameter.value.sizes()) text += fmt::format(" {}", size);
    text += '\n';
  }
  const std::string digits = sha256_hex(text);
  torch::Tensor numbers = at::empty({static_cast<std::int64_t>(digits.size())}, at::kByte);
  std::copy(digits.begin(), digits.end(), numbers.data_ptr<std::uint8_t>());
  return numbers;
}

void check_same_model(Communicator& communicator, const std::vector<NamedParameter>& parameters) {
  const torch::Tensor own = fingerprint(parameters);
  torch::Tensor first = own.clone();
  communicator.broadcast(first, 0);
  torch::Tensor different = at::full({1}, own.equal(first) ? 0 : 1, at::kLong);
  communicator.all_reduce_sum(different);  // so that all ranks stop together
  const auto count = different.item<std::int64_t>();
  if (count == 0) return;
  throw Error(ErrorClass::kConfig,
              "distributed.different_models",
              {.what = "the ranks do not train the same model",
               .seen = fmt::format(
                   "{} of {} ranks have other parameters than rank 0", count, communicator.world_size()),
               .wanted = "the same names, shapes and types in the same order",
               .remedy = "start all ranks with the same configuration and files"});
}

}  // namespace

struct GradientReducer::State : std::enable_shared_from_this<State> {
  struct Bucket {
    std::vector<std::size_t> members;  // indices of parameters
    torch::Tensor buffer;              // [elements of all members]
    std::size_t waiting = 0;           // members without a gradient in this step
    std::uint32_t version = 0;         // of the buffer when it was handed over
    std::unique_ptr<Communicator::Pending> pending;
  };
  struct Member {
    NamedParameter parameter;
    std::size_t bucket = 0;
    torch::Tensor view;  // of the bucket's buffer, shaped as the parameter
    bool ready = false;
    std::shared_ptr<autograd::Node> accumulator;  // kept alive: variables hold it weakly
    std::uintptr_t hook = 0;
  };

  State(Communicator& communicator_in, GradientReducerOptions options_in)
      : communicator(communicator_in), options(options_in) {}

  void make_buckets();
  void make_buffer(Bucket& bucket);
  void add_hooks();
  void on_gradient(std::size_t index) noexcept;
  void start_in_order(bool by_hook);
  void start(Bucket& bucket);
  void collect(Bucket& bucket);
  void check_untouched(const Bucket& bucket) const;
  void abandon();

  Communicator& communicator;
  GradientReducerOptions options;
  std::vector<Member> members;
  std::vector<Bucket> buckets;
  std::mutex mutex;  // hooks run in the threads of autograd
  bool listening = false;
  std::size_t next = 0;      // first bucket that has not started
  std::size_t by_hooks = 0;  // started by hooks in this step
  double share = 0.0;
  std::string late;            // a parameter whose gradient came twice
  std::exception_ptr failure;  // of a hook
};

namespace {

class GradientHook final : public autograd::FunctionPostHook {
 public:
  explicit GradientHook(std::function<void()> act) : act_(std::move(act)) {}
  autograd::variable_list operator()(const autograd::variable_list& outputs,
                                     const autograd::variable_list&) override {
    act_();
    return outputs;
  }

 private:
  std::function<void()> act_;
};

}  // namespace

// Reverse order; one open bucket a type, closed when the next parameter does not fit.
void GradientReducer::State::make_buckets() {
  std::map<c10::ScalarType, std::pair<Bucket, std::uint64_t>> open;
  const auto close = [&](std::pair<Bucket, std::uint64_t>& full) {
    for (const std::size_t member : full.first.members) members[member].bucket = buckets.size();
    buckets.push_back(std::move(full.first));
    full = {};
  };
  for (std::size_t index = members.size(); index-- > 0;) {
    const torch::Tensor& value = members[index].parameter.value;
    auto& [bucket, bytes] = open[value.scalar_type()];
    if (!bucket.members.empty() && bytes + bytes_of(value) > options.bucket_bytes) {
      close(open[value.scalar_type()]);
    }
    bucket.members.push_back(index);
    bytes += bytes_of(value);
  }
  for (auto& [type, last] : open) {
    if (!last.first.members.empty()) close(last);
  }
  for (Bucket& bucket : buckets) make_buffer(bucket);
}

void GradientReducer::State::make_buffer(Bucket& bucket) {
  std::int64_t elements = 0;
  for (const std::size_t member : bucket.members) elements += members[member].parameter.value.numel();
  const torch::Tensor& first = members[bucket.members.front()].parameter.value;
  bucket.buffer = at::zeros({elements}, first.options().requires_grad(false));
  std::int64_t offset = 0;
  for (const std::size_t member : bucket.members) {
    const torch::Tensor& value = members[member].parameter.value;
    // The parameter's own strides, where it has no gaps: optimisers then run over both in memory order.
    members[member].view = value.is_non_overlapping_and_dense()
                               ? bucket.buffer.as_strided(value.sizes(), value.strides(), offset)
                               : bucket.buffer.narrow(0, offset, value.numel()).view(value.sizes());
    offset += value.numel();
  }
}

void GradientReducer::State::add_hooks() {
  for (std::size_t index = 0; index < members.size(); ++index) {
    Member& member = members[index];
    member.accumulator = autograd::impl::grad_accumulator(member.parameter.value);
    const auto act = [weak = weak_from_this(), index] {
      if (const auto state = weak.lock()) state->on_gradient(index);
    };
    member.hook = member.accumulator->add_post_hook(std::make_unique<GradientHook>(act));
  }
}

void GradientReducer::State::on_gradient(std::size_t index) noexcept {
  const std::lock_guard lock(mutex);
  if (!listening || failure) return;
  Member& member = members[index];
  if (member.ready) {  // the first time was not the last: this step's sum may already be on its way
    late = member.parameter.name;
    return;
  }
  member.ready = true;
  --buckets[member.bucket].waiting;
  try {
    start_in_order(true);
  } catch (...) {
    failure = std::current_exception();  // finish() throws it: not through the autograd engine
  }
}

// Starts the buckets whose turn it is: those that are complete, or all of the rest in finish().
void GradientReducer::State::start_in_order(bool by_hook) {
  while (next < buckets.size() && (buckets[next].waiting == 0 || !by_hook)) {
    start(buckets[next]);
    ++next;
    if (by_hook) ++by_hooks;
  }
}

void GradientReducer::State::start(Bucket& bucket) {
  collect(bucket);
  bucket.version = bucket.buffer._version();
  bucket.pending = communicator.start_all_reduce_sum(bucket.buffer);
}

// Brings the gradients into the buffer and makes them views of it.
void GradientReducer::State::collect(Bucket& bucket) {
  const at::NoGradGuard no_grad;
  for (const std::size_t index : bucket.members) {
    Member& member = members[index];
    torch::Tensor& gradient = member.parameter.value.mutable_grad();
    if (gradient.defined() && !gradient.is_sparse() && gradient.data_ptr() == member.view.data_ptr())
      continue;
    if (!gradient.defined()) {
      member.view.zero_();
    } else {
      member.view.copy_(gradient.is_sparse() ? gradient.to_dense() : gradient);
    }
    gradient = member.view;
  }
}

void GradientReducer::State::check_untouched(const Bucket& bucket) const {
  const auto moved = [&](std::size_t index) {
    const torch::Tensor& gradient = members[index].parameter.value.grad();
    return !gradient.defined() || gradient.data_ptr() != members[index].view.data_ptr();
  };
  const bool changed = bucket.buffer._version() != bucket.version ||
                       std::any_of(bucket.members.begin(), bucket.members.end(), moved);
  if (late.empty() && !changed) return;
  throw Error(ErrorClass::kConfig,
              "distributed.late_gradient",
              {.what = "a gradient changed after its sum over the ranks had started",
               .seen = late.empty() ? fmt::format("a parameter of the bucket from {} to {}",
                                                  members[bucket.members.back()].parameter.name,
                                                  members[bucket.members.front()].parameter.name)
                                    : late + " got its gradient in two parts",
               .wanted = "gradients that are complete when their backward pass has reached them",
               .remedy = "reduce after the backward pass: overlap = false"});
}

// Completes a step that an exception ended between prepare() and finish(): every rank reduces every bucket once a step, so
// that the next step's sums meet each other. Nobody reads the result.
void GradientReducer::State::abandon() {
  if (!listening) return;
  listening = false;
  failure = nullptr;
  start_in_order(false);
  for (Bucket& bucket : buckets) std::exchange(bucket.pending, nullptr)->wait();
}

GradientReducer::GradientReducer(Communicator& communicator,
                                 std::vector<NamedParameter> parameters,
                                 GradientReducerOptions options)
    : state_(std::make_shared<State>(communicator, options)) {
  if (communicator.world_size() == 1) return;
  check_same_model(communicator, parameters);
  for (NamedParameter& parameter : parameters) {
    State::Member member;
    member.parameter = std::move(parameter);
    state_->members.push_back(std::move(member));
  }
  const at::NoGradGuard no_grad;
  state_->make_buckets();
  if (options.overlap) state_->add_hooks();
}

GradientReducer::~GradientReducer() {
  for (State::Member& member : state_->members) {
    if (member.accumulator) member.accumulator->del_post_hook(member.hook);
  }
}

void GradientReducer::prepare() {
  const std::lock_guard lock(state_->mutex);
  state_->abandon();
  for (State::Bucket& bucket : state_->buckets) bucket.waiting = bucket.members.size();
  for (State::Member& member : state_->members) member.ready = false;
  state_->late.clear();
  state_->next = 0;
  state_->by_hooks = 0;
  state_->listening = true;
}

void GradientReducer::finish() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  check_internal(state.listening, "GradientReducer::finish() without prepare()");
  state.listening = false;
  if (state.failure) std::rethrow_exception(std::exchange(state.failure, nullptr));
  state.start_in_order(false);
  for (State::Bucket& bucket : state.buckets) std::exchange(bucket.pending, nullptr)->wait();
  for (const State::Bucket& bucket : state.buckets) state.check_untouched(bucket);
  if (!state.buckets.empty()) {
    state.share = static_cast<double>(state.by_hooks) / static_cast<double>(state.buckets.size());
  }
}

std::size_t GradientReducer::buckets() const {
  return state_->buckets.size();
}

double GradientReducer::overlapped_share() const {
  return state_->share;
}

}  // namespace tenfold::train
