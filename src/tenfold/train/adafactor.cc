// SPDX-License-Identifier: Apache-2.0
// Adafactor over tiles of all matrices: sums of rows and columns, factors, size of the update, update.
#include "tenfold/train/adafactor.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

#include "tenfold/base/threads.h"
#include "tenfold/kernels/adafactor.h"
#include "tenfold/kernels/sum_of_squares.h"
#include "tenfold/train/optimizer_state.h"

namespace tenfold::train {
namespace {

constexpr std::size_t kTileColumns = 1024;  // their sums stay in the first-level cache
constexpr std::size_t kTileValues = 32768;

// A parameter as a matrix. A vector is one of `rows` 1 whose second moment is not factored: column factors alone say it all.
struct Slot {
  NamedParameter parameter;
  double weight_decay = 0.0;
  bool factored = false;
  std::size_t rows = 1, columns = 1;
  at::Tensor row_moment, column_moment, moment1;  // row_moment: factored ones only; moment1: with beta1 > 0
  std::int64_t* steps = nullptr;

  // Of this step.
  at::Tensor gradient;
  std::size_t tile_rows = 1, tile_columns = 1;
  std::vector<double> row_parts;     // [tiles of a row, rows]
  std::vector<double> column_parts;  // [tiles of a column, columns]
  std::vector<double> row_factors, column_factors;
  double scale = 0.0, shrink = 1.0;

  std::size_t tiles_across() const { return (columns + tile_columns - 1) / tile_columns; }
  std::size_t tiles_down() const { return (rows + tile_rows - 1) / tile_rows; }
};

struct Tile {
  std::size_t slot = 0;
  std::size_t down = 0, across = 0;  // which tile
  std::size_t row = 0, rows = 0, column = 0, columns = 0;
  double value_squares = 0.0;   // of its part of the weights
  double update_squares = 0.0;  // of its part of the update, before clipping
};

template <typename Function>
void with_type(const at::Tensor& tensor, const Function& function) {
  tensor.scalar_type() == at::kFloat ? function(float{}) : function(double{});
}

class Adafactor : public Optimizer {
 public:
  Adafactor(OptimizerOptions options, const std::vector<NamedParameter>& parameters)
      : options_(std::move(options)) {
    for (const NamedParameter& parameter : parameters) {
      check_contiguous_rows(options_.name, parameter);
      slots_.push_back(make_slot(parameter));
    }
  }

  void step(double learning_rate) override {
    const c10::AutoGradMode no_recording(false);
    for (Slot& slot : slots_) slot.gradient = gradient_like_value(options_.name, slot.parameter);
    std::vector<Tile> tiles;
    for (std::size_t i = 0; i < slots_.size(); ++i) begin(i, learning_rate, tiles);
    for_tiles(tiles, [&](Tile& tile, Slot& slot, auto type) { sum_squares<decltype(type)>(tile, slot); });
    parallel_for(slots_.size(), 1, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) update_moments(slots_[i]);
    });
    for_tiles(tiles, [&](Tile& tile, Slot& slot, auto type) { size_of_update<decltype(type)>(tile, slot); });
    set_scales(tiles);
    for_tiles(tiles, [&](Tile& tile, Slot& slot, auto type) { apply<decltype(type)>(tile, slot); });
    for (Slot& slot : slots_) {
      slot.gradient = at::Tensor();
      for (auto* scratch : {&slot.row_parts, &slot.column_parts, &slot.row_factors, &slot.column_factors}) {
        *scratch = {};
      }
    }
  }

  TensorMap state() const override { return table_.state(); }
  void load_state(const TensorMap& state) override { table_.load(state); }

 private:
  Slot make_slot(const NamedParameter& parameter) {
    const at::Tensor value = parameter.value.detach();
    Slot slot;
    slot.parameter = parameter;
    slot.weight_decay = is_decayed(options_, parameter) ? options_.weight_decay : 0.0;
    slot.factored = value.dim() >= 2;
    const std::int64_t rows = slot.factored ? value.size(0) : 1;
    const std::int64_t columns = rows == 0 ? 0 : value.numel() / rows;
    slot.rows = static_cast<std::size_t>(rows);
    slot.columns = static_cast<std::size_t>(columns);
    slot.tile_columns = std::clamp<std::size_t>(slot.columns, 1, slot.factored ? kTileColumns : kTileValues);
    slot.tile_rows = std::max<std::size_t>(1, kTileValues / slot.tile_columns);
    if (slot.factored) {
      slot.row_moment = at::zeros({rows}, value.options());
      slot.column_moment = at::zeros({columns}, value.options());
      table_.add("row/" + parameter.name, slot.row_moment);
      table_.add("column/" + parameter.name, slot.column_moment);
    } else {
      slot.column_moment = at::zeros_like(value);
      table_.add("moment2/" + parameter.name, slot.column_moment);
    }
    if (options_.beta1 > 0.0) {
      slot.moment1 = at::zeros_like(value);
      table_.add("moment1/" + parameter.name, slot.moment1);
    }
    slot.steps = &table_.add_counter("step/" + parameter.name);
    return slot;
  }

  // Counts the step, sets rates and lists the tiles.
  void begin(std::size_t index, double learning_rate, std::vector<Tile>& tiles) {
    Slot& slot = slots_[index];
    if (!slot.gradient.defined()) return;
    const AdafactorOptions& own = options_.adafactor;
    const auto t = static_cast<double>(++*slot.steps);
    mark_changed(slot.parameter.value);
    double rho = learning_rate;
    if (own.relative_step) {
      const double factor = options_.learning_rate > 0.0 ? learning_rate / options_.learning_rate : 0.0;
      rho = factor * std::min(1e-2, 1.0 / std::sqrt(t));
    }
    slot.shrink = 1.0 - rho * slot.weight_decay;
    slot.scale = rho;
    if (slot.gradient.numel() == 0) return;
    slot.row_parts.resize(slot.rows * slot.tiles_across());
    slot.column_parts.resize(slot.columns * slot.tiles_down());
    for (std::size_t down = 0; down < slot.tiles_down(); ++down) {
      for (std::size_t across = 0; across < slot.tiles_across(); ++across) {
        Tile tile{index, down, across, down * slot.tile_rows, 0, across * slot.tile_columns, 0};
        tile.rows = std::min(slot.tile_rows, slot.rows - tile.row);
        tile.columns = std::min(slot.tile_columns, slot.columns - tile.column);
        tiles.push_back(tile);
      }
    }
  }

  template <typename Body>
  void for_tiles(std::vector<Tile>& tiles, const Body& body) {
    parallel_for(tiles.size(), 1, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) {
        Slot& slot = slots_[tiles[i].slot];
        with_type(slot.gradient, [&](auto type) { body(tiles[i], slot, type); });
      }
    });
  }

  template <typename T>
  static kernels::AdafactorTile<T> gradient_of(const Tile& tile, const Slot& slot) {
    return {slot.gradient.data_ptr<T>() + tile.row * slot.columns + tile.column,
            tile.rows,
            tile.columns,
            slot.columns};
  }

  template <typename T>
  void sum_squares(Tile& tile, Slot& slot) const {
    kernels::adafactor_sums(gradient_of<T>(tile, slot),
                            slot.row_parts.data() + tile.across * slot.rows + tile.row,
                            slot.column_parts.data() + tile.down * slot.columns + tile.column);
    if (!options_.adafactor.scale_parameter) return;
    const T* values = slot.parameter.value.data_ptr<T>() + tile.row * slot.columns + tile.column;
    const bool whole_rows = tile.columns == slot.columns;  // then they follow one another
    const std::size_t runs = whole_rows ? 1 : tile.rows;
    const std::size_t length = whole_rows ? tile.rows * tile.columns : tile.columns;
    for (std::size_t i = 0; i < runs; ++i) {
      tile.value_squares += kernels::sum_of_squares(std::span<const T>(values + i * slot.columns, length));
    }
  }

  // Second moments from the sums, then the two factors of 1 / sqrt(V).
  void update_moments(Slot& slot) const {
    if (!slot.gradient.defined() || slot.gradient.numel() == 0) return;
    const double beta2 = 1.0 - std::pow(static_cast<double>(*slot.steps), -options_.adafactor.decay_exponent);
    const double epsilon = options_.adafactor.epsilon1;
    slot.column_factors = blend(
        slot.column_moment, slot.column_parts, slot.columns, beta2, epsilon * static_cast<double>(slot.rows));
    for (double& c : slot.column_factors) c = inverse_root(c);
    slot.row_factors.assign(slot.rows, 1.0);
    if (!slot.factored) return;
    slot.row_factors =
        blend(slot.row_moment, slot.row_parts, slot.rows, beta2, epsilon * static_cast<double>(slot.columns));
    const double root = std::sqrt(std::accumulate(slot.row_factors.begin(), slot.row_factors.end(), 0.0));
    for (double& r : slot.row_factors) r = root * inverse_root(r);
  }

  // Without epsilon1 a row that never had a gradient has no second moment, and no update.
  static double inverse_root(double x) { return x == 0.0 ? 0.0 : 1.0 / std::sqrt(x); }

  // moment <- beta2 moment + (1 - beta2) (sum of the parts + epsilon), rounded as it is stored, and returned.
  static std::vector<double> blend(const at::Tensor& moment,
                                   const std::vector<double>& parts,
                                   std::size_t count,
                                   double beta2,
                                   double epsilon) {
    std::vector<double> sums(count, epsilon);
    for (std::size_t part = 0; part < parts.size(); part += count) {
      for (std::size_t i = 0; i < count; ++i) sums[i] += parts[part + i];
    }
    with_type(moment, [&](auto type) {
      auto* values = moment.data_ptr<decltype(type)>();
      for (std::size_t i = 0; i < count; ++i) {
        const double blended = beta2 * static_cast<double>(values[i]) + (1.0 - beta2) * sums[i];
        values[i] = static_cast<decltype(type)>(blended);
        sums[i] = static_cast<double>(values[i]);
      }
    });
    return sums;
  }

  template <typename T>
  static void size_of_update(Tile& tile, const Slot& slot) {
    tile.update_squares = kernels::adafactor_update_squares(gradient_of<T>(tile, slot),
                                                            slot.row_factors.data() + tile.row,
                                                            slot.column_factors.data() + tile.column);
  }

  // Multiplies the step by the size of the weights and divides it by max(1, RMS(U) / d).
  void set_scales(const std::vector<Tile>& tiles) {
    const AdafactorOptions& own = options_.adafactor;
    std::vector<double> values(slots_.size(), 0.0), updates(slots_.size(), 0.0);
    for (const Tile& tile : tiles) {
      values[tile.slot] += tile.value_squares;
      updates[tile.slot] += tile.update_squares;
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const auto count = static_cast<double>(slots_[i].rows * slots_[i].columns);
      if (!slots_[i].gradient.defined() || count == 0.0) continue;
      if (own.scale_parameter) slots_[i].scale *= std::max(own.epsilon2, std::sqrt(values[i] / count));
      slots_[i].scale /= std::max(1.0, std::sqrt(updates[i] / count) / own.clip_threshold);
    }
  }

  template <typename T>
  void apply(const Tile& tile, const Slot& slot) const {
    const std::size_t offset = tile.row * slot.columns + tile.column;
    kernels::AdafactorApply<T> apply;
    apply.scale = slot.scale;
    apply.shrink = slot.shrink;
    apply.beta1 = options_.beta1;
    apply.value = slot.parameter.value.data_ptr<T>() + offset;
    if (slot.moment1.defined()) apply.moment = slot.moment1.data_ptr<T>() + offset;
    kernels::adafactor_apply(apply,
                             gradient_of<T>(tile, slot),
                             slot.row_factors.data() + tile.row,
                             slot.column_factors.data() + tile.column);
  }

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  StateTable table_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters) {
  return std::make_unique<Adafactor>(options, parameters);
}

}  // namespace tenfold::train
