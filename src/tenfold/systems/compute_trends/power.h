// SPDX-License-Identifier: Apache-2.0
// Electrical power of a training run that its table does not give, from the processors it names.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "tenfold/systems/compute_trends/chips.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

// Watts at the wall for each watt of a processor board: hosts, network and cooling. A round figure between a lean machine
// room (1.2) and servers half of whose power goes to other parts (2); it shifts a level, never a doubling time.
inline constexpr double kPowerAtTheWall = 1.5;
inline constexpr std::string_view kPowerAssumption =
    "processors x power of their boards x 1.5 (hosts, network, cooling)";

// Processors x board power x kPowerAtTheWall, in W. nullopt when the row names no processor of `chips` with a known power,
// several kinds of them, or not how many.
std::optional<double> estimated_power(const SystemRow& row, std::span<const Chip> chips);

}  // namespace tenfold::compute_trends
