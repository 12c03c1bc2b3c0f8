// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/dataset.h"

#include <fmt/format.h>

#include "tenfold/base/error.h"

namespace tenfold::data {

random::Generator example_draws(const DrawKey& key, std::int64_t id) {
  const auto epoch = static_cast<std::uint64_t>(key.epoch);
  const auto row = static_cast<std::uint64_t>(id);
  const auto words = random::philox4x32({static_cast<std::uint32_t>(epoch),
                                         static_cast<std::uint32_t>(epoch >> 32),
                                         static_cast<std::uint32_t>(row),
                                         static_cast<std::uint32_t>(row >> 32)},
                                        {0x65786D70, 0x6C650000});  // "exmple": a key of its own
  return {key.seed, words[0] | (std::uint64_t{words[1]} << 32)};
}

void check_rows(std::span<const std::int64_t> ids, std::int64_t rows) {
  for (const std::int64_t id : ids) {
    if (id < 0 || id >= rows) {
      check_internal(false, fmt::format("row {} was asked of a data set of {} rows", id, rows));
    }
  }
}

}  // namespace tenfold::data
