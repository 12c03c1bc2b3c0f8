// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/static_files.h"

#include "tenfold/base/sha256.h"
#include "tenfold/report/html.h"
#include "tenfold/serve/verb_api.h"
#include "tenfold_serve_embedded_files.h"

namespace tenfold::serve {
namespace {

void add_file(Router& router, const std::string& path, const std::string& name, std::string_view content) {
  Route route;
  route.pattern = path;
  route.doc = {"page", "the file " + name + " of the page"};
  route.doc.answer = content_type_of(name);
  route.handle =
      [type = content_type_of(name), content, tag = "\"" + sha256_hex(content).substr(0, 16) + "\""](
          const ExchangePtr& exchange, const PathValues&) {
        Response response;
        response.content_type = type;
        response.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
        if (exchange->request().header("if-none-match") == tag) {
          response.status = 304;
        } else {
          response.body = content;
        }
        exchange->respond(std::move(response));
      };
  router.add(std::move(route));
}

}  // namespace

void add_static_files(Router& router) {
  for (const auto& [name, content] : embedded::files()) {
    if (name == "index.html") add_file(router, "/", name, content);
    add_file(router, "/" + name, name, content);
  }
  add_file(router, "/vendor/chart.js", "chart.js", report::chart_library());
}

}  // namespace tenfold::serve
