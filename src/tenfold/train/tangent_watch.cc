// SPDX-License-Identifier: Apache-2.0
// RecordFunction shows every dispatched operator with inputs and results. Inside the kernels of autograd LibTorch works on values
// without tangents by design; those operators are told by autograd's keys being excluded, and left out. The others are judged by
// what went in and what came out, and a finding spreads over all results computed from it, until the loss shows which of the
// findings matter.
#include "tenfold/train/tangent_watch.h"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tenfold/train/perturbed_set.h"

namespace tenfold::train {
namespace {

constexpr int kNone = std::numeric_limits<int>::max();  // no finding

// Results that do not depend on the input's values, or are constant almost everywhere.
const std::unordered_set<std::string_view>& constant_operators() {
  static const std::unordered_set<std::string_view> names = {
      "aten::empty_like",   "aten::zeros_like",
      "aten::ones_like",    "aten::full_like",
      "aten::rand_like",    "aten::randn_like",
      "aten::randint_like", "aten::new_empty",
      "aten::new_zeros",    "aten::new_ones",
      "aten::new_full",     "aten::new_empty_strided",
      "aten::copysign",     "aten::histc",
      "aten::histogram",    "aten::_fw_primal",
      "aten::_make_dual",   "aten::_unpack_dual",
      "aten::nextafter",    "aten::_new_zeros_with_same_feature_meta",
      "aten::bernoulli",    "aten::multinomial",
      "aten::empty_strided"};
  return names;
}

// Which findings a value comes from: the first strong one (a lost tangent) and the first weak one (a constant result, of interest
// only when nothing else explains a loss without tangent).
struct Origin {
  int strong = kNone;
  int weak = kNone;
  bool any() const { return strong != kNone || weak != kNone; }
  void merge(const Origin& other) {
    strong = std::min(strong, other.strong);
    weak = std::min(weak, other.weak);
  }
};

struct Geometry {
  std::int64_t offset;
  std::vector<std::int64_t> sizes, strides;
  bool operator==(const Geometry&) const = default;
};

Geometry geometry_of(const at::Tensor& tensor) {
  return {tensor.storage_offset(), tensor.sizes().vec(), tensor.strides().vec()};
}

template <typename Visit>
void for_tensors(const c10::IValue& value, const Visit& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList() || value.isList()) {
    for (const c10::IValue& item : value.toListRef()) for_tensors(item, visit);
  } else if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) for_tensors(item, visit);
  }
}

bool is_detach(std::string_view name) {
  return name == "aten::detach" || name == "aten::detach_";
}

bool carries_values(const at::Tensor& tensor) {
  return tensor.is_floating_point() || tensor.is_complex();
}

struct Frame {
  std::string name;
  bool judged = false;  // false: inside a kernel below autograd
  bool tangent_in = false;
  bool wrong = false;      // known to give a wrong tangent
  bool inference = false;  // InferenceMode
  bool switched_off = false;
  int exceptions = 0;
  Origin origin;
  std::vector<const at::TensorImpl*> inputs;
};

constexpr const char* kMezo =
    "compose it from operators that have one, or use gradient.name = mezo, which needs no derivative";

}  // namespace

class TangentWatch::State {
 public:
  State(const DualScope& dual_scope, std::span<const Perturbed> perturbed, bool allow_detach);
  ~State();

  void start(const at::RecordFunction& function);
  void end(const at::RecordFunction& function);

  std::string path(std::size_t depth) const;  // name of frames_[depth] with the operator that called it

  const DualScope& scope;
  bool allow_detach = false;
  bool busy = false;  // reading a tangent may call operators itself
  at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;
  std::vector<TangentFinding> findings;
  std::vector<std::string> weak_names;
  std::string read_as_number;  // first operator that gave a value with a tangent to C++ as a plain number
  std::map<std::string, OperatorCoverage> coverage;
  std::string failed;  // innermost operator that an exception left
  Origin origin_of(const at::Tensor& tensor) const;

 private:
  bool has_tangent(const at::Tensor& tensor) const;
  bool hides_tangent(const at::Tensor& tensor) const;
  void remember_tangent(const at::Tensor& tensor);
  void mark(const at::Tensor& tensor, const Origin& origin, bool written);
  void read_input(Frame& frame, const at::Tensor& tensor, bool top_level);
  void judge(Frame& frame, const at::RecordFunction& function);
  int add(TangentFinding finding);
  int add_weak(std::string name);
  TangentFinding cut_finding(const Frame& frame) const;

  struct Marked {
    c10::weak_intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>
        alive;  // keeps the address from being used again
    Origin origin;
  };
  struct Stored {
    c10::weak_intrusive_ptr<c10::StorageImpl> alive;
    std::vector<Geometry> with_tangent;
    Origin written;  // through a view without tangent
  };
  Stored& stored(const at::Tensor& tensor);

  std::vector<Frame> frames_;
  std::size_t judged_depth_ = 0;
  std::unordered_map<const at::TensorImpl*, Marked> marked_;
  std::unordered_map<const c10::StorageImpl*, Stored> storages_;
};

namespace {

TangentWatch::State*& current() {
  thread_local TangentWatch::State* state = nullptr;
  return state;
}

std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function) {
  if (current() != nullptr && !current()->busy) current()->start(function);
  return nullptr;
}

void on_end(const at::RecordFunction& function, at::ObserverContext*) {
  if (current() != nullptr && !current()->busy) current()->end(function);
}

}  // namespace

TangentWatch::State::State(const DualScope& dual_scope,
                           std::span<const Perturbed> perturbed,
                           bool detach_is_meant)
    : scope(dual_scope), allow_detach(detach_is_meant) {
  check_internal(current() == nullptr, "one watch of tangents a thread");
  for (const Perturbed& tensor : perturbed) remember_tangent(tensor.value);
  current() = this;
  handle = at::addThreadLocalCallback(at::RecordFunctionCallback(on_start, on_end)
                                          .needsInputs(true)
                                          .needsOutputs(true)
                                          .scopes({at::RecordScope::FUNCTION}));
}

TangentWatch::State::~State() {
  at::removeCallback(handle);
  current() = nullptr;
}

bool TangentWatch::State::has_tangent(const at::Tensor& tensor) const {
  if (!carries_values(tensor)) return false;
  const c10::AutoFwGradMode readable(true);
  return scope.tangent(tensor).defined();
}

TangentWatch::State::Stored& TangentWatch::State::stored(const at::Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  return storages_.try_emplace(storage.unsafeGetStorageImpl(), Stored{storage.getWeakStorageImpl(), {}, {}})
      .first->second;
}

void TangentWatch::State::remember_tangent(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return;
  std::vector<Geometry>& known = stored(tensor).with_tangent;
  Geometry geometry = geometry_of(tensor);
  if (std::find(known.begin(), known.end(), geometry) == known.end()) known.push_back(std::move(geometry));
}

// Reads exactly the memory of a value that has a tangent, without one: .data() or its like, which no operator announces.
bool TangentWatch::State::hides_tangent(const at::Tensor& tensor) const {
  if (!tensor.has_storage() || tensor.numel() == 0) return false;
  const auto found = storages_.find(tensor.storage().unsafeGetStorageImpl());
  if (found == storages_.end()) return false;
  const std::vector<Geometry>& known = found->second.with_tangent;
  return std::find(known.begin(), known.end(), geometry_of(tensor)) != known.end();
}

Origin TangentWatch::State::origin_of(const at::Tensor& tensor) const {
  Origin origin;
  const auto found = marked_.find(tensor.unsafeGetTensorImpl());
  if (found != marked_.end()) origin = found->second.origin;
  if (!tensor.has_storage()) return origin;
  const auto storage = storages_.find(tensor.storage().unsafeGetStorageImpl());
  if (storage != storages_.end()) origin.merge(storage->second.written);
  return origin;
}

void TangentWatch::State::mark(const at::Tensor& tensor, const Origin& origin, bool written) {
  if (!origin.any()) return;
  const auto place = marked_.try_emplace(tensor.unsafeGetTensorImpl(),
                                         Marked{decltype(Marked::alive)(tensor.getIntrusivePtr()), {}});
  place.first->second.origin.merge(origin);
  if (written && tensor.has_storage() && tensor.is_view()) stored(tensor).written.merge(origin);
}

int TangentWatch::State::add(TangentFinding finding) {
  findings.push_back(std::move(finding));
  return static_cast<int>(findings.size()) - 1;
}

int TangentWatch::State::add_weak(std::string name) {
  weak_names.push_back(std::move(name));
  return static_cast<int>(weak_names.size()) - 1;
}

std::string TangentWatch::State::path(std::size_t depth) const {
  for (std::size_t i = depth; i-- > 0;) {
    if (frames_[i].name != frames_[depth].name)
      return fmt::format("{} (inside {})", frames_[depth].name, frames_[0].name);
  }
  return frames_[depth].name;
}

void TangentWatch::State::read_input(Frame& frame, const at::Tensor& tensor, bool top_level) {
  frame.inputs.push_back(tensor.unsafeGetTensorImpl());
  frame.origin.merge(origin_of(tensor));
  if (!carries_values(tensor)) return;
  if (has_tangent(tensor)) {
    frame.tangent_in = true;
    return;
  }
  if (!top_level || origin_of(tensor).strong != kNone || !hides_tangent(tensor)) return;
  Origin origin;
  if (allow_detach) {
    origin.weak = add_weak("Tensor::data()");
  } else {
    origin.strong = add(
        {"forward_ad.tangent_cut",
         frame.name,
         {.what = fmt::format("{} reads a value whose tangent was cut", frame.name),
          .seen = "the memory of a value with a tangent, taken by .data() or variable_data()",
          .wanted = "the value itself",
          .remedy =
              "do not use .data() between parameters and loss, or set gradient.allow_detach = true if the "
              "stop is meant, as in backpropagation"}});
  }
  mark(tensor, origin, false);
  frame.origin.merge(origin);
}

void TangentWatch::State::start(const at::RecordFunction& function) {
  busy = true;
  Frame frame;
  frame.name = function.name();
  frame.exceptions = std::uncaught_exceptions();
  frame.inference = c10::InferenceMode::is_enabled();
  frame.switched_off = !c10::AutogradState::get_tls_state().get_fw_grad_mode();
  frame.judged =
      frame.inference || !c10::impl::tls_is_dispatch_key_excluded(c10::DispatchKey::AutogradFunctionality);
  if (frame.judged) {
    for (const c10::IValue& input : function.inputs()) {
      for_tensors(input, [&](const at::Tensor& tensor) { read_input(frame, tensor, judged_depth_ == 0); });
      if (input.isString() && input.toStringRef() == "prod" && frame.name.starts_with("aten::scatter_reduce"))
        frame.wrong = true;
    }
    if (frame.name == "aten::cholesky_inverse") frame.wrong = true;
    ++judged_depth_;
  }
  frames_.push_back(std::move(frame));
  busy = false;
}

void TangentWatch::State::end(const at::RecordFunction& function) {
  if (frames_.empty()) return;  // began before the watch
  busy = true;
  if (std::uncaught_exceptions() > frames_.back().exceptions) {
    if (failed.empty()) failed = path(frames_.size() - 1);
  } else if (frames_.back().judged) {
    judge(frames_.back(), function);
  }
  if (frames_.back().judged) --judged_depth_;
  frames_.pop_back();
  busy = false;
}

TangentFinding TangentWatch::State::cut_finding(const Frame& frame) const {
  TangentFinding finding{"forward_ad.tangent_cut", path(frames_.size() - 1), {}};
  ErrorText& text = finding.text;
  text.what = fmt::format("{} cut the tangent on its way to the loss", finding.operator_name);
  text.seen = "an input with a tangent, results without";
  text.wanted = "a result with a tangent";
  if (frame.inference) {
    text.seen = "an InferenceMode guard, under which every tangent is dropped";
    text.remedy = "use torch::NoGradGuard instead of InferenceMode in code that the loss needs";
  } else if (frame.switched_off) {
    text.seen = "forward-mode differentiation switched off (AutoFwGradMode)";
    text.remedy = "leave it on in code that the loss needs";
  } else if (is_detach(frame.name)) {
    text.remedy =
        "remove the detach(), or set gradient.allow_detach = true if the stop is meant, as in "
        "backpropagation";
  } else {
    text.remedy = kMezo;
  }
  if (frame.wrong) {
    finding.code = "forward_ad.wrong_operator";
    text.what = fmt::format("{} has a wrong forward derivative in this LibTorch", finding.operator_name);
    text.seen = frame.name == "aten::cholesky_inverse"
                    ? "cholesky_inverse, whose tangent is 10 % and more off"
                    : "reduce = \"prod\", which drops a tangent that is not zero";
    text.wanted = "an operator with a right one";
    text.remedy = frame.name == "aten::cholesky_inverse"
                      ? "use at::inverse or at::cholesky_solve(identity, factor), or gradient.name = mezo"
                      : "use exp(scatter_add(log)) for positive values, or gradient.name = mezo";
  }
  return finding;
}

void TangentWatch::State::judge(Frame& frame, const at::RecordFunction& function) {
  std::size_t tensors = 0, values = 0, with_tangent = 0;
  for (const c10::IValue& output : function.outputs()) {
    for_tensors(output, [&](const at::Tensor& tensor) {
      ++tensors;
      if (!carries_values(tensor)) return;
      ++values;
      if (!has_tangent(tensor)) return;
      ++with_tangent;
      remember_tangent(tensor);
    });
  }
  OperatorCoverage& row = coverage[frame.name];
  row.name = frame.name;
  ++row.calls;
  if (frame.tangent_in) {
    ++row.with_tangent;
    if (tensors == 0 && read_as_number.empty()) read_as_number = path(frames_.size() - 1);
    // LibTorch's own detach() inside a composed operator is meant: backpropagation stops there as well.
    const bool meant = (judged_depth_ > 1 || allow_detach) && !frame.inference && is_detach(frame.name);
    const bool constant = values == 0 || meant || constant_operators().contains(frame.name);
    if (with_tangent == 0) ++row.cut;
    if (with_tangent == 0 && constant) {
      frame.origin.weak = std::min(frame.origin.weak, add_weak(frame.name));
    } else if (with_tangent == 0 || frame.wrong) {
      frame.origin.strong = std::min(frame.origin.strong, add(cut_finding(frame)));
    }
  }
  if (!frame.origin.any()) return;
  for (const c10::IValue& output : function.outputs()) {
    for_tensors(output, [&](const at::Tensor& tensor) {
      const bool written =
          std::find(frame.inputs.begin(), frame.inputs.end(), tensor.unsafeGetTensorImpl()) !=
          frame.inputs.end();
      mark(tensor, frame.origin, written);
    });
  }
}

Error to_error(const TangentFinding& finding) {
  return Error(ErrorClass::kData, finding.code, finding.text);
}

TangentWatch::TangentWatch(const DualScope& scope, std::span<const Perturbed> perturbed, bool allow_detach)
    : state_(std::make_unique<State>(scope, perturbed, allow_detach)) {}

TangentWatch::~TangentWatch() = default;

std::optional<TangentFinding> TangentWatch::finding(const torch::Tensor& loss) const {
  const Origin origin = state_->origin_of(loss);
  if (origin.strong != kNone) return state_->findings[static_cast<std::size_t>(origin.strong)];
  if (state_->scope.tangent(loss).defined()) return std::nullopt;
  if (origin.weak == kNone && state_->read_as_number.empty()) return std::nullopt;
  if (origin.weak == kNone) {
    return TangentFinding{
        "forward_ad.tangent_cut",
        state_->read_as_number,
        {.what = "the loss has no tangent, and " + state_->read_as_number + " read a value that has one",
         .seen = "a plain number",
         .wanted = "a loss computed from tensors",
         .remedy = "keep the value a tensor on its way to the loss"}};
  }
  const std::string& name = state_->weak_names[static_cast<std::size_t>(origin.weak)];
  return TangentFinding{
      "forward_ad.tangent_cut",
      name,
      {.what = "the loss depends on the parameters only through " + name,
       .seen = "results that are constant almost everywhere",
       .wanted = "a loss that changes with the parameters",
       .remedy = "use a differentiable loss, or gradient.name = mezo with a step that crosses the jumps"}};
}

TangentFinding TangentWatch::explain(const c10::Error& error) const {
  return explain_forward_ad_failure(error, state_->failed);
}

std::vector<OperatorCoverage> TangentWatch::operators() const {
  std::vector<OperatorCoverage> rows;
  for (const auto& [name, row] : state_->coverage) rows.push_back(row);
  return rows;
}

CoverageReport forward_coverage(const LossFunction& loss,
                                std::span<const NamedParameter> parameters,
                                const EstimateKey& key) {
  const auto direction = random_direction(
      DirectionLaw::kRademacher, {key, 0}, select_parameters(parameters, std::span<const std::string>()));
  CoverageReport report;
  const DualScope scope;
  for (std::size_t i = 0; i < direction->tensors().size(); ++i) {
    scope.set_tangent(direction->tensors()[i].value, direction->draw(i));
  }
  const TangentWatch watch(scope, direction->tensors(), /*allow_detach=*/false);
  try {
    const StepOutput output = loss();
    report.problem = watch.finding(output.loss);
    report.loss_has_tangent = scope.tangent(output.loss).defined();
  } catch (const c10::Error& error) {
    if (!is_forward_ad_failure(error)) throw;
    report.problem = watch.explain(error);
  }
  report.operators = watch.operators();
  return report;
}

TangentFinding explain_forward_ad_failure(const c10::Error& error, const std::string& operator_name) {
  const std::string message = error.what_without_backtrace();
  const std::string first_line = message.substr(0, message.find('\n'));
  TangentFinding finding{"forward_ad.unsupported_operator", operator_name, {}};
  if (message.find("jvp") != std::string::npos) {
    finding.operator_name = "torch::autograd::Function";
    finding.text.remedy =
        "forward-mode derivatives of custom functions do not exist in LibTorch's C++: use plain operators "
        "when "
        "c10::GradMode is off, or gradient.name = mezo";
  } else if (message.find("different size") != std::string::npos) {
    finding.code = "forward_ad.wrong_operator";
    finding.text.remedy = "replace x.norm() and at::norm(x) by at::linalg_vector_norm(x, 2)";
  } else {
    finding.text.remedy = kMezo;
  }
  constexpr std::string_view kBefore = "Trying to use forward AD with ";
  const std::size_t begin = message.find(kBefore);
  if (finding.operator_name.empty() && begin != std::string::npos) {
    const std::size_t name = begin + kBefore.size();
    finding.operator_name = message.substr(name, message.find(' ', name) - name);
  }
  if (finding.operator_name.empty()) finding.operator_name = "an operator";
  finding.text.what = finding.operator_name + (finding.code == "forward_ad.wrong_operator"
                                                   ? " gave a tangent of the wrong size"
                                                   : " has no forward derivative in this LibTorch");
  finding.text.seen = first_line;
  finding.text.wanted = "an operator with a forward derivative";
  return finding;
}

}  // namespace tenfold::train
