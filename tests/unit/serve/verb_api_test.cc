// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/verb_api.h"

#include <gmock/gmock.h>

#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using test::HttpResponse;
using testing::HasSubstr;
using testing::Not;

TEST(VerbApi, CallsAVerbWithJson) {
  TestServer server;
  const HttpResponse response = server.post("/api/test/add?seed=9", R"({"a":3,"b":4.5,"name":"total"})");
  ASSERT_EQ(response.status, 200) << response.body;
  const json body = json::parse(response.body);
  EXPECT_EQ(body["total"], 7.5);
  EXPECT_EQ(body["seed"], 9);
  EXPECT_EQ(json::parse(server.post("/api/test/add", "").body)["sum"], 3.0) << "no body: the defaults";
}

TEST(VerbApi, CallsAVerbWithAQuery) {
  TestServer server;
  EXPECT_EQ(json::parse(server.get("/api/test/add?a=3&b=-1").body)["sum"], 2.0);
  EXPECT_EQ(server.get("/api/test/add?a=3&b=-1&format=text").body, "the sum is 2.000000");
  EXPECT_EQ(verdict(server.get("/api/test/add?x=3")), "400 config.unknown_key");
  EXPECT_EQ(verdict(server.get("/api/test/add?a=three")), "400 config.bad_value");
}

TEST(VerbApi, StartsFromAPreset) {
  TestServer server;
  EXPECT_EQ(json::parse(server.get("/api/test/add?preset=demo").body)["sum"], 42.0);
  EXPECT_EQ(json::parse(server.post("/api/test/add?preset=demo", R"({"b":1})").body)["sum"], 41.0);
  EXPECT_EQ(verdict(server.get("/api/test/add?preset=nosuch")), "400 config.unknown_preset");
}

TEST(VerbApi, RefusesWrongValuesAndWords) {
  TestServer server;
  const auto code = [&](const std::string& body) { return verdict(server.post("/api/test/add", body)); };
  EXPECT_EQ(code(R"({"a":"3"})"), "400 config.bad_value");
  EXPECT_EQ(code(R"({"a":101})"), "400 config.out_of_range") << "more than a server takes";
  EXPECT_EQ(code(R"({"name":"x"})"), "400 config.not_a_choice");
  EXPECT_EQ(code(R"({"aa":1})"), "400 config.unknown_key");
  EXPECT_TRUE(code(R"([1])").starts_with("400 ")) << code(R"([1])");
  EXPECT_TRUE(code(R"({"a":1,"a":2})").starts_with("400 json.")) << code(R"({"a":1,"a":2})");
  for (const char* query : {"seed=-1", "seed=x", "format=xml"})
    EXPECT_EQ(verdict(server.get(std::string("/api/test/add?") + query)), "400 serve.bad_word") << query;
}

TEST(VerbApi, TellsErrorsOfAVerbWithoutFolders) {
  TestServer server;
  const HttpResponse data = server.post("/api/test/add", R"({"b":13})");
  EXPECT_EQ(verdict(data), "400 test.thirteen");
  EXPECT_THAT(data.body, Not(HasSubstr(server.folder.path().string())));
  for (int bug : {14, 15}) {
    const HttpResponse internal = server.post("/api/test/add", fmt::format(R"({{"b":{}}})", bug));
    EXPECT_EQ(internal.status, 500);
    EXPECT_THAT(internal.body, Not(HasSubstr("secret")));
  }
}

TEST(VerbApi, ServesOnlyVerbsThatMayBeCalled) {
  TestServer server;
  EXPECT_EQ(verdict(server.post("/api/test/train", "{}")), "404 http.unknown_path");
  EXPECT_EQ(verdict(server.post("/api/test/secret", "{}")), "404 http.unknown_path");
  const json verbs = json::parse(server.get("/api/systems").body)["systems"][0]["verbs"];
  std::vector<std::string> names;
  for (const json& verb : verbs) names.push_back(verb["name"]);
  EXPECT_THAT(names, testing::ElementsAre("add", "polite", "stubborn", "train"));
  EXPECT_EQ(verbs[3]["call"], false);
  EXPECT_TRUE(verbs[0]["schema"]["properties"].contains("a"));
  EXPECT_FALSE(verbs[0]["schema"]["properties"].contains("program")) << "no client sets it";
}

TEST(VerbApi, ListsTheValuesOfPresets) {
  TestServer server;
  const json system = json::parse(server.get("/api/systems").body)["systems"][0];
  EXPECT_EQ(system["presets"], json({"demo"}));
  const json& add = system["verbs"][0];
  EXPECT_EQ(add["presets"]["demo"]["a"], 40);
  EXPECT_EQ(add["presets"]["demo"]["b"], add["schema"]["properties"]["b"]["default"]);
}

TEST(VerbApi, AClientNamesOnlyItsUploads) {
  TestServer server;
  server.folder.write("mine/run.json", "{}");
  const auto code = [&](const std::string& body) { return verdict(server.post("/api/test/add", body)); };
  for (const char* path : {"/etc/passwd", "../x", "upload.csv", "run:mine", "file:///etc/passwd"})
    EXPECT_EQ(code(fmt::format(R"({{"table":"{}"}})", path)), "403 serve.file_field") << path;
  EXPECT_EQ(code(R"({"table":"upload:00000000000000000000000000000000"})"), "404 serve.unknown_upload");
  EXPECT_EQ(code(R"({"table":"upload:../../etc"})"), "404 serve.unknown_upload");
  EXPECT_EQ(code(R"({"program":"/bin/sh"})"), "403 serve.file_field");
  EXPECT_EQ(code(R"({"runs":"/"})"), "403 serve.file_field");
  EXPECT_EQ(code(R"({"run":"/tmp"})"), "403 serve.file_field");
  EXPECT_EQ(code(R"({"run":"run:nosuch"})"), "404 serve.unknown_run");
  EXPECT_EQ(code(R"({"run":"run:../mine"})"), "404 serve.unknown_run");
  EXPECT_EQ(code(R"({"file":"../x"})"), "403 serve.file_field");
  EXPECT_EQ(verdict(server.get("/api/test/add?table=/etc/passwd")), "403 serve.file_field");
  EXPECT_EQ(json::parse(server.post("/api/test/add", R"({"run":"run:mine"})").body)["run"], "mine");
}

TEST(VerbApi, KeepsUploadsForLaterRequests) {
  TestServer server;
  const HttpResponse sent =
      server.post("/api/uploads?name=my%20table.csv", "x,y\n1,2\n", {"Content-Type: text/csv"});
  ASSERT_EQ(sent.status, 200) << sent.body;
  const json upload = json::parse(sent.body);
  EXPECT_EQ(upload["name"], "my-table.csv");
  EXPECT_EQ(upload["bytes"], 8);
  const std::string body = R"({"table":")" + upload["value"].get<std::string>() + "\"}";
  const json answer = json::parse(server.post("/api/test/add", body).body);
  EXPECT_EQ(answer["table"], "x,y\n1,2\n");
  EXPECT_EQ(answer["table_path"], "my-table.csv") << "the path of the server is taken out";
  const std::string path = "/api/uploads/" + upload["id"].get<std::string>();
  EXPECT_EQ(server.client().request("DELETE", path).status, 200);
  EXPECT_EQ(verdict(server.client().request("DELETE", path)), "404 serve.unknown_upload");
  EXPECT_EQ(verdict(server.post("/api/test/add", body)), "404 serve.unknown_upload");
}

TEST(VerbApi, TakesATableAsTheBody) {
  TestServer server;
  const json answer =
      json::parse(server.post("/api/test/add?a=2", "x\n1\n", {"Content-Type: text/csv"}).body);
  EXPECT_EQ(answer["table"], "x\n1\n");
  EXPECT_EQ(answer["sum"], 4.0);
  EXPECT_EQ(verdict(server.post("/api/test/polite", "x\n", {"Content-Type: text/csv"})),
            "415 http.content_type");
}

TEST(VerbApi, AnswersWithAFileOfTheResult) {
  TestServer server;
  const HttpResponse file = server.get("/api/test/add?file=page.html&b=3");
  EXPECT_EQ(verdict(file), "404 serve.unknown_file")
      << "`file` is a word of the request, the verb wrote none";
  const HttpResponse written = server.post("/api/test/add?file=page.html", R"({"file":"page.html"})");
  EXPECT_EQ(written.body, "written <b>");
  EXPECT_EQ(written.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(written.headers.at("content-disposition"), "attachment; filename=\"page.html\"");
  EXPECT_FALSE(std::filesystem::exists("page.html"));
}

TEST(VerbApi, KnowsContentTypes) {
  EXPECT_EQ(content_type_of("a.svg"), "image/svg+xml");
  EXPECT_EQ(content_type_of("a.csv"), "text/csv; charset=utf-8");
  EXPECT_EQ(content_type_of("a.exe"), "application/octet-stream");
}

}  // namespace
}  // namespace tenfold::serve
