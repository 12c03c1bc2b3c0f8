// SPDX-License-Identifier: Apache-2.0
// posix_spawnp and one poll loop over the three streams.
#include "tenfold/report/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/error.h"
#include "tenfold/base/process.h"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace tenfold::report {
namespace {

using Clock = std::chrono::steady_clock;

struct Channel {
  Descriptor parent, child;
};

// Sockets instead of pipes: send() with MSG_NOSIGNAL reports a vanished reader without SIGPIPE. Numbers 0 to
// 2 are avoided because the child's streams are moved there one after the other.
Channel make_channel() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw_no_child("no socket pair", errno);
  Channel channel{Descriptor(ends[0]), Descriptor(ends[1])};
  if (channel.child.get() <= STDERR_FILENO) {
    Descriptor higher(::fcntl(channel.child.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!higher.is_open()) throw_no_child("no descriptor", errno);
    channel.child = std::move(higher);
  }
  const int flags = ::fcntl(channel.parent.get(), F_GETFL);
  if (flags < 0 || ::fcntl(channel.parent.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    throw_no_child("no pipe", errno);
  return channel;
}

std::vector<std::string> child_environment() {
  std::vector<std::string> variables = {"LC_ALL=C.UTF-8"};
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("LC_") && !text.starts_with("LANG")) variables.emplace_back(text);
  }
  return variables;
}

class SpawnSettings {
 public:
  SpawnSettings(int in, int out, int err) {
    if (posix_spawn_file_actions_init(&actions_) != 0 || posix_spawnattr_init(&attributes_) != 0) {
      throw_no_child("no memory", ENOMEM);
    }
    posix_spawn_file_actions_adddup2(&actions_, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    // The program may block or ignore signals for its own threads; the child starts with none of that.
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &standard);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// The running child: kills and reaps it when an exception leaves the loop.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill();
      wait_forever();
    }
  }
  void kill() const { ::kill(pid_, SIGKILL); }

  // Exit code, or -1 when it still runs at `deadline`.
  int wait_until(Clock::time_point deadline) {
    while (true) {
      int status = 0;
      const pid_t got = ::waitpid(pid_, &status, WNOHANG);
      if (got == pid_) return finish(status);
      if (got < 0 && errno != EINTR) {  // a host program that ignores SIGCHLD leaves nothing to wait for
        pid_ = -1;
        return 0;
      }
      if (Clock::now() >= deadline) return -1;
      ::poll(nullptr, 0, 2);
    }
  }
  int wait_forever() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) {
        pid_ = -1;
        return 0;
      }
    }
    return finish(status);
  }

 private:
  int finish(int status) {
    pid_ = -1;
    return exit_code_of(status);
  }
  pid_t pid_;
};

class Conversation {
 public:
  Conversation(const ChildCommand& command, Descriptor in, Descriptor out, Descriptor err)
      : command_(command), in_(std::move(in)), out_(std::move(out)), err_(std::move(err)) {}

  // Returns when the child closed both outputs, at the deadline, or when an output grew too long.
  void run(Clock::time_point deadline, ChildResult& result) {
    if (command_.input.empty()) in_.reset();
    while (out_.is_open() || err_.is_open()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) {
        result.timed_out = true;
        return;
      }
      std::array<pollfd, 3> waiting = {
          pollfd{in_.get(), POLLOUT, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
      const int ready =
          ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<long long>(left, 1000)));
      if (ready < 0 && errno != EINTR) throw_no_child("poll", errno);
      if (ready <= 0) continue;
      if (waiting[0].revents != 0) send_some();
      if (waiting[1].revents != 0) receive_some(out_, result.output);
      if (waiting[2].revents != 0) receive_some(err_, result.errors);
      if (std::max(result.output.size(), result.errors.size()) > command_.output_limit) {
        result.too_long = true;
        return;
      }
    }
  }

 private:
  void send_some() {
    const ssize_t count =
        ::send(in_.get(), command_.input.data() + sent_, command_.input.size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) {  // the child reads no further; what it says on its outputs matters
      in_.reset();
      return;
    }
    sent_ += static_cast<std::size_t>(count);
    if (sent_ == command_.input.size()) in_.reset();
  }

  static void receive_some(Descriptor& from, std::string& text) {
    std::array<char, 65536> buffer;
    const ssize_t count = ::recv(from.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      from.reset();
      return;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }

  const ChildCommand& command_;
  Descriptor in_, out_, err_;
  std::size_t sent_ = 0;
};

}  // namespace

ChildResult run_child(const ChildCommand& command) {
  check_internal(!command.arguments.empty(), "a child process needs a program name");
  Channel in = make_channel(), out = make_channel(), err = make_channel();
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = child_environment();
  ChildResult result;
  pid_t pid = -1;
  {
    const SpawnSettings settings(in.child.get(), out.child.get(), err.child.get());
    const int error = ::posix_spawnp(&pid,
                                     arguments[0].c_str(),
                                     settings.actions(),
                                     settings.attributes(),
                                     exec_pointers(arguments).data(),
                                     exec_pointers(environment).data());
    if (error == ENOENT || error == EACCES || error == ENOTDIR) {
      result.found = false;
      return result;
    }
    if (error != 0) throw_no_child(arguments[0], error);
  }
  Child child(pid);
  in.child.reset();
  out.child.reset();
  err.child.reset();
  const Clock::time_point deadline = Clock::now() + command.time_limit;
  Conversation(command, std::move(in.parent), std::move(out.parent), std::move(err.parent))
      .run(deadline, result);
  result.exit_code = result.timed_out || result.too_long ? -1 : child.wait_until(deadline);
  if (result.exit_code >= 0) return result;
  result.timed_out = !result.too_long;
  child.kill();
  result.exit_code = child.wait_forever();
  return result;
}

}  // namespace tenfold::report
