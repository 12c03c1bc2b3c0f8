// SPDX-License-Identifier: Apache-2.0
// docs/server.md names every limit with its default, every error code, every metric and every path.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "tenfold/config/field.h"
#include "tenfold/systems/registry.h"
#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

std::string file_text(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string& page() {
  static const std::string text = file_text(Path(TENFOLD_SOURCE_DIR) / "docs" / "server.md");
  return text;
}

bool documented(const std::string& text) {
  return page().find(text) != std::string::npos;
}

TEST(ServerPage, HasEveryLimitWithItsDefault) {
  Limits limits;
  const config::Fields fields(limits);
  for (const config::BoundField& field : fields.all()) {
    const std::string row = "| `--limits." + field.path + "` | " + config::to_toml_value(field.ref) + " |";
    EXPECT_TRUE(documented(row)) << row;
  }
}

TEST(ServerPage, HasEveryErrorCode) {
  std::set<std::string> codes;
  const std::regex code("\"((http|serve|jobs|infer)\\.[a-z_]+)\"");
  for (const auto& entry :
       std::filesystem::directory_iterator(Path(TENFOLD_SOURCE_DIR) / "src" / "tenfold" / "serve")) {
    const std::string text = file_text(entry.path());
    for (std::sregex_iterator match(text.begin(), text.end(), code), end; match != end; ++match)
      codes.insert((*match)[1]);
  }
  EXPECT_GT(codes.size(), 40u);
  for (const std::string& each : codes) EXPECT_TRUE(documented("`" + each + "`")) << each;
}

TEST(ServerPage, HasEveryMetric) {
  TestServer server;
  server.get("/nothing");
  std::istringstream lines(server.get("/metrics").body);
  int metrics = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const std::string name = line.substr(7, line.find(' ', 7) - 7);
    EXPECT_TRUE(documented("`" + name)) << name;
    ++metrics;
  }
  EXPECT_GT(metrics, 8);
}

TEST(ServerPage, HasEveryPath) {
  TestServer server;
  const json document = json::parse(server.get("/api/openapi.json").body);
  for (const auto& [path, operations] : document["paths"].items()) {
    const json& tag = operations.begin().value()["tags"][0];
    if (tag == "page" || tag == "test") continue;
    EXPECT_TRUE(documented(path + "`") || documented(path + "\\`")) << path;
  }
}

}  // namespace
}  // namespace tenfold::serve
