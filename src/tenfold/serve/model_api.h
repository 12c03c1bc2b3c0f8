// SPDX-License-Identifier: Apache-2.0
// The models for the page: GET /api/models, and the routes that a model brings along: POST /api/models/<model>/<path>.
#pragma once

#include "tenfold/serve/models.h"
#include "tenfold/serve/route_api.h"
#include "tenfold/serve/router.h"

namespace tenfold::serve {

void add_model_api(Router& router, ModelStore& models, const RouteServices& services);

}  // namespace tenfold::serve
