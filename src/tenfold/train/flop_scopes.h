// SPDX-License-Identifier: Apache-2.0
// Bookkeeping behind FlopScope: names of nested scopes as small numbers, and which scope an autograd node was made in.
// Internal to the meter.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold::train {

using ScopeId = std::uint32_t;  // 0: outside of all scopes

// The id of `name` inside `parent`; ids live as long as the process.
ScopeId intern_scope(ScopeId parent, std::string_view name);
std::string scope_path(ScopeId id);  // "a/b"

// Autograd nodes carry a sequence number that grows within a thread, so the scope of a node is the last change at or
// before its number. Keeps the last kCapacity changes.
class ScopeHistory {
 public:
  static constexpr std::size_t kCapacity = 65536;

  void record(std::uint64_t sequence_number, ScopeId scope);
  ScopeId find(std::uint64_t sequence_number) const;

 private:
  struct Change {
    std::uint64_t sequence_number;
    ScopeId scope;
  };
  const Change& at(std::size_t age_index) const { return changes_[(oldest_ + age_index) % changes_.size()]; }

  mutable std::mutex mutex_;
  std::vector<Change> changes_;  // a ring once full
  std::size_t oldest_ = 0;
};

// History of the calling thread, known to others by the thread's number in LibTorch's records.
ScopeHistory& this_thread_history();
// nullptr when the thread made no scopes or has ended.
std::shared_ptr<ScopeHistory> history_of_thread(std::uint64_t record_thread_id);

}  // namespace tenfold::train
