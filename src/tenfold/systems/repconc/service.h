// SPDX-License-Identifier: Apache-2.0
// What a server offers of this system: an index answers texts with documents, a trained model without an index turns texts into vectors
// and codes.
#pragma once

#include <string>

#include "tenfold/io/bundle.h"
#include "tenfold/systems/route.h"

namespace tenfold::repconc {

// An index of vectors: input "vector" FP32 [d]; outputs "rows" INT64 [k], padded with -1, and "scores" FP32 [k]; parameters k, probes,
// candidates; route `about`. An index of texts: input "text" BYTES; outputs "ids" BYTES [k], "scores" FP32 [k], padded with "" and 0; parameters k and method; routes
// `search` (several methods side by side with bytes and time) and `about`. A model bundle: outputs "vector" FP32 [d], "codes" UINT8
// [bytes]. Throws as open_index() and open_retriever().
systems::Service open_service(const io::BundleReader& bundle, const std::string& name);

}  // namespace tenfold::repconc
