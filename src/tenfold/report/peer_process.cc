// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/peer_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "tenfold/base/error.h"

extern char** environ;

namespace tenfold::report {
namespace {

Error failed(std::string seen, std::string wanted) {
  return Error(
      ErrorClass::kResource,
      "bench.peer_failed",
      {.what = "the peer of the benchmark does not answer",
       .seen = std::move(seen),
       .wanted = std::move(wanted),
       .remedy = "install what the peer needs (group bench of packaging/dependencies.txt), or leave it out"});
}

}  // namespace

PeerProcess::PeerProcess(const std::vector<std::string>& command) {
  check_internal(!command.empty(), "peer process: empty command");
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw failed(std::strerror(errno), "a connection to the peer");
  }
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const int status = posix_spawnp(&child_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  socket_ = ends[0];
  if (status != 0) {
    close(socket_);
    throw failed(command[0] + ": " + std::strerror(status), "a program that can be started");
  }
}

PeerProcess::~PeerProcess() {
  close(socket_);  // end of input: the child ends by itself
  for (int wait = 0; wait < 100; ++wait) {
    if (waitpid(child_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
}

void PeerProcess::write_line(const std::string& line) {
  const std::string text = line + "\n";
  // MSG_NOSIGNAL: a peer that has gone must not end this process by SIGPIPE.
  const ssize_t written = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  if (written != static_cast<ssize_t>(text.size())) throw failed("a closed connection", "a running peer");
}

std::string PeerProcess::read_line(int limit_seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(limit_seconds);
  for (;;) {
    const std::size_t end = pending_.find('\n');
    if (end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    const int ready = left.count() > 0 ? poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      throw failed("no answer in " + std::to_string(limit_seconds) + " s", "one line per repetition");
    }
    std::array<char, 4096> buffer;
    const ssize_t got = read(socket_, buffer.data(), buffer.size());
    if (got <= 0) throw failed("end of its output", "one line per repetition");
    pending_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace tenfold::report
