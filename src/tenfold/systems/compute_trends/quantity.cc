// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/quantity.h"

#include <array>
#include <cstddef>

namespace tenfold::compute_trends {
namespace {

struct QuantityInfo {
  std::string_view name;
  std::string_view title;
};

// By Quantity.
constexpr std::array<QuantityInfo, 5> kQuantities = {{{"flop", "Training compute"},
                                                      {"parameters", "Parameters"},
                                                      {"data", "Training data"},
                                                      {"cost", "Cost of training"},
                                                      {"power", "Power drawn while training"}}};

const QuantityInfo& info(Quantity quantity) {
  return kQuantities[static_cast<std::size_t>(quantity)];
}

}  // namespace

std::string_view to_string(Quantity quantity) {
  return info(quantity).name;
}

std::string_view title_of(Quantity quantity) {
  return info(quantity).title;
}

std::vector<std::string> quantity_names() {
  std::vector<std::string> names;
  for (const QuantityInfo& one : kQuantities) names.emplace_back(one.name);
  return names;
}

Quantity to_quantity(std::string_view name) {
  for (std::size_t i = 0; i < kQuantities.size(); ++i) {
    if (kQuantities[i].name == name) return static_cast<Quantity>(i);
  }
  return Quantity::kFlop;
}

}  // namespace tenfold::compute_trends
