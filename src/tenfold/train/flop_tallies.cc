// SPDX-License-Identifier: Apache-2.0
// Operator numbers and the report of a meter.
#include "tenfold/train/flop_tallies.h"

#include <algorithm>
#include <map>
#include <utility>

namespace tenfold::train {
namespace {

struct OperatorNames {
  std::mutex mutex;
  std::unordered_map<std::string_view, std::unique_ptr<OperatorInfo>> by_name;  // key points into the value
  std::vector<const OperatorInfo*> by_id;
};

OperatorNames& operator_names() {
  static auto* names = new OperatorNames;
  return *names;
}

const std::string& operator_name(std::uint32_t id) {
  OperatorNames& names = operator_names();
  const std::lock_guard lock(names.mutex);
  return names.by_id.at(id)->name;
}

void add_scope_flops(std::map<std::string, ScopeFlops>& scopes, const TallyKey& key, std::uint64_t flops) {
  const std::string path = scope_path(key.scope);
  ScopeFlops& scope = scopes[path];
  scope.path = path;
  switch (key.phase) {
    case Phase::kForward:
      scope.forward += flops;
      break;
    case Phase::kBackward:
      scope.backward += flops;
      break;
    case Phase::kOther:
      scope.other += flops;
      break;
  }
}

struct Merged {
  std::map<std::pair<std::string, Phase>, Tally> operators;
  std::map<std::string, ScopeFlops> scopes;
  std::map<std::string, Uncounted> uncounted;
};

void merge_thread(ThreadTallies& thread, Merged& merged) {
  const std::lock_guard lock(thread.mutex);
  for (const auto& [key, tally] : thread.counted) {
    Tally& sum = merged.operators[{operator_name(key.operator_id), key.phase}];
    sum.calls += tally.calls;
    sum.flops += tally.flops;
    add_scope_flops(merged.scopes, key, tally.flops);
  }
  for (const auto& [id, entry] : thread.uncounted) {
    Uncounted& sum = merged.uncounted[operator_name(id)];
    sum.calls += entry.calls;
    if (sum.example.empty()) sum.example = entry.example;
  }
}

}  // namespace

const OperatorInfo& intern_operator(std::string_view name) {
  OperatorNames& names = operator_names();
  const std::lock_guard lock(names.mutex);
  const auto found = names.by_name.find(name);
  if (found != names.by_name.end()) return *found->second;
  auto info = std::make_unique<OperatorInfo>();
  info->id = static_cast<std::uint32_t>(names.by_id.size());
  info->name = name;
  info->rule = find_operator_rule(name);
  names.by_id.push_back(info.get());
  const OperatorInfo& result = *info;
  names.by_name.emplace(result.name, std::move(info));
  return result;
}

FlopReport make_flop_report(std::span<const std::shared_ptr<ThreadTallies>> threads) {
  Merged merged;
  for (const auto& thread : threads) merge_thread(*thread, merged);
  FlopReport report;
  for (const auto& [path, scope] : merged.scopes) {
    report.forward += scope.forward;
    report.backward += scope.backward;
    report.other += scope.other;
    report.scopes.push_back(scope);
  }
  for (const auto& [key, tally] : merged.operators) {
    report.operators.push_back({key.first, key.second, tally.calls, tally.flops});
  }
  std::stable_sort(report.operators.begin(), report.operators.end(), [](const auto& a, const auto& b) {
    return a.flops > b.flops;
  });
  for (auto& [name, entry] : merged.uncounted) {
    report.uncounted.push_back({name, entry.calls, std::move(entry.example)});
  }
  return report;
}

}  // namespace tenfold::train
