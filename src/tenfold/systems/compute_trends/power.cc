// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/power.h"

namespace tenfold::compute_trends {

std::optional<double> estimated_power(const SystemRow& row, std::span<const Chip> chips) {
  if (!row.hardware_quantity || !(*row.hardware_quantity > 0.0)) return std::nullopt;
  const Chip* chip = chip_named(chips, row.hardware);
  if (chip == nullptr || !chip->watts) return std::nullopt;
  return *row.hardware_quantity * *chip->watts * kPowerAtTheWall;
}

}  // namespace tenfold::compute_trends
