// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run: one bundle each in <run>/checkpoints, written atomically, found again by scanning. A pointer to the
// latest one does not exist, since it could lie.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/train/tensor_file.h"

namespace torch::nn {
class Module;
}

namespace tenfold::train {

// Everything that exact resuming needs.
struct Checkpoint {
  std::string system;
  std::uint64_t step = 0;  // optimiser steps done
  TensorMap weights;       // weights.safetensors: parameters and buffers by name
  TensorMap
      optimizer;  // optimizer.safetensors: moments, counters, EMA, all prefixed by their owner; no file when empty
  std::string state_json;   // state.json: cursor, schedule, guards, totals, task state; one JSON object
  std::string config_toml;  // config.toml as resolved
};

struct CheckpointPolicy {
  // Newest ones kept beside the best; older ones are deleted after a new one is durable.
  std::int64_t keep = 2;
};

// One process writes at a time (train/run_folder.h holds a lock); any number may read.
class CheckpointFolder {
 public:
  CheckpointFolder(FileSystem& files, Path folder, CheckpointPolicy policy = {});

  // Writes <folder>/step-<12 digits>. A failure leaves the earlier checkpoints as they were: Error(kFile) or
  // Error(kResource). Afterwards old ones are deleted, and those of later steps, which load_latest() has passed over. A
  // folder somebody put a file of his own into is left alone, with a warning in the log.
  void save(const Checkpoint& checkpoint);
  // The same into <folder>/best.
  void save_best(const Checkpoint& checkpoint);

  // The newest whole checkpoint: damaged ones are passed over with a warning in the log. nullopt when there is none. Throws
  // Error(kFile, "checkpoint.all_damaged") when there are some but none is whole, and what read_checkpoint() throws for
  // reasons other than damage: no permission, no memory, written by a newer version.
  std::optional<Checkpoint> load_latest() const;
  std::vector<std::uint64_t> steps() const;  // of those with a readable manifest, ascending

  // Removes what a killed process left: unfinished writes and half-removed checkpoints. For the process that writes.
  void clean_up();

  // Throws Error(kResource, "checkpoint.disk_space") when `keep` + 2 checkpoints of these tensors (the best and the one being
  // written are the two) do not fit the free space and that of the checkpoints already here.
  void check_space(const Checkpoint& example) const;

  Path path_of(std::uint64_t step) const;
  Path best_path() const { return folder_ / "best"; }

 private:
  void remove_others(std::uint64_t saved) const;

  FileSystem& files_;
  Path folder_;
  CheckpointPolicy policy_;
};

// One bundle. read_checkpoint() throws what io::BundleReader and read_tensors() throw, or Error(kFile, "checkpoint.bad_state")
// when state.json is not one of ours. write_checkpoint() throws what io::BundleWriter and tensor_views() throw.
Checkpoint read_checkpoint(const Path& bundle);
void write_checkpoint(FileSystem& files, const Path& bundle, const Checkpoint& checkpoint);

// Parameters and buffers of a module by name; the tensors share memory with it. A tensor registered under several names (tied
// weights) appears under the first.
TensorMap module_tensors(const torch::nn::Module& module);
// The other way round: copies values into the module's tensors. Throws Error(kFile, "weights.missing" | "weights.unknown" |
// "weights.shape" | "weights.dtype") with the tensor's name before it changes anything.
void copy_into(torch::nn::Module& module, const TensorMap& weights);

}  // namespace tenfold::train
