// SPDX-License-Identifier: Apache-2.0
// Documents that come and go in an index that is there: codewords and encoder stay as they are.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tenfold/search/beir.h"
#include "tenfold/search/drift.h"
#include "tenfold/systems/repconc/index_part.h"

namespace tenfold::repconc {

struct IndexChange {
  search::BeirCorpus added;          // of new ids
  search::BeirCorpus updated;        // other texts for ids of the index
  std::vector<std::string> removed;  // ids
  bool compact = false;              // gives the space of removed and replaced documents back
};

struct IndexChangeReport {
  std::size_t added = 0, updated = 0, removed = 0;
  std::size_t forgotten = 0;  // rows that compacting gave back
  search::DriftReport drift;  // of added and updated documents; empty for an index without counts
};

// Removal first, then updates, then additions; an updated document becomes a new row. Nothing is changed when it throws Error(kData):
// "index.no_such_document" (an id to remove or to update that is not there), "index.duplicate_id" (an id to add that is there),
// "index.empty" (no document would be left).
IndexChangeReport change_index(OpenIndex& open, const IndexChange& change);

// The ids of a file, one a line; empty lines are left out. Throws Error(kFile) as read_text_file() and Error(kData, "index.no_ids").
std::vector<std::string> read_ids(const Path& file);

}  // namespace tenfold::repconc
