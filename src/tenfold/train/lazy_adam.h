// SPDX-License-Identifier: Apache-2.0
// Adam that touches only the rows with a gradient: for embedding tables, of which a batch uses few rows.
#pragma once

#include <memory>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// A row is a slice of the first dimension (a scalar is one row, an element of a vector is one each). In a step a row with at
// least one gradient value that is not zero is updated by Kingma & Ba 2015, algorithm 1, with its own step count in the bias
// correction; other rows, their moments and counts stay as they are. So each row follows exactly the path of an Adam that
// only sees the batches in which the row occurs, and a step costs time in proportion to the rows used.
//
// Dense Adam differs: it lets the moments of unused rows fade, goes on moving these rows by what is left of the first moment,
// and corrects by the step count of the whole run, so that a row that is first used late makes a first step up to
// (1 - beta1) / sqrt(1 - beta2) times as long. When all rows have a gradient in every step, both are the same.
//
// Gradients may be dense or sparse COO ones (torch::nn::EmbeddingOptions::sparse(true)); both give the same bits. Weight decay
// is decoupled (AdamW) and for the rows that are updated. State: "moment1/NAME", "moment2/NAME" and "row_steps/NAME", int64
// [rows]. Parameters: float or double with contiguous rows, else Error(kConfig, "optimizer.bad_type").
std::unique_ptr<Optimizer> make_lazy_adam(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters);

}  // namespace tenfold::train
