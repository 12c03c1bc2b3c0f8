// SPDX-License-Identifier: Apache-2.0
// Training when documents are vectors from outside: a quantiser, and with query vectors the query stage.
#pragma once

#include "tenfold/base/file_system.h"
#include "tenfold/systems/repconc/stages.h"

namespace tenfold::repconc {

// options.data.path is a file of vectors (vector_data.h). Trains the quantiser `vectors.method` and writes the bundle DIR/model. With
// vectors.queries codewords and a small map of queries are trained on in DIR/query, against the labels and, without labels, against the
// scores of whole vectors; codes stay. The same call continues where it was stopped. Throws what the readers of vector_data.h and
// search::train_quantizer() throw, and Error(kConfig, "vectors.method") for queries with RaBitQ, which has no codewords.
systems::Outcome train_vectors(const TrainOptions& options, const Path& folder, systems::Context& context);

}  // namespace tenfold::repconc
