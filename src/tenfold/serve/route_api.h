// SPDX-License-Identifier: Apache-2.0
// The routes that systems and their bundles bring along (systems/route.h): one JSON answer, or a stream of events.
#pragma once

#include <string>

#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/router.h"
#include "tenfold/systems/route.h"

namespace tenfold::serve {

struct RouteServices {
  Dispatcher& calls;    // for single answers
  Dispatcher& streams;  // for answers in parts, which may take long
  const Scrubber& scrubber;
  Limits limits;
};

// POST <pattern> with a JSON object of the route's fields; `seed` may stand in the query. With "Accept: text/event-stream"
// a route that streams sends its events, then "result" with the whole answer or "error" with the error object.
// `services` and `route` must outlive the router.
void add_api_route(Router& router,
                   const std::string& pattern,
                   const std::string& tag,
                   const systems::ApiRoute& route,
                   const RouteServices& services);

// Answers one request with the route, in a worker thread.
void submit_route(const ExchangePtr& exchange, const systems::ApiRoute& route, const RouteServices& services);

}  // namespace tenfold::serve
