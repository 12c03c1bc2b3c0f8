// SPDX-License-Identifier: Apache-2.0
// Runs a test body once per instruction set, and numbers for property tests.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tenfold/kernels/gemm.h"

namespace tenfold::kernels {

// Makes run-time dispatch choose this instruction set; 0: the best one.
inline void choose_target(std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

// Runs the body once per instruction set that this machine and this build have.
template <typename Body>
void on_every_target(const Body& body) {
  const std::int64_t supported = hwy::SupportedTargets();
  std::set<std::string> names;
  for (std::int64_t left = supported; left != 0; left &= left - 1) {
    choose_target(left & -left);
    if (!names.insert(gemm_target()).second) continue;
    SCOPED_TRACE(gemm_target());
    body();
  }
  choose_target(0);
  EXPECT_GE(names.size(), 1u);
}

class EveryTarget : public testing::Test {
 protected:
  void TearDown() override { choose_target(0); }

  template <typename Body>
  void for_each_target(const Body& body) {
    on_every_target(body);
  }
};

// Numbers for one property test, the same in every run.
class TestNumbers {
 public:
  explicit TestNumbers(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t bound) { return engine_() % bound; }
  // Mostly from [low, high], with the ends more often than chance.
  std::size_t size(std::size_t low, std::size_t high) {
    const std::size_t kind = below(8);
    return kind == 0 ? low : kind == 1 ? high : low + below(high - low + 1);
  }
  float number() { return static_cast<float>(engine_() % 4001) / 1000.0f - 2.0f; }
  std::vector<float> numbers(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = number();
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tenfold::kernels
