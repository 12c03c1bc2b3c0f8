// SPDX-License-Identifier: Apache-2.0
// Opens data of a known kind, with the parts that have files of their own. For open.cc.
#pragma once

#include <memory>

#include "tenfold/data/image_classification.h"
#include "tenfold/data/open.h"

namespace tenfold::data {

struct OpenedParts {
  std::shared_ptr<const Dataset> train;  // with crops, flips, offsets
  std::shared_ptr<const Dataset> plain;  // the same rows without them
  std::shared_ptr<const Dataset> valid;  // null: no files of its own
  std::shared_ptr<const Dataset> test;
  bool cut = false;  // the parts are made already: text
  DataInfo info;
};

// By options.kind, which is not "auto".
OpenedParts open_parts(const DataOptions& options);

// The pair that a prefix ("folder/train") or the path of its images names; empty paths when there is none.
IdxPair idx_pair_at(const Path& path);

}  // namespace tenfold::data
