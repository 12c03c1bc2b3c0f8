// SPDX-License-Identifier: Apache-2.0
// Row-wise lazy Adam. Neighbouring rows with the same step count are updated by one call of the kernel.
#include "tenfold/train/lazy_adam.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "tenfold/base/threads.h"
#include "tenfold/kernels/optimizer_update.h"
#include "tenfold/train/optimizer_state.h"

namespace tenfold::train {
namespace {

struct Slot {
  NamedParameter parameter;
  double weight_decay = 0.0;
  at::Tensor moment1, moment2, row_steps;
  std::size_t columns = 1;  // values of a row
};

// Rows of a gradient: row i of `values` belongs to row rows[i] of the parameter, or to row i when there is no list.
struct RowGradient {
  at::Tensor values;
  at::Tensor rows;  // int64, ascending, each once; undefined: all
  std::size_t count = 0;
};

// Some rows of the gradient of one parameter: what one thread does at a time.
struct Job {
  std::size_t slot = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

class LazyAdam : public Optimizer {
 public:
  LazyAdam(OptimizerOptions options, const std::vector<NamedParameter>& parameters)
      : options_(std::move(options)) {
    for (const NamedParameter& parameter : parameters) {
      check_contiguous_rows(options_.name, parameter);
      Slot slot;
      slot.parameter = parameter;
      slot.weight_decay = is_decayed(options_, parameter) ? options_.weight_decay : 0.0;
      slot.moment1 = at::zeros_like(parameter.value.detach());
      slot.moment2 = at::zeros_like(parameter.value.detach());
      const std::int64_t rows = row_count(parameter.value);
      slot.row_steps = at::zeros({rows}, at::kLong);
      slot.columns = static_cast<std::size_t>(parameter.value.numel() / std::max<std::int64_t>(rows, 1));
      table_.add("moment1/" + parameter.name, slot.moment1);
      table_.add("moment2/" + parameter.name, slot.moment2);
      table_.add("row_steps/" + parameter.name, slot.row_steps);
      slots_.push_back(std::move(slot));
    }
  }

  void step(double learning_rate) override {
    const c10::AutoGradMode no_recording(false);
    std::vector<RowGradient> gradients;
    std::vector<Job> jobs;
    for (const Slot& slot : slots_) {
      gradients.push_back(rows_of(slot));
      if (gradients.back().count > 0) mark_changed(slot.parameter.value);
      const std::size_t grain = std::max<std::size_t>(1, kJobValues / std::max<std::size_t>(1, slot.columns));
      for (std::size_t begin = 0; begin < gradients.back().count; begin += grain) {
        jobs.push_back({gradients.size() - 1, begin, std::min(gradients.back().count, begin + grain)});
      }
    }
    parallel_for(jobs.size(), 1, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) {
        const Job& job = jobs[i];
        const bool is_float = slots_[job.slot].parameter.value.scalar_type() == at::kFloat;
        is_float ? run<float>(job, gradients[job.slot], learning_rate)
                 : run<double>(job, gradients[job.slot], learning_rate);
      }
    });
  }

  TensorMap state() const override { return table_.state(); }
  void load_state(const TensorMap& state) override { table_.load(state); }

 private:
  static constexpr std::size_t kJobValues = 32768;

  static std::int64_t row_count(const at::Tensor& value) { return value.dim() == 0 ? 1 : value.size(0); }

  RowGradient rows_of(const Slot& slot) const {
    const at::Tensor& value = slot.parameter.value;
    at::Tensor gradient = value.grad();
    if (!gradient.defined() || value.numel() == 0) return {};
    if (gradient.layout() == at::kSparse) {
      if (gradient.sparse_dim() == 1 && value.is_contiguous()) {
        gradient = gradient.coalesce();  // adds up the rows that occur twice, and sorts
        const at::Tensor rows = gradient.indices().reshape({-1}).contiguous();
        return {gradient.values().contiguous(), rows, static_cast<std::size_t>(rows.numel())};
      }
      gradient = gradient.to_dense();
    }
    if (gradient.layout() != at::kStrided) throw_sparse_gradient(options_.name, slot.parameter.name);
    return {in_memory_order_of(value, gradient), {}, static_cast<std::size_t>(row_count(value))};
  }

  template <typename T>
  void run(const Job& job, const RowGradient& gradient, double learning_rate) {
    const Slot& slot = slots_[job.slot];
    const std::size_t columns = slot.columns;
    const T* values = gradient.values.data_ptr<T>();
    const std::int64_t* list = gradient.rows.defined() ? gradient.rows.data_ptr<std::int64_t>() : nullptr;
    std::int64_t* steps = slot.row_steps.data_ptr<std::int64_t>();
    const auto row_of = [&](std::size_t i) {
      return list != nullptr ? list[i] : static_cast<std::int64_t>(i);
    };
    const auto is_zero = [&](std::size_t i) {
      const T* row = values + i * columns;
      return std::all_of(row, row + columns, [](T x) { return x == T{0}; });  // NaN is not
    };
    for (std::size_t i = job.begin; i < job.end;) {
      if (is_zero(i)) {
        ++i;
        continue;
      }
      const std::size_t first = i;
      const std::int64_t row = row_of(i), count = ++steps[row];
      const auto continues = [&] {
        return i < job.end && row_of(i) == row + static_cast<std::int64_t>(i - first) &&
               steps[row_of(i)] + 1 == count && !is_zero(i);
      };
      for (++i; continues(); ++i) ++steps[row_of(i)];
      const auto offset = static_cast<std::size_t>(row) * columns;
      kernels::adam_update(update_of(slot, count, learning_rate),
                           kernels::AdamArrays<T>{slot.parameter.value.data_ptr<T>() + offset,
                                                  values + first * columns,
                                                  slot.moment1.data_ptr<T>() + offset,
                                                  slot.moment2.data_ptr<T>() + offset,
                                                  (i - first) * columns});
    }
  }

  kernels::AdamUpdate update_of(const Slot& slot, std::int64_t count, double learning_rate) const {
    kernels::AdamUpdate update;
    update.learning_rate = learning_rate;
    update.beta1 = options_.beta1;
    update.beta2 = options_.beta2;
    update.epsilon = options_.epsilon;
    update.shrink = 1.0 - learning_rate * slot.weight_decay;
    update.correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(count));
    update.correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(count));
    return update;
  }

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  StateTable table_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lazy_adam(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters) {
  return std::make_unique<LazyAdam>(options, parameters);
}

}  // namespace tenfold::train
