// SPDX-License-Identifier: Apache-2.0
// A trained DSI behind `tenfold serve`: a predictor (texts to documents), and routes for the page of the studio.
#pragma once

#include <string>

#include "tenfold/io/bundle.h"
#include "tenfold/systems/route.h"

namespace tenfold::dsi {

// Throws what open_model() throws.
systems::Service open_service(const io::BundleReader& bundle, const std::string& name);

}  // namespace tenfold::dsi
