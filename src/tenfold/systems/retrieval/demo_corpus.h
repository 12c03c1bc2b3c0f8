// SPDX-License-Identifier: Apache-2.0
// A small collection that the program makes itself, for tests and the demo: documents about topics in made-up words, and queries that
// partly use other words for the same things, so that there is something to learn beyond equal words.
#pragma once

#include "tenfold/systems/retrieval/retrieval_data.h"

namespace tenfold::retrieval {

// 1,024 documents, 1,536 queries with one relevant document each: 1,024 for "train", 512 for "test". Always the same.
RetrievalData make_demo_corpus();

}  // namespace tenfold::retrieval
