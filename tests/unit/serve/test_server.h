// SPDX-License-Identifier: Apache-2.0
// A whole server in the test's process: an echo model, a system whose verbs add, wait and write files, and a folder of
// runs and bundles.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "tenfold/serve/server.h"
#include "tests/support/http_client.h"
#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {

// An empty folder that goes with the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tenfold-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const Path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  Path path_;
};

struct AddOptions {
  double a = 1.0;
  double b = 2.0;
  std::string name = "sum";
  std::string table;
  std::string file;
  std::string runs = "none";
  std::string run;
  std::string program = "python3";
  void visit_fields(auto&& field) {
    field("a", a, {.help = "a number", .min = -1000, .max = 1000, .served_max = 100});
    field("b", b, {.help = "a number"});
    field("name", name, {.help = "of the sum", .choices = {"sum", "total"}});
    field("table", table, {.help = "a table", .file = config::FileUse::kRead});
    field("file", file, {.help = "a file to write", .file = config::FileUse::kWrite});
    field("runs", runs, {.help = "folder of runs", .file = config::FileUse::kRuns});
    field("run", run, {.help = "one run", .file = config::FileUse::kRunFolder});
    field("program", program, {.help = "a program", .file = config::FileUse::kRunProgram});
  }
};

inline systems::Outcome add(const AddOptions& options, systems::Context& context) {
  if (options.b == 13) throw Error(ErrorClass::kData, "test.thirteen", {.what = options.runs + "/x: 13"});
  if (options.b == 14) throw Error(ErrorClass::kInternal, "test.bug", {.what = "secret"});
  if (options.b == 15) throw std::runtime_error("secret");
  nlohmann::json json = {{options.name, options.a + options.b},
                         {"seed", context.seed},
                         {"runs", options.runs},
                         {"run", options.run}};
  if (!options.table.empty()) {
    std::ifstream table(options.table);
    json["table"] = std::string(std::istreambuf_iterator<char>(table), {});
    json["table_path"] = options.table;
  }
  if (!options.file.empty()) {
    write_file_atomically(*context.files, context.out / options.file, "written <b>");
  }
  return systems::make_outcome(json, "the sum is " + std::to_string(options.a + options.b));
}

// Verbs of the tests' system that wait: `polite` ends when it is told to, `stubborn` only when the gate opens.
struct Waiting {
  Gate gate;
  std::atomic<int> running{0};
};

struct CountOptions {
  std::int64_t to = 3;
  void visit_fields(auto&& field) { field("to", to, {.help = "last number", .min = 1, .max = 1e6}); }
};

inline nlohmann::json count(const CountOptions& options, systems::RouteContext& context) {
  std::int64_t sent = 0;
  while (sent < options.to && !context.stop->requested()) {
    ++sent;
    if (sent == 13) throw Error(ErrorClass::kData, "test.thirteen", {.what = "13 is not liked"});
    if (context.events != nullptr && !context.events->send("number", sent)) break;
  }
  return {{"counted", sent}, {"seed", context.seed}};
}

struct NoOptions {
  void visit_fields(auto&&) {}
};

inline systems::System test_system(const std::shared_ptr<Waiting>& waiting) {
  systems::System system;
  system.name = "test";
  system.title = "Tests";
  system.summary = "adds";
  system.paper = "none";
  system.verbs = {
      systems::make_verb<AddOptions>("add", "adds two numbers", "", {}, add),
      systems::make_verb<NoOptions>("polite",
                                    "waits until it is told to stop",
                                    "",
                                    {},
                                    [waiting](const NoOptions&, systems::Context& context) {
                                      ++waiting->running;
                                      while (!context.stop->requested()) std::this_thread::yield();
                                      --waiting->running;
                                      return systems::make_outcome({{"stopped", true}}, "");
                                    }),
      systems::make_verb<NoOptions>("stubborn",
                                    "waits for the gate",
                                    "",
                                    {},
                                    [waiting](const NoOptions&, systems::Context&) {
                                      ++waiting->running;
                                      waiting->gate.pass();
                                      --waiting->running;
                                      return systems::make_outcome({{"stopped", false}}, "");
                                    }),
      served_as(systems::Served::kJob, systems::make_verb<AddOptions>("train", "takes long", "", {}, add)),
      served_as(systems::Served::kNever,
                systems::make_verb<AddOptions>("secret", "not served", "", {}, add))};
  system.presets = {{"demo", "[add]\na = 40\n"}};
  system.routes = {systems::make_route<CountOptions>("count", "counts", true, count)};
  // A bundle whose one number is given to its answers' factor: read once, when it is opened.
  system.open_bundle = [](const io::BundleReader& bundle, const std::string& name) {
    const std::string text = bundle.read_text("config.toml", 100);
    return systems::Service{std::make_shared<EchoPredictor>(name + text.substr(0, text.find('\n'))), {}};
  };
  return system;
}

class TestServer {
 public:
  using Change = std::function<void(ServeOptions&)>;

  explicit TestServer(const Change& change = {}, bool start_now = true, const std::string& program = "") {
    options_.port = 0;
    options_.runs = folder.path().string();
    options_.workers = 2;
    if (change) change(options_);
    ServeParts parts;
    parts.systems = {test_system(waiting)};
    parts.program = program;
    parts.models = {{echo, {systems::make_route<CountOptions>("count", "counts", true, count)}}};
    server_ = std::make_unique<Server>(options_, std::move(parts));
    if (start_now) server_->start();
  }
  Server& operator*() { return *server_; }
  Server* operator->() { return server_.get(); }
  void destroy() { server_.reset(); }
  std::uint16_t port() const { return server_->port(); }
  test::HttpClient client() const { return test::HttpClient(port()); }

  test::HttpResponse get(const std::string& target, const std::vector<std::string>& headers = {}) const {
    return client().get(target, headers);
  }
  test::HttpResponse post(const std::string& target,
                          const std::string& body,
                          const std::vector<std::string>& headers = {}) const {
    return client().post(target, body, headers);
  }

  ScratchFolder folder;  // of runs
  std::shared_ptr<EchoPredictor> echo = std::make_shared<EchoPredictor>();
  std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();

 private:
  ServeOptions options_;
  std::unique_ptr<Server> server_;
};

inline constexpr char kInfer[] = "/v2/models/echo/infer";

// "status code", of an error in either form; the status alone of another answer.
inline std::string verdict(const test::HttpResponse& response) {
  const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
  const std::string status = std::to_string(response.status);
  if (!body.is_object()) return status;
  const nlohmann::json& error = body.contains("error") && body["error"].is_object() ? body["error"] : body;
  return error.contains("code") ? status + " " + error["code"].get<std::string>() : status;
}

}  // namespace tenfold::serve
