// SPDX-License-Identifier: Apache-2.0
// `tenfold serve`: every system over HTTP and in a browser.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/cli/commands.h"
#include "tenfold/cli/signals.h"
#include "tenfold/serve/server.h"

namespace tenfold::cli {
namespace {

// The commands beside the systems that a client may call.
std::vector<systems::Verb> served_commands(const Program& program) {
  std::vector<systems::Verb> commands = {make_list_command()};
  for (const systems::Verb& command : program.commands) {
    if (command.name == "doctor") commands.push_back(command);
  }
  return commands;
}

// The launcher that started this program; jobs are started by it again.
Path own_program() {
  std::error_code failure;
  const Path path = std::filesystem::read_symlink("/proc/self/exe", failure);
  return failure ? Path() : path;
}

serve::ServeParts parts_of(const Program& program) {
  serve::ServeParts parts;
  parts.systems = program.systems;
  parts.commands = served_commands(program);
  const Path launcher = own_program();
  parts.program = launcher.string();
  const Path shipped = launcher.parent_path().parent_path() / "share" / "tenfold" / "models";
  std::error_code ignored;
  if (std::filesystem::is_directory(shipped, ignored)) parts.shipped.push_back(shipped);
  return parts;
}

systems::Outcome run_server(const Program& program, serve::ServeOptions options, systems::Context& context) {
  if (options.workers == 0) options.workers = thread_count();
  // Workers run side by side: their loops share the threads that were asked for.
  const int threads = std::max(1, thread_count() / static_cast<int>(options.workers));
  set_thread_count(threads);
  if (program.set_threads) program.set_threads(threads);
  serve::Server server(options, parts_of(program));
  server.start(context.progress);
  const std::string url = server.url();
  context.progress(fmt::format("serving {} (stop with Ctrl-C)", url));
  const serve::ServeEnd end = server.run(*context.stop);
  if (end.stuck) leave_at_once();
  std::string text = fmt::format("{} stopped after {} requests", url, end.answered);
  if (end.lost > 0) text += fmt::format("; {} had no answer when the time of --drain was over", end.lost);
  return systems::make_outcome({{"url", url}, {"requests", end.answered}, {"lost", end.lost}},
                               std::move(text),
                               end.lost > 0 ? static_cast<int>(ErrorClass::kResource) : 0);
}

}  // namespace

systems::Verb make_serve_command(const SharedProgram& program) {
  return systems::make_verb<serve::ServeOptions>(
      "serve",
      "serve models, verbs and runs over HTTP, with a page for the browser",
      "Opens bundles, run folders and folders of them, nothing else of this machine. Listens on 127.0.0.1; "
      "other "
      "addresses need a token. Open Inference Protocol v2 below /v2, every verb below /api/SYSTEM/VERB, all "
      "described in "
      "/api/openapi.json. SIGTERM finishes what was accepted and ends; a second one ends at once.",
      {},
      [program](const serve::ServeOptions& options, systems::Context& context) {
        return run_server(*program, options, context);
      });
}

}  // namespace tenfold::cli
