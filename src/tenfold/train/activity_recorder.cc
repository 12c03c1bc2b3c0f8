// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/activity_recorder.h"

#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>
#include <torch/library.h>

#include <array>
#include <string>
#include <tuple>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::train {
namespace {

constexpr c10::DispatchKey kKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

ActivityRecorder::Interceptor*& current() {
  thread_local ActivityRecorder::Interceptor* interceptor = nullptr;
  return interceptor;
}

bool is_one(const c10::IValue& scalar) {
  return scalar.toScalar().equal(1);
}

}  // namespace

// The operators as they arrive, with their arguments on LibTorch's stack.
class ActivityRecorder::Interceptor {
 public:
  explicit Interceptor(ActivityRecorder& recorder) : recorder_(recorder) {}

  void call(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
    const std::string& name = op.operator_name().name;
    const std::size_t count = op.schema().arguments().size();
    const std::size_t first = stack.size() - count;
    if (name == "aten::add" || name == "aten::add_") return add(op, stack, first);
    std::optional<ActivityCall> found = match(name, &stack[first]);
    if (!found) return op.callBoxed(&stack);
    for (std::size_t i = first; i < stack.size(); ++i) drop_own_tangent(stack[i], *found);
    op.callBoxed(&stack);
    stack.back() = c10::IValue(finish(std::move(*found), stack.back().toTensor()));
  }

 private:
  std::optional<ActivityCall> match(const std::string& name, const c10::IValue* arguments) {
    if (name == "aten::addmm") {  // bias, x, weight, beta, alpha
      if (!is_one(arguments[3]) || !is_one(arguments[4])) return std::nullopt;
      auto call = product(arguments[1].toTensor(), arguments[2].toTensor());
      if (call) call->bias = bias_of(arguments[0].toTensor());
      return call;
    }
    if (name == "aten::mm" || name == "aten::matmul")
      return product(arguments[0].toTensor(), arguments[1].toTensor());
    if (name == "aten::linear") {
      auto call = product(arguments[0].toTensor(), arguments[1].toTensor());
      if (!call) return call;
      call->transposed = !call->transposed;
      if (arguments[2].isTensor()) call->bias = bias_of(arguments[2].toTensor());
      return call;
    }
    if (name == "aten::convolution") {
      auto call = whole(ActivityCall::Kind::kConvolution, arguments[0].toTensor(), arguments[1].toTensor());
      if (!call) return call;
      if (arguments[2].isTensor()) call->bias = bias_of(arguments[2].toTensor());
      call->arguments.assign(arguments + 3, arguments + 9);
      return call;
    }
    auto call = whole(ActivityCall::Kind::kLookup, arguments[1].toTensor(), arguments[0].toTensor());
    if (call) call->arguments.assign(arguments + 2, arguments + 4);
    return call;
  }

  const Perturbed* parameter_at(const at::Tensor& tensor, std::size_t& place) const {
    if (!tensor.defined() || !tensor.has_storage()) return nullptr;
    const auto found = recorder_.by_memory_.find(tensor.data_ptr());
    if (found == recorder_.by_memory_.end()) return nullptr;
    place = found->second;
    const Perturbed& parameter = recorder_.parameters_[place];
    return parameter.value.numel() == tensor.numel() && parameter.value.scalar_type() == tensor.scalar_type()
               ? &parameter
               : nullptr;
  }

  static bool same_layout(const at::Tensor& a, const at::Tensor& b) {
    return a.sizes().equals(b.sizes()) && a.strides().equals(b.strides());
  }

  static ActivityCall started(ActivityCall::Kind kind, std::size_t weight, const at::Tensor& input) {
    ActivityCall call;
    call.kind = kind;
    call.weight = weight;
    call.input = input.detach();
    call.input_version = input.is_inference() ? 0 : static_cast<std::uint32_t>(input._version());
    return call;
  }

  // The weight is used whole and in its own layout.
  std::optional<ActivityCall> whole(ActivityCall::Kind kind,
                                    const at::Tensor& input,
                                    const at::Tensor& weight) const {
    std::size_t place = 0;
    const Perturbed* parameter = parameter_at(weight, place);
    if (parameter == nullptr || !same_layout(parameter->value, weight)) return std::nullopt;
    return started(kind, place, input);
  }

  std::optional<ActivityCall> product(const at::Tensor& input, const at::Tensor& matrix) const {
    std::size_t place = 0;
    const Perturbed* parameter = matrix.dim() == 2 ? parameter_at(matrix, place) : nullptr;
    if (parameter == nullptr || parameter->value.dim() != 2 || input.dim() == 0) return std::nullopt;
    const at::Tensor& value = parameter->value;
    const bool plain = same_layout(value, matrix);
    const bool transposed = matrix.size(0) == value.size(1) && matrix.size(1) == value.size(0) &&
                            matrix.stride(0) == value.stride(1) && matrix.stride(1) == value.stride(0);
    if (!plain && !transposed) return std::nullopt;
    ActivityCall call = started(ActivityCall::Kind::kProduct, place, input);
    call.transposed = !plain;
    return call;
  }

  std::optional<std::size_t> bias_of(const at::Tensor& tensor) const {
    std::size_t place = 0;
    const Perturbed* parameter =
        tensor.defined() && tensor.dim() == 1 ? parameter_at(tensor, place) : nullptr;
    return parameter == nullptr ? std::nullopt : std::optional(place);
  }

  // z += b of a layer that multiplied without bias.
  void add(const c10::OperatorHandle& op, torch::jit::Stack& stack, std::size_t first) {
    const c10::IValue &left = stack[first], &right = stack[first + 1];
    if (left.isTensor() && right.isTensor() && is_one(stack[first + 2]) && !recorder_.calls_.empty() &&
        recorder_.latest_._unsafe_get_target() == left.toTensor().unsafeGetTensorImpl()) {
      ActivityCall& call = recorder_.calls_.back();
      const std::optional<std::size_t> bias = bias_of(right.toTensor());
      if (bias && !call.bias && call.kind == ActivityCall::Kind::kProduct &&
          right.toTensor().size(0) == call.like.size(-1)) {
        call.bias = bias;
        drop_own_tangent(stack[first + 1], call);
      }
    }
    op.callBoxed(&stack);
  }

  void drop_own_tangent(c10::IValue& argument, const ActivityCall& call) const {
    if (!argument.isTensor() || !argument.toTensor().defined()) return;
    const at::Tensor& tensor = argument.toTensor();
    std::size_t place = 0;
    if (parameter_at(tensor, place) == nullptr || (place != call.weight && place != call.bias)) return;
    if (recorder_.scope_.tangent(tensor).defined()) {
      argument = c10::IValue(tensor._fw_primal(static_cast<std::int64_t>(recorder_.scope_.level())));
    }
  }

  at::Tensor finish(ActivityCall call, at::Tensor z) {
    call.like = at::empty({1}, z.options()).expand(z.sizes());
    const std::size_t number = recorder_.calls_.size();
    at::Tensor noise = recorder_.noise_ ? recorder_.noise_(number, call.like) : at::Tensor();
    if (noise.defined()) {
      const at::Tensor tangent = recorder_.scope_.tangent(z);
      const auto level = static_cast<std::int64_t>(recorder_.scope_.level());
      if (tangent.defined()) {
        z = at::_make_dual(z._fw_primal(level), noise.add_(tangent), level);
      } else {
        recorder_.scope_.set_tangent(z, noise);
      }
    }
    recorder_.calls_.push_back(std::move(call));
    recorder_.latest_ = decltype(recorder_.latest_)(z.getIntrusivePtr());
    return z;
  }

  ActivityRecorder& recorder_;
};

namespace {

void intercept(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard inside(kKey);
  if (current() == nullptr) return op.callBoxed(stack);
  current()->call(op, *stack);
}

// Once a process; without the key in a thread's set nothing of it is ever called.
void register_kernels() {
  static const auto* const libraries = [] {
    auto* made = new std::array<torch::Library, 2>{
        torch::Library(torch::Library::IMPL, "_", c10::make_optional(kKey), __FILE__, __LINE__),
        torch::Library(torch::Library::IMPL, "aten", c10::make_optional(kKey), __FILE__, __LINE__)};
    (*made)[0].fallback(torch::CppFunction::makeFallthrough());
    for (const char* name :
         {"addmm", "mm", "matmul", "linear", "convolution", "embedding", "add.Tensor", "add_.Tensor"}) {
      (*made)[1].impl(name, torch::CppFunction::makeFromBoxedFunction<&intercept>());
    }
    return made;
  }();
  static_cast<void>(libraries);
}

c10::DispatchKey registered_key() {
  register_kernels();
  return kKey;
}

}  // namespace

ActivityRecorder::ActivityRecorder(const DualScope& scope, std::span<const Perturbed> parameters, Noise noise)
    : interceptor_(std::make_unique<Interceptor>(*this)),
      scope_(scope),
      parameters_(parameters),
      noise_(std::move(noise)),
      latest_(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>()),
      switched_on_(registered_key()) {
  check_internal(current() == nullptr, "one recorder of activities a thread");
  for (std::size_t i = 0; i < parameters.size(); ++i) by_memory_.emplace(parameters[i].value.data_ptr(), i);
  current() = interceptor_.get();
}

ActivityRecorder::~ActivityRecorder() {
  current() = nullptr;
}

ActivityCall::Gradients ActivityCall::gradients(const torch::Tensor& z_gradient,
                                                const torch::Tensor& weight_value) const {
  if (!input.is_inference() && static_cast<std::uint32_t>(input._version()) != input_version) {
    throw Error(ErrorClass::kData,
                "activity.modified_input",
                {.what = "the input of a layer was changed in place after the layer had read it",
                 .seen = "version " + std::to_string(input._version()),
                 .wanted = "version " + std::to_string(input_version),
                 .remedy = "use the operator without underscore, as backpropagation would ask too"});
  }
  Gradients result;
  if (kind == Kind::kLookup) {
    result.weight = at::embedding_dense_backward(
        z_gradient.contiguous(), input, weight_value.size(0), arguments[0].toInt(), arguments[1].toBool());
    return result;
  }
  if (kind == Kind::kConvolution) {
    const std::vector<std::int64_t> bias_sizes{
        z_gradient.size(z_gradient.dim() - (weight_value.dim() - 2) - 1)};
    std::tie(std::ignore, result.weight, result.bias) =
        at::convolution_backward(z_gradient,
                                 input,
                                 weight_value,
                                 bias_sizes,
                                 arguments[0].toIntVector(),
                                 arguments[1].toIntVector(),
                                 arguments[2].toIntVector(),
                                 arguments[3].toBool(),
                                 arguments[4].toIntVector(),
                                 arguments[5].toInt(),
                                 {false, true, bias.has_value()});
    return result;
  }
  const torch::Tensor g = z_gradient.reshape({-1, z_gradient.size(-1)});
  const torch::Tensor x = input.reshape({-1, input.size(-1)});
  result.weight = transposed ? at::mm(g.t(), x) : at::mm(x.t(), g);
  if (bias) result.bias = g.sum(0);
  return result;
}

}  // namespace tenfold::train
