// SPDX-License-Identifier: Apache-2.0
// `tenfold launch`: the ranks of a distributed run on this machine. It sets the variables that torchrun sets, so any program
// that knows those can be started with it.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/error.h"
#include "tenfold/base/process.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/cli/commands.h"
#include "tenfold/cli/error_output.h"
#include "tenfold/cli/rank_group.h"
#include "tenfold/cli/signals.h"

namespace tenfold::cli {
namespace {

struct LaunchOptions {
  std::int64_t ranks = 2;
  std::int64_t port = 0;
  std::int64_t timeout = 300;
  double grace = 10.0;
  std::vector<std::string> command;

  void visit_fields(auto&& field) {
    field("ranks", ranks, {.help = "processes to start", .min = 1, .max = 1024, .letter = 'n'});
    field("port",
          port,
          {.help = "port on which rank 0 waits for the others; 0: a free one", .min = 0, .max = 65535});
    field("timeout",
          timeout,
          {.help = "how long one rank waits for another", .unit = "s", .min = 1, .max = 86400});
    field("grace",
          grace,
          {.help = "from SIGTERM to SIGKILL for the ranks left over when one fails",
           .unit = "s",
           .min = 0.0,
           .max = 86400});
    field("command", command, {.help = "the command of every rank", .required = true, .rest = true});
  }
};

int free_port() {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (!listener.is_open() || ::bind(listener.get(), any, length) != 0 ||
      ::getsockname(listener.get(), any, &length) != 0) {
    throw Error(ErrorClass::kResource,
                "launch.no_port",
                {.what = "no free port for the ranks to meet",
                 .seen = std::strerror(errno),
                 .wanted = "a loopback network with a free port",
                 .remedy = "bring the interface lo up, or name a port with --port"});
  }
  return ntohs(address.sin_port);
}

// `tenfold` among the words is this program, wherever it is installed.
std::vector<std::string> resolve_command(std::vector<std::string> command) {
  std::error_code failed;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (command[0] == "tenfold" && !failed) command[0] = own.string();
  return command;
}

// Threads of one rank: what the user set for a process, or this machine's share.
std::string threads_of_rank(std::int64_t ranks) {
  const bool given = thread_count() != default_thread_count();  // --threads: for all ranks together
  if (const char* inherited = std::getenv("OMP_NUM_THREADS"); inherited != nullptr && !given)
    return inherited;
  return std::to_string(std::max<std::int64_t>(1, thread_count() / ranks));
}

RankGroupPlan make_plan(const LaunchOptions& options, const systems::Context& context) {
  RankGroupPlan plan;
  plan.command = resolve_command(options.command);
  plan.ranks = static_cast<int>(options.ranks);
  plan.grace = std::chrono::milliseconds(static_cast<std::int64_t>(options.grace * 1000));
  plan.results_of_rank_0 =
      std::find(plan.command.begin(), plan.command.end(), "--json") != plan.command.end();
  plan.all_to_stderr = context.json;
  plan.stop = context.stop;
  plan.stop_signal = stop_signal;
  const std::string port = std::to_string(options.port == 0 ? free_port() : static_cast<int>(options.port));
  const std::string threads = threads_of_rank(options.ranks), size = std::to_string(options.ranks);
  const std::string job = fmt::format("launch-{}-{}", ::getpid(), port);
  plan.variables = [=,
                    timeout = options.timeout](int rank) -> std::vector<std::pair<std::string, std::string>> {
    return {{"RANK", std::to_string(rank)},
            {"LOCAL_RANK", std::to_string(rank)},
            {"WORLD_SIZE", size},
            {"LOCAL_WORLD_SIZE", size},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", port},
            {"OMP_NUM_THREADS", threads},
            {"TENFOLD_JOB", job},
            {"TENFOLD_RANK_TIMEOUT", std::to_string(timeout)}};
  };
  plan.write = [](bool standard_error, std::string_view text) {
    std::FILE* to = standard_error ? stderr : stdout;
    std::fwrite(text.data(), 1, text.size(), to);
    std::fflush(to);
  };
  return plan;
}

std::string how_it_ended(int exit_code) {
  if (exit_code <= 128) return fmt::format("exit code {}", exit_code);
  return fmt::format("signal {} ({})", exit_code - 128, ::strsignal(exit_code - 128));
}

Error failure_of(const RankGroupReport& report, const LaunchOptions& options) {
  const RankExit& first = report.ranks[static_cast<std::size_t>(report.first_failure)];
  const bool stopped = report.stop_signal != 0;
  return Error(
      ErrorClass::kResource,
      stopped ? "launch.stopped" : "launch.rank_failed",
      {.what = fmt::format(
           "rank {} of {} {}", report.first_failure, options.ranks, stopped ? "was stopped" : "failed"),
       .seen = fmt::format("{} after {:.1f} s: {}",
                           how_it_ended(first.exit_code),
                           first.seconds,
                           printable(join(options.command, " "), 200)),
       .wanted = "exit code 0 on every rank",
       .remedy = stopped ? "start it again to go on"
                         : fmt::format("read its output above, marked [{}]; the other ranks were ended",
                                       report.first_failure)});
}

systems::Outcome launch(const LaunchOptions& options, systems::Context& context) {
  const RankGroupPlan plan = make_plan(options, context);
  const RankGroupReport report = run_rank_group(plan);
  nlohmann::json ranks = nlohmann::json::array();
  for (std::size_t rank = 0; rank < report.ranks.size(); ++rank) {
    ranks.push_back({{"rank", rank},
                     {"exit_code", report.ranks[rank].exit_code},
                     {"seconds", report.ranks[rank].seconds}});
  }
  nlohmann::json result = {{"command", options.command}, {"ranks", ranks}, {"first_failure", nullptr}};
  int exit_code = 0;
  if (report.first_failure >= 0) {
    result["first_failure"] = report.first_failure;
    exit_code = report.ranks[static_cast<std::size_t>(report.first_failure)].exit_code;
    const Error failure = failure_of(report, options);
    std::fputs(error_text(failure).c_str(), stderr);
    // The command was asked for an object and rank 0 did not come to print one.
    const bool owed = plan.results_of_rank_0 && !context.json && !report.had_results;
    if (owed) std::fputs(error_json(failure, exit_code).c_str(), stdout);
  }
  systems::Outcome outcome = systems::make_outcome(std::move(result), "", exit_code);
  outcome.shown = context.json || !context.out.empty();
  return outcome;
}

}  // namespace

systems::Verb make_launch_command() {
  return systems::make_verb<LaunchOptions>("launch",
                                           "start the ranks of a distributed run on this machine",
                                           "Starts the command once for every rank, with RANK, LOCAL_RANK, "
                                           "WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and "
                                           "MASTER_PORT set as torchrun does, and the cores shared among the "
                                           "ranks (--threads: for all of them together). "
                                           "Every line of output is marked with its rank; when the command "
                                           "has --json, the standard output of rank 0 goes "
                                           "on unmarked and that of the others to standard error. When a "
                                           "rank fails, the others are ended and its exit code "
                                           "is returned. SIGINT and SIGTERM are passed on. TENFOLD_SET_ "
                                           "variables go to the command. For several machines "
                                           "use mpirun or srun.",
                                           {"tenfold launch -n 2 -- tenfold list"},
                                           launch);
}

}  // namespace tenfold::cli
