// SPDX-License-Identifier: Apache-2.0
// Helpers of the tests for data sets and loaders.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/data/dataset.h"

namespace tenfold::data {

// Row i is the number i; batches also hold one random number of each row. Rows in `slow` take a while, the row `broken`
// fails.
class CountingDataset final : public Dataset {
 public:
  explicit CountingDataset(std::int64_t rows) : rows_(rows) {}

  std::int64_t size() const override { return rows_; }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override {
    check_rows(ids, rows_);
    if (on_get) on_get();
    std::vector<double> draws;
    for (const std::int64_t id : ids) {
      if (id == broken) throw Error(ErrorClass::kFile, "counting.broken", {.what = "row is broken"});
      if (slow > 0 && id % slow == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      draws.push_back(example_draws(key, id).uniform());
    }
    const std::vector<std::int64_t> values(ids.begin(), ids.end());
    return {.tensors = {at::tensor(values), at::tensor(draws, at::kDouble)}, .ids = values};
  }
  std::string fingerprint() const override { return "counting " + std::to_string(rows_); }

  std::int64_t broken = -1;
  std::int64_t slow = 0;
  std::function<void()> on_get;

 private:
  std::int64_t rows_;
};

inline bool same(const Batch& a, const Batch& b) {
  if (a.ids != b.ids || a.tensors.size() != b.tensors.size()) return false;
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    if (a.tensors[i].scalar_type() != b.tensors[i].scalar_type() || !at::equal(a.tensors[i], b.tensors[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace tenfold::data
