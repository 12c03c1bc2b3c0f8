// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/runs.h"

#include <gmock/gmock.h>

#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> names(const RunLibrary& library) {
  std::vector<std::string> result;
  for (const FolderEntry& entry : library.scan()) result.push_back(entry.name);
  return result;
}

TEST(Runs, FindsRunsAndBundlesOneLevelDeep) {
  ScratchFolder folder;
  folder.write("a/run.json", "{}");
  folder.write("b/metrics.jsonl", "");
  folder.write("c/manifest.json", "{}");
  folder.write("d/other.txt", "");
  folder.write(".e/run.json", "{}");
  folder.write("f/g/run.json", "{}");
  const RunLibrary library({folder.path()});
  EXPECT_THAT(names(library), ElementsAre("a", "b", "c"));
  EXPECT_EQ(library.find("c").kind, FolderKind::kBundle);
  EXPECT_EQ(library.find("a").kind, FolderKind::kRun);
}

TEST(Runs, AFolderThatIsARunStandsForItself) {
  ScratchFolder folder;
  folder.write("x/run.json", "{}");
  folder.write("x/y/run.json", "{}");
  EXPECT_THAT(names(RunLibrary({folder.path() / "x"})), ElementsAre("x"));
  EXPECT_THAT(names(RunLibrary({folder.path() / "x" / ""})), ElementsAre("x"));
}

TEST(Runs, EqualNamesAreToldApart) {
  ScratchFolder one, two;
  one.write("a/run.json", "1");
  two.write("a/run.json", "2");
  const RunLibrary library({one.path(), two.path(), "/no/such/folder"});
  EXPECT_THAT(names(library), ElementsAre("a", "a~2"));
  EXPECT_EQ(RunLibrary::read(library.find("a~2"), "run.json", 10), "2");
}

TEST(Runs, FollowsNoLinks) {
  ScratchFolder outside, folder;
  outside.write("run.json", "{}");
  outside.write("secret", "x");
  folder.write("real/run.json", "{}");
  namespace fs = std::filesystem;
  fs::create_directory_symlink(outside.path(), folder.path() / "linked");
  fs::create_symlink(outside.path() / "secret", folder.path() / "real" / "metrics.jsonl");
  fs::create_hard_link(outside.path() / "secret", folder.path() / "real" / "result.json");
  fs::create_directory(folder.path() / "real" / "config.toml");
  const RunLibrary library({folder.path()});
  EXPECT_THAT(names(library), ElementsAre("real"));
  EXPECT_THAT(library.find("real").members, ElementsAre("run.json"));
  fs::create_directory_symlink(folder.path(), outside.path() / "door");
  EXPECT_THAT(names(RunLibrary({outside.path() / "door"})), ElementsAre("real"))
      << "the operator's own folder may be a link";
}

TEST(Runs, ReadsKnownMembersWithinALimit) {
  ScratchFolder folder;
  folder.write("a/run.json", "0123456789");
  folder.write("a/notes.txt", "x");
  const RunLibrary library({folder.path()});
  const FolderEntry entry = library.find("a");
  EXPECT_EQ(RunLibrary::read(entry, "run.json", 10), "0123456789");
  const auto code = [&](const std::string& member, std::uint64_t limit) {
    try {
      RunLibrary::read(entry, member, limit);
      return std::string("read");
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code("run.json", 9), "file.too_large");
  EXPECT_EQ(code("notes.txt", 10), "serve.unknown_member");
  EXPECT_EQ(code("../a/run.json", 10), "serve.unknown_member");
  std::filesystem::remove_all(folder.path() / "a");
  EXPECT_EQ(code("run.json", 10), "file.not_found");
}

TEST(Runs, MetricsContinueWhereTheyStopped) {
  ScratchFolder folder;
  folder.write("a/metrics.jsonl",
               "{\"step\":1}\n{\"step\":2}\nnot json\n[1]\n{\"bad\":\xff}\n{\"step\":3}\n{\"step\":");
  const RunPlace run{folder.path(), "a"};
  MetricRows rows = RunLibrary::metrics(run, 0, 2);
  EXPECT_THAT(rows.lines, ElementsAre("{\"step\":1}", "{\"step\":2}"));
  EXPECT_FALSE(rows.at_end);
  rows = RunLibrary::metrics(run, rows.next, 100);
  EXPECT_THAT(rows.lines, ElementsAre("{\"step\":3}"))
      << "what is no object is skipped, an unfinished line waits";
  std::ofstream(folder.path() / "a" / "metrics.jsonl", std::ios::app) << "4}\n";
  rows = RunLibrary::metrics(run, rows.next, 100);
  EXPECT_THAT(rows.lines, ElementsAre("{\"step\":4}"));
  EXPECT_TRUE(rows.at_end);
  folder.write("a/metrics.jsonl", "{\"step\":1}\n");
  EXPECT_EQ(RunLibrary::metrics(run, rows.next, 100).next, 11u) << "a continued run has become shorter";
  EXPECT_TRUE(RunLibrary::metrics({folder.path(), "none"}, 5, 100).lines.empty());
}

TEST(Runs, AnEndlessLineIsPassedOver) {
  ScratchFolder folder;
  folder.write("a/metrics.jsonl", std::string((1 << 20) + 10, 'x') + "\n{\"step\":1}\n");
  const RunPlace run{folder.path(), "a"};
  MetricRows rows = RunLibrary::metrics(run, 0, 100);
  EXPECT_EQ(rows.next, 1u << 20);
  EXPECT_FALSE(rows.at_end);
  rows = RunLibrary::metrics(run, rows.next, 100);
  EXPECT_THAT(rows.lines, ElementsAre("{\"step\":1}"));
}

TEST(RunsApi, ShowsRuns) {
  TestServer server;
  server.folder.write("one/run.json", R"({"version":"1"})");
  server.folder.write("one/config.toml", "a = 1\n");
  server.folder.write("one/metrics.jsonl", "{\"step\":1}\n");
  server.folder.write("two/run.json", "{broken");
  server.folder.write("two/result.json", "{}");
  const json list = json::parse(server.get("/api/runs").body)["runs"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["name"], "one");
  EXPECT_EQ(list[0]["finished"], true);
  EXPECT_TRUE(list[1]["run"].contains("damaged"));
  const json one = json::parse(server.get("/api/runs/one").body);
  EXPECT_EQ(one["config"], "a = 1\n");
  EXPECT_EQ(one["run"]["version"], "1");
  const json rows = json::parse(server.get("/api/runs/one/metrics?after=0&limit=1").body);
  EXPECT_EQ(rows["rows"], json::array({{{"step", 1}}}));
  EXPECT_EQ(rows["next"], 11);
  const test::HttpResponse file = server.get("/api/runs/one/files/metrics.jsonl");
  EXPECT_EQ(file.body, "{\"step\":1}\n");
  EXPECT_EQ(file.headers.at("content-disposition"), "attachment; filename=\"metrics.jsonl\"");
}

TEST(RunsApi, GivesNothingElse) {
  TestServer server;
  server.folder.write("one/run.json", "{}");
  server.folder.write("one/secret.txt", "x");
  EXPECT_EQ(verdict(server.get("/api/runs/two")), "404 serve.unknown_run");
  EXPECT_EQ(verdict(server.get("/api/runs/one/files/secret.txt")), "404 serve.unknown_member");
  EXPECT_EQ(verdict(server.get("/api/runs/one/files/..")), "400 http.bad_path");
  EXPECT_EQ(verdict(server.get("/api/runs/%2e%2e/files/run.json")), "400 http.bad_path");
  EXPECT_EQ(verdict(server.get("/api/runs/one/files/%2fetc%2fpasswd")), "400 http.bad_path");
  EXPECT_EQ(verdict(server.get("/api/runs/one/metrics?after=-1")), "400 serve.bad_word");
  EXPECT_EQ(verdict(server.get("/api/runs/one/metrics?limit=x")), "400 serve.bad_word");
  EXPECT_THAT(server.get("/api/runs").body, Not(HasSubstr(server.folder.path().string())));
}

}  // namespace
}  // namespace tenfold::serve
