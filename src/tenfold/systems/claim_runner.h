// SPDX-License-Identifier: Apache-2.0
// Runs claims seed by seed, keeps finished runs in a cache folder so that an interrupted `reproduce` continues where it
// stopped, and forms the verdicts.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/claim.h"

namespace tenfold::systems {

struct ClaimRunnerOptions {
  Budget budget = Budget::kQuick;
  FileSystem* files = nullptr;  // needed when cache_folder is set
  Path cache_folder;            // empty: nothing is kept
  bool reuse = true;            // false: measure again, then keep
  std::string build;            // version and revision: a result of another build is not reused
  Path data_folder;             // data sets of the user, for claims that need some; may be empty
  const StopToken* stop = nullptr;
  std::function<void(std::string_view)> progress;
};

// Why a claim cannot be measured with these options: the data set it needs and does not find. Empty when it can.
std::string missing_data(const Claim& claim, const ClaimRunnerOptions& options);

// Claims with missing_data() are left out. Throws Error(kResource, "reproduce.stopped") when `stop` was requested: finished runs are in the cache.
std::vector<ClaimResult> run_claims(const std::vector<Claim>& claims, const ClaimRunnerOptions& options);

// Median and largest-minus-smallest of the claim's metric over the measurements, times and verdict filled in.
ClaimResult summarize(const Claim& claim, const std::vector<Measurement>& measurements);

nlohmann::json to_json(const ClaimResult& result);

}  // namespace tenfold::systems
