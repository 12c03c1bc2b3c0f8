// SPDX-License-Identifier: Apache-2.0
// Jobs run a script in the place of the program: `script SYSTEM VERB --config FILE --out FOLDER --seed N --json`.
#include "tenfold/serve/jobs.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kScript[] = R"(#!/bin/sh
case $2 in
  quick) echo "step 1 in $6" >&2; printf '{"step":1}\n{"step":2}\n' >"$6/metrics.jsonl"; printf '{"loss":0.5,"out":"%s","seed":%s}' "$6" "$8" ;;
  bad) echo '{"error":{"code":"train.diverged","class":"data","what":"the loss is not finite"}}'; exit 4 ;;
  silent) exit 3 ;;
  large) printf '{"text":"'; head -c 100000 /dev/zero | tr '\0' 'x'; printf '"}' ;;
  wait) trap 'echo "{\"saved\":true}"; exit 0' TERM; echo ready >&2; while :; do sleep 0.01; done ;;
esac
)";

// Keeps what is sent.
class Listener final : public EventStream {
 public:
  bool send(std::string_view event, std::string_view data, std::string_view id) override {
    const std::lock_guard lock(mutex_);
    events_.emplace_back(event);
    data_.emplace_back(data);
    ids_.emplace_back(id);
    if (event == "end") ended = true;
    return !gone;
  }
  void close() override {}
  std::vector<std::string> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::string data_of(const std::string& event) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (events_[i] == event) return data_[i];
    }
    return "";
  }
  std::vector<std::string> ids() {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  std::atomic<bool> ended{false}, gone{false};

 private:
  std::mutex mutex_;
  std::vector<std::string> events_, data_, ids_;
};

class Jobs : public testing::Test {
 protected:
  Jobs() {
    folder_.write("bin/tool", kScript);
    std::filesystem::permissions(folder_.path() / "bin" / "tool", std::filesystem::perms::owner_all);
    scrubber_.hide((folder_.path() / "runs").string());
    JobOptions options;
    options.program = (folder_.path() / "bin" / "tool").string();
    options.runs = folder_.path() / "runs";
    options.history = 4;
    options.grace = std::chrono::seconds(20);
    jobs_ = std::make_unique<JobManager>(options, scrubber_);
  }
  static JobSpec spec(const std::string& verb, const std::string& run = "") {
    JobSpec result;
    result.system = "test";
    result.verb = verb;
    result.config_toml = "[" + verb + "]\n";
    result.run = run;
    result.seed = 7;
    return result;
  }
  json describe(const std::string& id) const { return json::parse(jobs_->describe(id)); }
  std::string state(const std::string& id) const { return describe(id)["state"]; }
  std::string start_and_wait(const std::string& verb) {
    const std::string id = jobs_->start(spec(verb));
    EXPECT_TRUE(eventually([&] { return jobs_->active() == 0; }));
    return id;
  }
  std::string code_of_start(JobSpec wanted) {
    try {
      jobs_->start(std::move(wanted));
      return "started";
    } catch (const HttpError& error) {
      return std::to_string(error.status()) + " " + error.code();
    }
  }
  ScratchFolder folder_;
  Scrubber scrubber_;
  std::unique_ptr<JobManager> jobs_;
};

TEST_F(Jobs, RunAndTellWhatHappens) {
  const std::string id = jobs_->start(spec("quick", "mine"));
  const auto listener = std::make_shared<Listener>();
  jobs_->subscribe(id, 0, listener);
  ASSERT_TRUE(eventually([&] { return listener->ended.load(); }));
  const std::vector<std::string> events = listener->events();
  EXPECT_EQ(events.front(), "state");
  EXPECT_EQ(std::count(events.begin(), events.end(), "metrics"), 2);
  EXPECT_EQ(std::count(events.begin(), events.end(), "result"), 1);
  EXPECT_EQ(json::parse(listener->data_of("metrics")), json({{"step", 1}}));
  EXPECT_EQ(json::parse(listener->data_of("progress"))["line"], "step 1 in mine")
      << "without the folder of the server";
  const json result = json::parse(listener->data_of("result"));
  EXPECT_EQ(result["loss"], 0.5);
  EXPECT_EQ(result["seed"], 7);
  EXPECT_EQ(result["out"], "mine");
  const json job = describe(id);
  EXPECT_EQ(job["state"], "finished");
  EXPECT_EQ(job["exit_code"], 0);
  EXPECT_EQ(job["run"], "mine");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "runs" / "mine" / "job.toml"));
}

TEST_F(Jobs, AListenerContinuesWhereItStopped) {
  const std::string id = start_and_wait("quick");
  const auto all = std::make_shared<Listener>(), rest = std::make_shared<Listener>();
  jobs_->subscribe(id, 0, all);
  jobs_->subscribe(id, 2, rest);
  const std::vector<std::string> ids = all->ids();
  EXPECT_EQ(rest->ids(), std::vector<std::string>(ids.begin() + 2, ids.end()));
  EXPECT_EQ(ids.front(), "1");
  const auto gone = std::make_shared<Listener>();
  gone->gone = true;
  jobs_->subscribe(id, 0, gone);
  EXPECT_EQ(gone->events().size(), 1u);
}

TEST_F(Jobs, FailWithTheErrorOfTheVerb) {
  const json bad = describe(start_and_wait("bad"));
  EXPECT_EQ(bad["state"], "failed");
  EXPECT_EQ(bad["exit_code"], 4);
  EXPECT_EQ(bad["error"]["code"], "train.diverged");
  const json silent = describe(start_and_wait("silent"));
  EXPECT_EQ(silent["state"], "failed");
  EXPECT_EQ(silent["exit_code"], 3);
}

TEST_F(Jobs, ALongResultIsReadFromItsRun) {
  const std::string id = start_and_wait("large");
  const auto listener = std::make_shared<Listener>();
  jobs_->subscribe(id, 0, listener);
  EXPECT_EQ(json::parse(listener->data_of("result")), json({{"run", describe(id)["run"]}}));
}

TEST_F(Jobs, StopPolitely) {
  const std::string id = jobs_->start(spec("wait"));
  ASSERT_TRUE(eventually([&] { return describe(id)["progress"] == "ready"; }));
  EXPECT_EQ(state(id), "running");
  jobs_->stop(id);
  EXPECT_EQ(state(id), "stopping");
  ASSERT_TRUE(eventually([&] { return state(id) == "stopped"; }));
  EXPECT_EQ(describe(id)["exit_code"], 0);
  jobs_->stop(id);
  EXPECT_EQ(state(id), "stopped");
}

TEST_F(Jobs, OneRunsOneWaits) {
  const std::string first = jobs_->start(spec("wait"));
  const std::string second = jobs_->start(spec("quick"));
  EXPECT_EQ(jobs_->active(), 2u);
  EXPECT_EQ(code_of_start(spec("quick")), "503 jobs.queue_full");
  EXPECT_EQ(state(second), "waiting");
  jobs_->stop(second);
  EXPECT_EQ(state(second), "stopped") << "a waiting job is dropped at once";
  EXPECT_EQ(code_of_start(spec("quick")), "started");
  jobs_->stop(first);
  EXPECT_TRUE(eventually([&] { return jobs_->active() == 0; }));
  const json all = json::parse(jobs_->describe_all())["jobs"];
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["state"], "finished");
  EXPECT_EQ(all[2]["id"], first) << "newest first";
}

TEST_F(Jobs, NamesOfRunsAreChecked) {
  for (const char* name : {"../x", "a/b", ".hidden", "a b"})
    EXPECT_EQ(code_of_start(spec("quick", name)), "400 jobs.bad_run_name") << name;
  folder_.write("runs/there/run.json", "{}");
  EXPECT_EQ(code_of_start(spec("quick", "there")), "409 jobs.run_exists");
  JobSpec again = spec("quick", "there");
  again.resume = true;
  EXPECT_EQ(code_of_start(again), "started");
  EXPECT_TRUE(eventually([&] { return jobs_->active() == 0; }));
  const std::string id = jobs_->start(spec("wait", "busy"));
  JobSpec same = spec("quick", "busy");
  same.resume = true;
  EXPECT_EQ(code_of_start(same), "409 jobs.run_exists") << "it is not over yet";
  jobs_->stop(id);
}

TEST_F(Jobs, ALinkIsNoRunFolder) {
  ScratchFolder outside;
  std::filesystem::create_directories(folder_.path() / "runs");
  std::filesystem::create_directory_symlink(outside.path(), folder_.path() / "runs" / "door");
  JobSpec through = spec("quick", "door");
  through.resume = true;
  const std::string id = jobs_->start(through);
  ASSERT_TRUE(eventually([&] { return jobs_->active() == 0; }));
  EXPECT_EQ(describe(id)["error"]["code"], "file.symlink");
  EXPECT_TRUE(std::filesystem::is_empty(outside.path()));
}

TEST_F(Jobs, UnknownOnesAre404) {
  const auto code = [](const std::function<void()>& call) {
    try {
      call();
      return std::string("none");
    } catch (const HttpError& error) {
      return std::to_string(error.status()) + " " + error.code();
    }
  };
  EXPECT_EQ(code([&] { jobs_->describe("x"); }), "404 jobs.unknown_job");
  EXPECT_EQ(code([&] { jobs_->stop("x"); }), "404 jobs.unknown_job");
  EXPECT_EQ(code([&] { jobs_->subscribe("x", 0, std::make_shared<Listener>()); }), "404 jobs.unknown_job");
}

TEST_F(Jobs, OldOnesAreForgotten) {
  const std::string first = start_and_wait("silent");
  for (int i = 0; i < 4; ++i) start_and_wait("silent");
  EXPECT_EQ(json::parse(jobs_->describe_all())["jobs"].size(), 4u);
  EXPECT_EQ(code_of_start(spec("silent")), "started");
  EXPECT_THROW(jobs_->describe(first), HttpError);
}

TEST_F(Jobs, ShutDownStopsTheRunningOneAndTakesNoNewOnes) {
  const std::string id = jobs_->start(spec("wait"));
  ASSERT_TRUE(eventually([&] { return describe(id)["progress"] == "ready"; }));
  const std::string waiting = jobs_->start(spec("quick"));
  jobs_->shut_down();
  EXPECT_EQ(state(id), "stopped");
  EXPECT_EQ(state(waiting), "stopped");
  EXPECT_EQ(code_of_start(spec("quick")), "503 serve.stopping");
}

TEST_F(Jobs, AProgramThatIsNotThereIsAnError) {
  std::filesystem::remove(folder_.path() / "bin" / "tool");
  const json job = describe(start_and_wait("quick"));
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"]["code"], "serve.no_child");
}

// The same through the API.
class JobsApi : public testing::Test {
 protected:
  JobsApi() {
    scripts_.write("tool", kScript);
    std::filesystem::permissions(scripts_.path() / "tool", std::filesystem::perms::owner_all);
    server_ = std::make_unique<TestServer>([](ServeOptions&) {}, true, (scripts_.path() / "tool").string());
  }
  std::string start_code(const std::string& body) { return verdict(server_->post("/api/jobs", body)); }
  ScratchFolder scripts_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(JobsApi, StartsWatchesAndLists) {
  const test::HttpResponse started = server_->post(
      "/api/jobs", R"({"system":"test","verb":"train","config":{"a":5},"seed":3,"run":"mine"})");
  ASSERT_EQ(started.status, 202) << started.body;
  const std::string id = json::parse(started.body)["id"];
  test::HttpClient client(server_->port());
  client.send(test::HttpClient::format("GET", "/api/jobs/" + id + "/events"));
  EXPECT_EQ(client.read_response().headers["content-type"], "text/event-stream");
  std::string text;
  for (std::string chunk = client.read_chunk(); !chunk.empty(); chunk = client.read_chunk()) text += chunk;
  EXPECT_THAT(text, HasSubstr("event: state"));
  EXPECT_THAT(text, HasSubstr("event: end"));
  EXPECT_EQ(json::parse(server_->get("/api/jobs/" + id).body)["state"], "finished");
  EXPECT_EQ(json::parse(server_->get("/api/jobs").body)["jobs"].size(), 1u);
  EXPECT_EQ(server_->client().request("DELETE", "/api/jobs/" + id).status, 200);
  std::ifstream config(server_->folder.path() / "mine" / "job.toml");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(config), {}), HasSubstr("a = 5"));
}

TEST_F(JobsApi, RefusesWhatIsWrong) {
  EXPECT_EQ(start_code("[]"), "400 jobs.bad_request");
  EXPECT_EQ(start_code(R"({"system":1,"verb":"train"})"), "400 jobs.bad_request");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","x":1})"), "400 jobs.bad_request");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","seed":-1})"), "400 jobs.bad_request");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","resume":1})"), "400 jobs.bad_request");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"nosuch"})"), "404 serve.unknown_verb");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"secret"})"), "404 serve.unknown_verb");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","config":{"b":"x"}})"), "400 config.bad_value");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","config":{"program":"/bin/sh"}})"),
            "403 serve.file_field");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","config":{"table":"/etc/passwd"}})"),
            "403 serve.file_field");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","run":"../x"})"), "400 jobs.bad_run_name");
  EXPECT_EQ(start_code(R"({"system":"test","verb":"train","preset":"nosuch"})"), "400 config.unknown_preset");
  EXPECT_EQ(verdict(server_->get("/api/jobs/nosuch")), "404 jobs.unknown_job");
  EXPECT_EQ(verdict(server_->get("/api/jobs/nosuch/events")), "404 jobs.unknown_job");
  EXPECT_EQ(verdict(server_->client().request("DELETE", "/api/jobs/nosuch")), "404 jobs.unknown_job");
}

}  // namespace
}  // namespace tenfold::serve
