// SPDX-License-Identifier: Apache-2.0
// What can be fitted over time: training compute, and the other figures that tables of systems give.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenfold::compute_trends {

enum class Quantity {
  kFlop,        // training compute
  kParameters,  // of the model
  kData,        // datapoints of the training set
  kCost,        // of training, in the currency of the table
  kPower,       // electrical power drawn while training, in W
};

std::string_view to_string(Quantity quantity);  // "flop", "parameters", "data", "cost", "power"
std::string_view title_of(Quantity quantity);   // "Training compute", "Parameters", ...
std::vector<std::string> quantity_names();      // the choices of --quantity
// One of quantity_names(); anything else is kFlop.
Quantity to_quantity(std::string_view name);

}  // namespace tenfold::compute_trends
