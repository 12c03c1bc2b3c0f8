// SPDX-License-Identifier: Apache-2.0
// A claim: one sentence of a paper made measurable. `tenfold reproduce` runs claims and says which ones hold
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"

namespace tenfold::systems {

enum class Budget { kQuick, kFull };  // 60 seconds, or at most 3 hours, for all claims of a system

enum class Verdict { kReproduced, kNotReproduced, kNotSeparable };
std::string_view to_string(Verdict verdict);  // "reproduced", "not_reproduced", "not_separable"

// One run of a claim's experiment with one seed: named figures, the first-named metric of the claim among
// them.
using Measurement = std::map<std::string, double>;

struct ClaimRun {
  std::uint64_t seed = 0;
  Budget budget = Budget::kQuick;
  const StopToken* stop = nullptr;
  std::function<void(std::string_view)> progress;
  Path data;  // folder that holds what Claim::needs names
};

struct Claim {
  std::string id;        // "pre_2010_doubling"
  std::string sentence;  // what the paper says, in our words
  std::string source;    // "arXiv 2202.05924, table 2"
  std::string metric;    // key of Measurement that `expected` speaks of
  std::string expected;  // "21.3 months, interval 17.0 to 29.3"
  std::string setup;     // data and sizes used here; part of the cache key
  std::vector<std::uint64_t> seeds = {1, 2, 3};
  std::vector<std::string> needs =
      {};  // data sets that do not come with the program: names in ClaimRun::data
  std::function<Measurement(const ClaimRun&)> measure;
  // Sees the measurements of all seeds; must answer kNotSeparable when the gap is inside their spread.
  std::function<Verdict(const std::vector<Measurement>&)> judge;
};

struct ClaimResult {
  std::string id, sentence, source, metric, expected, setup;
  double measured = 0.0;  // median over seeds
  double spread = 0.0;    // largest minus smallest
  std::vector<std::uint64_t> seeds;
  std::vector<Measurement> measurements;  // one a seed
  Verdict verdict = Verdict::kNotReproduced;
  double cpu_seconds = 0.0;
  double wall_seconds = 0.0;
};

}  // namespace tenfold::systems
