// SPDX-License-Identifier: Apache-2.0
// A model of random weights, random identifiers and random queries: what a search costs does not depend on what was learned. Pure
// functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace tenfold::dsi {

// About 2 million parameters as it stands, half of them word vectors.
struct BenchModel {
  std::size_t dimension = 128, heads = 4, head_size = 32, feed_forward = 512;
  std::size_t encoder_layers = 2, decoder_layers = 2;
  std::size_t vocabulary = 8000;
  std::uint32_t tokens = 101;  // of docids: the end token and two times 50
  std::size_t positions = 8;
  std::size_t documents = 20'000;
  std::size_t query_tokens = 16;
};

// Weights under the names of text_encoder.h and docid_decoder.h; their number of parameters.
std::size_t write_bench_weights(FileSystem& files, const Path& path, const BenchModel& model);

// Identifiers as hierarchical clustering makes them: three cluster tokens of 1 to 10 and up to two digits of the rest, so one may be a prefix
// of another.
DocidSequences bench_docids(std::size_t documents);

std::vector<std::vector<std::uint32_t>> bench_queries(std::size_t count, const BenchModel& model);

}  // namespace tenfold::dsi
