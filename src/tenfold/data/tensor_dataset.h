// SPDX-License-Identifier: Apache-2.0
// A data set over tensors in memory: what synthetic data, tests and small files need.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tenfold/data/dataset.h"

namespace tenfold::data {

enum class BatchTypes {
  kAsStored,
  kForModels,  // integers and bool become int64, floats become float32: small types in memory, the usual ones in a batch
};

// A batch holds the rows of each tensor, in the order given: {inputs, targets} or any other number. Random numbers are not
// used. The tensors are shared, not copied: nobody may write to them afterwards.
class TensorDataset final : public Dataset {
 public:
  // Each tensor is [N, ...], dense, on the CPU. Throws Error(kData, "tensor_dataset.bad_tensor"): none at all, an
  // undefined one, a scalar, a sparse one or one elsewhere; "tensor_dataset.rows_disagree": another N than the first.
  explicit TensorDataset(std::vector<at::Tensor> tensors, BatchTypes types = BatchTypes::kAsStored);

  std::int64_t size() const override { return rows_; }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override;
  // sha256 of types, shapes, content and the types of batches; computed by the first call.
  std::string fingerprint() const override;

  const std::vector<at::Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<at::Tensor> tensors_;
  BatchTypes types_;
  std::int64_t rows_ = 0;
  mutable std::once_flag hashed_;
  mutable std::string fingerprint_;
};

// sha256 of the tensors' types, shapes and content, 64 hex digits. Dense tensors on the CPU.
std::string content_hash(std::span<const at::Tensor> tensors);

}  // namespace tenfold::data
