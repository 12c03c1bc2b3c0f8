// SPDX-License-Identifier: Apache-2.0
// The server as a whole: models, verbs, jobs, runs, metrics and the page behind one HTTP server; loads, serves, drains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/serve/limits.h"
#include "tenfold/systems/system.h"

namespace tenfold::serve {

// What a user chooses; the fields of `tenfold serve`.
struct ServeOptions {
  std::vector<std::string> dirs;
  std::int64_t port = 8010;
  std::string host = "127.0.0.1";
  std::string token;
  std::vector<std::string> allow_host;
  std::string runs = "runs";
  std::int64_t workers = 0;
  std::int64_t io_threads = 1;
  double batch_delay = -1.0;
  double drain = 20.0;
  double notice = 0.0;
  std::string address_file;
  Limits limits;

  void visit_fields(auto&& field) {
    field("dirs",
          dirs,
          {.help = "bundles, run folders, and folders of them; what ships with the program when left out",
           .positional = true,
           .file = config::FileUse::kRead});
    field("port", port, {.help = "to listen on; 0: a free one", .min = 0, .max = 65535});
    field("host", host, {.help = "address to listen on; others than this machine need --token"});
    field("token",
          token,
          {.help = "that every client must send; better TENFOLD_SET_TOKEN than the command line"});
    field("allow_host", allow_host, {.help = "other names under which clients may reach the server"});
    field("runs", runs, {.help = "folder for the runs of jobs", .file = config::FileUse::kRuns});
    field("workers",
          workers,
          {.help = "calls of a model at the same time; 0: one a core", .min = 0, .max = 1024});
    field("io_threads", io_threads, {.help = "threads that read and write", .min = 1, .max = 64});
    field("batch_delay",
          batch_delay,
          {.help = "longest wait for a fuller batch; -1: as each model says",
           .unit = "s",
           .min = -1,
           .max = 10});
    field("drain",
          drain,
          {.help = "longest time for the end of open requests", .unit = "s", .min = 0, .max = 3600});
    field("notice",
          notice,
          {.help = "before that: not ready, but answering, so that a load balancer looks elsewhere",
           .unit = "s",
           .min = 0,
           .max = 600});
    field("address_file",
          address_file,
          {.help = "file that gets the address once the server is ready", .file = config::FileUse::kWrite});
    field("limits", limits, {});
  }
};

// What the program around it brings.
struct ServeParts {
  std::vector<systems::System> systems;
  std::vector<systems::Verb> commands;   // of the program itself that clients may call
  std::string program;                   // path of this tool, for jobs; empty: no jobs
  std::vector<Path> shipped;             // folders of bundles that come with the program
  std::vector<systems::Service> models;  // beside those of systems and bundles
};

// How a server ended.
struct ServeEnd {
  std::uint64_t answered = 0;  // requests
  int lost = 0;                // accepted requests without an answer when the time was over
  bool stuck = false;  // a call goes on though it was told to stop: leave the process without waiting for it
};

class Server {
 public:
  // Throws Error(kUsage): "serve.token_needed" (another address without a token), those of Guard; Error(kFile):
  // "serve.no_folder".
  Server(ServeOptions options, ServeParts parts);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens, then loads and warms the models; ready() is false until then. Throws Error: those of HttpServer::start, and what
  // makes a bundle that was named unusable.
  void start(const std::function<void(std::string_view)>& progress = {});
  bool ready() const;
  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8010/"

  ServeEnd run(const StopToken& stop);  // until `stop` is requested; then drain()
  // Not ready at once; after ServeOptions::notice no new connections; finishes what was accepted, at most for
  // ServeOptions::drain, then tells the rest to stop. The memory of a call that does not even then is never freed.
  ServeEnd drain();

 private:
  struct State;
  ServeEnd drain_until(Clock::time_point end, bool wait);
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::serve
