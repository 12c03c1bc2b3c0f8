// SPDX-License-Identifier: Apache-2.0
// Operators by number, and the counts of one meter in one thread. Internal to the meter.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/train/flop_meter.h"
#include "tenfold/train/flop_rules.h"
#include "tenfold/train/flop_scopes.h"

namespace tenfold::train {

inline constexpr int kPhases = 3;

struct OperatorInfo {
  std::uint32_t id = 0;
  std::string name;
  OperatorRule rule;
};

// The one entry of this name; ids and entries live as long as the process.
const OperatorInfo& intern_operator(std::string_view name);

// Maps the address of a schema's name to its rule without a lock and without touching the name: operators run with cold
// caches, so every line saved counts.
class OperatorCache {
 public:
  // True for a known operator of this kind: the address of a living schema is unique.
  bool is_ignored(const char* name) const {
    return entry(name).address == name && entry(name).kind == RuleKind::kIgnored;
  }
  bool is_elementwise(const char* name) const {
    return entry(name).address == name && train::is_elementwise(entry(name).kind);
  }

  // The text is compared, because a caller of RECORD_FUNCTION may give a temporary name.
  const OperatorInfo& find(const char* name) {
    Entry& place = entries_[index(name)];
    if (place.address == name && place.info->name == name) return *place.info;
    const OperatorInfo& info = intern_operator(name);
    place = {name, &info, info.rule.kind};
    return info;
  }

 private:
  struct Entry {
    const char* address = nullptr;
    const OperatorInfo* info = nullptr;
    RuleKind kind = RuleKind::kUnknown;
  };
  static std::size_t index(const char* name) {
    const auto address = reinterpret_cast<std::uintptr_t>(name);
    return (address >> 4 ^ address >> 13) % 1024;
  }
  const Entry& entry(const char* name) const { return entries_[index(name)]; }
  std::array<Entry, 1024> entries_;
};

struct Tally {
  std::uint64_t calls = 0;
  std::uint64_t flops = 0;
};

struct Uncounted {
  std::uint64_t calls = 0;
  std::vector<TensorShape> example;
};

struct TallyKey {
  std::uint32_t operator_id = 0;
  ScopeId scope = 0;
  Phase phase = Phase::kForward;
  bool operator==(const TallyKey&) const = default;
};

struct TallyKeyHash {
  std::size_t operator()(const TallyKey& key) const {
    const std::uint64_t word = std::uint64_t{key.operator_id} << 34 ^ std::uint64_t{key.scope} << 2 ^
                               static_cast<std::uint64_t>(key.phase);
    return static_cast<std::size_t>(word * 0x9E3779B97F4A7C15u >> 16);
  }
};

struct ThreadTallies {
  std::mutex mutex;  // taken for counted operators only; contended only by report()
  std::unordered_map<TallyKey, Tally, TallyKeyHash> counted;
  std::unordered_map<std::uint32_t, Uncounted> uncounted;
  std::array<std::atomic<std::uint64_t>, kPhases> totals{};
};

// Sums the threads of one meter.
FlopReport make_flop_report(std::span<const std::shared_ptr<ThreadTallies>> threads);

}  // namespace tenfold::train
