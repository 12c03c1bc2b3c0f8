// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 3.1 document of a server, from its routes and the schemas of the options structs behind them.
#pragma once

#include <string>

#include "tenfold/serve/router.h"

namespace tenfold::serve {

std::string openapi_document(const Router& router);

}  // namespace tenfold::serve
