// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/openapi.h"

#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "tenfold/systems/registry.h"
#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

json document_of(std::vector<systems::System> systems) {
  ScratchFolder folder;
  ServeOptions options;
  options.port = 0;
  options.runs = folder.path().string();
  ServeParts parts;
  parts.systems = std::move(systems);
  parts.models = {{std::make_shared<EchoPredictor>(), {}}};
  parts.program = "/bin/true";
  Server server(options, parts);
  server.start();
  return json::parse(test::HttpClient(server.port()).get("/api/openapi.json").body);
}

const json& registry_document() {
  static const json document = document_of(systems::core_systems());
  return document;
}

void collect_references(const json& value, std::set<std::string>& found) {
  if (value.is_object() && value.contains("$ref")) found.insert(value["$ref"]);
  if (!value.is_structured()) return;
  for (const json& part : value) collect_references(part, found);
}

template <typename Visit>
void for_each_operation(const json& document, const Visit& visit) {
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) visit(path, method, operation);
  }
}

TEST(OpenApi, HasTheRequiredParts) {
  const json& document = registry_document();
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_TRUE(document["info"]["title"].is_string());
  EXPECT_TRUE(document["info"]["version"].is_string());
  EXPECT_GT(document["paths"].size(), 30u);
  EXPECT_TRUE(document["components"]["securitySchemes"].contains("token"));
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  std::set<std::string> references;
  collect_references(registry_document(), references);
  EXPECT_GE(references.size(), 2u);
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/")) << reference;
    EXPECT_NO_THROW(static_cast<void>(registry_document().at(json::json_pointer(reference.substr(1)))))
        << reference;
  }
}

TEST(OpenApi, EveryOperationIsWhole) {
  std::set<std::string> ids;
  for_each_operation(
      registry_document(), [&](const std::string& path, const std::string& method, const json& operation) {
        EXPECT_TRUE((std::set<std::string>{"get", "post", "delete"}.contains(method))) << method;
        EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
        EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << path;
        EXPECT_EQ(operation["tags"].size(), 1u) << path;
        EXPECT_TRUE(operation["responses"].contains(path == "/api/jobs" && method == "post" ? "202" : "200"))
            << path;
        std::set<std::string> wanted, told;
        const std::regex part(R"(\{([a-z]+)\})");
        for (std::sregex_iterator match(path.begin(), path.end(), part), end; match != end; ++match)
          wanted.insert((*match)[1]);
        for (const json& parameter : operation.value("parameters", json::array())) {
          EXPECT_TRUE(parameter.contains("schema"));
          if (parameter["in"] != "path") continue;
          EXPECT_EQ(parameter["required"], true);
          told.insert(parameter["name"]);
        }
        EXPECT_EQ(wanted, told) << path;
      });
}

TEST(OpenApi, EveryServedVerbAndPathIsThere) {
  const json& paths = registry_document()["paths"];
  int verbs = 0;
  for (const systems::System& system : systems::core_systems()) {
    for (const systems::Verb& verb : system.verbs) {
      const std::string path = "/api/" + system.name + "/" + verb.name;
      EXPECT_EQ(paths.contains(path), verb.served == systems::Served::kCall) << path;
      verbs += verb.served == systems::Served::kCall;
    }
    for (const systems::ApiRoute& route : system.routes)
      EXPECT_TRUE(paths.contains("/api/" + system.name + "/" + route.path));
  }
  EXPECT_GT(verbs, 10);
  for (const char* path : {"/",
                           "/v2",
                           "/v2/health/live",
                           "/v2/health/ready",
                           "/v2/models/{model}",
                           "/v2/models/{model}/ready",
                           "/v2/models/{model}/infer",
                           "/v2/models/{model}/versions/{version}/infer",
                           "/metrics",
                           "/api/server",
                           "/api/systems",
                           "/api/models",
                           "/api/models/{model}/{route}",
                           "/api/runs",
                           "/api/runs/{name}",
                           "/api/runs/{name}/metrics",
                           "/api/runs/{name}/files/{member}",
                           "/api/uploads",
                           "/api/uploads/{id}",
                           "/api/jobs",
                           "/api/jobs/{id}",
                           "/api/jobs/{id}/events",
                           "/api/openapi.json"})
    EXPECT_TRUE(paths.contains(path)) << path;
}

// The schema of a verb comes from its field list: types, ranges, defaults and choices are the same.
TEST(OpenApi, SchemasAreThoseOfTheFields) {
  const json document = document_of({test_system(std::make_shared<Waiting>())});
  const json body = document["paths"]["/api/test/add"]["post"]["requestBody"]["content"];
  EXPECT_TRUE(body.contains("text/csv"));
  const json properties = body["application/json"]["schema"]["properties"];
  EXPECT_EQ(properties["a"]["type"], "number");
  EXPECT_EQ(properties["a"]["default"], 1.0);
  EXPECT_EQ(properties["a"]["minimum"], -1000);
  EXPECT_EQ(properties["a"]["maximum"], 100) << "what a server takes, not what the command line takes";
  EXPECT_EQ(properties["name"]["enum"], json({"sum", "total", ""})) << "an empty text: not set";
  EXPECT_TRUE(properties["table"].contains("pattern"));
  EXPECT_FALSE(properties.contains("program"));
  EXPECT_FALSE(properties.contains("runs"));
  EXPECT_EQ(body["application/json"]["schema"]["additionalProperties"], false);
  bool queried = false;
  for (const json& parameter : document["paths"]["/api/test/add"]["get"]["parameters"]) {
    queried |= parameter["name"] == "a" && parameter["schema"]["maximum"] == 100;
  }
  EXPECT_TRUE(queried);
}

TEST(OpenApi, EverySchemaHasAType) {
  int schemas = 0;
  for_each_operation(
      registry_document(), [&](const std::string& path, const std::string& method, const json& operation) {
        if (!operation.contains("requestBody")) return;
        for (const auto& [type, content] : operation["requestBody"]["content"].items()) {
          EXPECT_TRUE(content["schema"].contains("type")) << method << " " << path << " " << type;
          ++schemas;
        }
      });
  EXPECT_GT(schemas, 10);
}

}  // namespace
}  // namespace tenfold::serve
