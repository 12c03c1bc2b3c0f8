// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run: one bundle each in <run>/checkpoints, written atomically, found again by scanning. A pointer to the
// latest one does not exist, since it could lie.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// Everything that exact resuming needs.
struct Checkpoint {
  std::string system;
  std::uint64_t step = 0;   // optimiser steps done
  TensorMap weights;        // weights.safetensors: parameters and buffers by name
  TensorMap optimizer;      // optimizer.safetensors: moments, counters, EMA, all prefixed by their owner
  std::string state_json;   // state.json: cursor, schedule, guards, totals, task state
  std::string config_toml;  // config.toml as resolved
};

struct CheckpointPolicy {
  std::int64_t keep =
      2;  // newest ones kept beside the best; older ones are deleted after a new one is durable
};

class CheckpointFolder {
 public:
  CheckpointFolder(FileSystem& files, Path folder, CheckpointPolicy policy = {});

  // Writes <folder>/step-<12 digits>. A failure leaves the earlier checkpoints as they were: Error(kFile) or
  // Error(kResource). Afterwards old ones are deleted.
  void save(const Checkpoint& checkpoint);
  // The same into <folder>/best.
  void save_best(const Checkpoint& checkpoint);

  // The newest whole checkpoint: damaged ones are passed over with a warning in the log. nullopt when there is none.
  std::optional<Checkpoint> load_latest() const;
  std::vector<std::uint64_t> steps() const;  // of readable manifests, ascending

  // Throws Error(kResource, "checkpoint.disk_space") when `keep` + 2 checkpoints of these tensors do not fit the free space.
  void check_space(const Checkpoint& example) const;

 private:
  FileSystem& files_;
  Path folder_;
  CheckpointPolicy policy_;
};

// One bundle. Throws what io::BundleReader throws, or Error(kFile, "checkpoint.bad_state").
Checkpoint read_checkpoint(const Path& bundle);
void write_checkpoint(FileSystem& files, const Path& bundle, const Checkpoint& checkpoint);

// Parameters and buffers of a module by name; the tensors share memory with it. copy_into() throws Error(kFile,
// "weights.missing" | "weights.unknown" | "weights.shape" | "weights.dtype") with the tensor's name before it changes anything.
TensorMap module_tensors(const torch::nn::Module& module);
void copy_into(torch::nn::Module& module, const TensorMap& weights);

}  // namespace tenfold::train
