// SPDX-License-Identifier: Apache-2.0
// Scope names and the history of scope changes.
#include "tenfold/train/flop_scopes.h"

#include <ATen/record_function.h>

#include <map>
#include <unordered_map>
#include <utility>

namespace tenfold::train {
namespace {

struct ScopeNames {
  std::mutex mutex;
  std::map<std::pair<ScopeId, std::string>, ScopeId, std::less<>> ids;
  std::vector<std::string> paths = {""};
};

ScopeNames& scope_names() {
  static ScopeNames names;
  return names;
}

struct Histories {
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::weak_ptr<ScopeHistory>> by_thread;
};

Histories& histories() {
  static auto* all = new Histories;  // outlives the threads that unregister at exit
  return *all;
}

class ThreadHistory {
 public:
  ThreadHistory()
      : thread_(at::RecordFunction::currentThreadId()), history_(std::make_shared<ScopeHistory>()) {
    const std::lock_guard lock(histories().mutex);
    histories().by_thread[thread_] = history_;
  }
  ~ThreadHistory() {
    const std::lock_guard lock(histories().mutex);
    histories().by_thread.erase(thread_);
  }
  ThreadHistory(const ThreadHistory&) = delete;
  ThreadHistory& operator=(const ThreadHistory&) = delete;
  ScopeHistory& history() { return *history_; }

 private:
  std::uint64_t thread_;
  std::shared_ptr<ScopeHistory> history_;
};

}  // namespace

ScopeId intern_scope(ScopeId parent, std::string_view name) {
  ScopeNames& names = scope_names();
  const std::lock_guard lock(names.mutex);
  const auto [place, added] =
      names.ids.try_emplace({parent, std::string(name)}, static_cast<ScopeId>(names.paths.size()));
  if (added) {
    const std::string& above = names.paths[parent];
    names.paths.push_back(above.empty() ? std::string(name) : above + "/" + std::string(name));
  }
  return place->second;
}

std::string scope_path(ScopeId id) {
  ScopeNames& names = scope_names();
  const std::lock_guard lock(names.mutex);
  return names.paths.at(id);
}

void ScopeHistory::record(std::uint64_t sequence_number, ScopeId scope) {
  const std::lock_guard lock(mutex_);
  if (changes_.size() < kCapacity) {
    changes_.push_back({sequence_number, scope});
    return;
  }
  changes_[oldest_] = {sequence_number, scope};
  oldest_ = (oldest_ + 1) % kCapacity;
}

ScopeId ScopeHistory::find(std::uint64_t sequence_number) const {
  const std::lock_guard lock(mutex_);
  std::size_t low = 0;  // changes before `low` are at or before the number
  std::size_t high = changes_.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (at(middle).sequence_number <= sequence_number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? 0 : at(low - 1).scope;
}

ScopeHistory& this_thread_history() {
  thread_local ThreadHistory mine;
  return mine.history();
}

std::shared_ptr<ScopeHistory> history_of_thread(std::uint64_t record_thread_id) {
  const std::lock_guard lock(histories().mutex);
  const auto found = histories().by_thread.find(record_thread_id);
  return found == histories().by_thread.end() ? nullptr : found->second.lock();
}

}  // namespace tenfold::train
