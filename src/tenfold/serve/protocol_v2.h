// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol v2 over HTTP: health, metadata, infer.
#pragma once

#include <functional>

#include "tenfold/serve/models.h"
#include "tenfold/serve/router.h"

namespace tenfold::serve {

// `ready`: all models are loaded and the server is not draining. `calls` parses bodies too large for an io thread.
void add_protocol_v2(Router& router,
                     ModelStore& models,
                     Dispatcher& calls,
                     const std::function<bool()>& ready);

}  // namespace tenfold::serve
