// SPDX-License-Identifier: Apache-2.0
// Runs one row of the benchmark: ours, the peer and the floor in turn, so that other work on the machine meets all alike.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tenfold/report/peer_process.h"
#include "tenfold/systems/repconc/bench/bench.h"

namespace tenfold::repconc {

struct Sides {
  std::function<void()> ours;
  std::function<void()> floor;  // may be empty
  double work = 0;              // in rate_unit seconds, of one call
};

class BenchRunner {
 public:
  explicit BenchRunner(const BenchOptions& options);
  ~BenchRunner();
  BenchRunner(const BenchRunner&) = delete;
  BenchRunner& operator=(const BenchRunner&) = delete;

  const BenchOptions& options() const { return options_; }
  bool wanted(std::string_view name) const;
  bool has_peer() const { return peer_ != nullptr; }
  // Bytes for the peer under a name of the folder; nothing without a peer.
  void share(const std::string& name, const void* data, std::size_t bytes);
  Path path(const std::string& name) const { return options_.folder / name; }
  // Sends one line and reads the answer. On failure the peer is given up, with the reason as note, and the answer is null.
  nlohmann::json ask(const nlohmann::json& request);

  // Fills the times of `row`. `task`: what the peer calls it, after it was prepared; empty: no peer.
  void time(BenchRow& row, const Sides& sides, const std::string& task);

 private:
  BenchOptions options_;
  std::unique_ptr<report::PeerProcess> peer_;
  std::string peer_note_;
  std::vector<Path> written_;
};

}  // namespace tenfold::repconc
