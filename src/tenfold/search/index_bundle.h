// SPDX-License-Identifier: Apache-2.0
// An index of codes as members of a bundle (io/bundle.h): small parts as tensors in index.safetensors, the blocks of all lists one after
// the other in index.codes, which a reader maps into memory and scans in place. A bundle appears whole or not at all, so that an index
// that is being written is never seen half.
#pragma once

#include <memory>
#include <optional>

#include "tenfold/io/bundle.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/drift.h"
#include "tenfold/search/graph_index.h"
#include "tenfold/search/rerank_index.h"

namespace tenfold::search {

// Adds both members. `second`: vectors to rank again, of the same rows. `training`: codes of the vectors that the quantiser was trained on,
// for search/drift.h. Throws what BundleWriter::add() throws.
void add_index_members(io::BundleWriter& bundle,
                       const CodeIndex& index,
                       const Int8Rows* second = nullptr,
                       const CodeCounts* training = nullptr);
// An index with a graph has its links in index.safetensors and its codes row by row in index.codes.
void add_index_members(io::BundleWriter& bundle,
                       const GraphIndex& index,
                       const CodeCounts* training = nullptr);

// Either of them.
void add_index_members(io::BundleWriter& bundle, const CodedIndex& index, const CodeCounts* training);

struct IndexMembers {
  CodeIndex index;
  std::optional<Int8Rows> second;
};

// The codes stay in the file's pages; a row that is added or updated copies its list into memory first. Throws Error(kFile): the codes of
// BundleReader and SafetensorsReader, "index_bundle.field" (metadata missing or of another kind), "index_bundle.kind" (an index with a
// graph where one without is wanted, or the other way round), "index_bundle.shape" (members that do not fit together); Error(kData) as the
// constructors of ProductQuantizer, CodeIndex, NeighborGraph and GraphIndex.
IndexMembers open_index_members(const io::BundleReader& bundle);
GraphIndex open_graph_members(const io::BundleReader& bundle);
// The same from what the members index.safetensors and index.codes hold.
IndexMembers parse_index(const io::SafetensorsReader& tensors, const io::InputFile::Mapping& codes);
GraphIndex parse_graph_index(const io::SafetensorsReader& tensors, const io::InputFile::Mapping& codes);
// Which of the two to call. Throws Error(kFile) as they do.
bool holds_graph_index(const io::BundleReader& bundle);
std::unique_ptr<CodedIndex> open_coded_index(const io::BundleReader& bundle);
// Nothing when the index was written without. Throws Error(kFile) as they do; DriftMonitor checks the counts.
std::optional<CodeCounts> read_training_counts(const io::BundleReader& bundle);

}  // namespace tenfold::search
