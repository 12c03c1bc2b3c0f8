// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/job_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace tenfold::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLongestLine = 1000;

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return number_; }
  bool open() const { return number_ >= 0; }
  void reset() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

[[noreturn]] void fail(std::string_view what, int error) {
  throw Error(ErrorClass::kResource,
              "serve.no_child",
              {.what = fmt::format("a job cannot be started: {}", what),
               .seen = std::strerror(error),
               .remedy = "close other programs or raise the limits (ulimit -n, ulimit -u)"});
}

struct Pipe {
  Descriptor read, write;
};

// Numbers 0 to 2 are avoided because the child's streams are moved there one after the other.
Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("no pipe", errno);
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  if (pipe.write.get() <= STDERR_FILENO) {
    Descriptor higher(::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!higher.open()) fail("no descriptor", errno);
    pipe.write = std::move(higher);
  }
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

std::vector<std::string> child_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("TENFOLD_SET_")) variables.emplace_back(text);
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

pid_t spawn(const std::vector<std::string>& words, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0) {
    fail("no memory", ENOMEM);
  }
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  // The server's threads may block signals, and the program ignores some; the child starts with none of that.
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  for (int signal : {SIGPIPE, SIGTERM, SIGINT}) sigaddset(&standard, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = words;
  std::vector<std::string> environment = child_environment();
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid,
                                  arguments[0].c_str(),
                                  &actions,
                                  &attributes,
                                  pointers(arguments).data(),
                                  pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) fail(arguments[0], error);
  return pid;
}

class Conversation {
 public:
  Conversation(const JobProcessOptions& options,
               pid_t pid,
               const StopToken& stop,
               const std::function<void(std::string_view)>& line)
      : options_(options), pid_(pid), stop_(stop), line_(line) {}

  JobProcessEnd run(Descriptor out, Descriptor err, const std::function<void()>& tick) {
    JobProcessEnd end;
    std::optional<int> status;
    while (!status || out.open() || err.open()) {
      std::array<pollfd, 2> waiting = {pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
      ::poll(waiting.data(), waiting.size(), static_cast<int>(options_.tick.count()));
      read_some(out, [&](std::string_view bytes) { keep(end, bytes); });
      read_some(err, [&](std::string_view bytes) { split_lines(bytes); });
      if (!status) status = reap();
      // A grandchild may hold the pipes open after the child's end.
      if (status && waiting[0].revents == 0 && waiting[1].revents == 0) break;
      send_signals(status.has_value());
      if (Clock::now() >= next_tick_) {
        next_tick_ = Clock::now() + options_.tick;
        tick();
      }
    }
    if (!line_text_.empty()) line_(line_text_);
    tick();
    end.exit_code = WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
    return end;
  }

 private:
  template <typename Take>
  static void read_some(Descriptor& from, const Take& take) {
    std::array<char, 16384> buffer;
    if (!from.open()) return;
    const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return from.reset();
    take(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
  }

  void keep(JobProcessEnd& end, std::string_view bytes) const {
    const std::size_t room = options_.output_limit - end.output.size();
    end.output_cut |= bytes.size() > room;
    end.output.append(bytes.substr(0, room));
  }

  void split_lines(std::string_view bytes) {
    for (char c : bytes) {
      if (c != '\n' && c != '\r') {
        if (line_text_.size() < kLongestLine) line_text_ += c;
      } else if (!line_text_.empty()) {
        line_(line_text_);
        line_text_.clear();
      }
    }
  }

  std::optional<int> reap() {
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) return status;
    if (got < 0 && errno == ECHILD) return 0;  // a host program that ignores SIGCHLD
    return std::nullopt;
  }

  void send_signals(bool ended) {
    if (ended || !stop_.requested()) return;
    const Clock::time_point now = Clock::now();
    if (!asked_) {
      asked_ = now;
      ::kill(-pid_, SIGTERM);
    } else if (!killed_ && now >= *asked_ + options_.grace) {
      killed_ = true;
      ::kill(-pid_, SIGKILL);
    }
  }

  const JobProcessOptions& options_;
  const pid_t pid_;
  const StopToken& stop_;
  const std::function<void(std::string_view)>& line_;
  std::string line_text_;
  std::optional<Clock::time_point> asked_;
  bool killed_ = false;
  Clock::time_point next_tick_;
};

}  // namespace

JobProcessEnd run_job_process(const JobProcessOptions& options,
                              const StopToken& stop,
                              const std::function<void(std::string_view)>& line,
                              const std::function<void()>& tick) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const pid_t pid = spawn(options.arguments, out.write.get(), err.write.get());
  out.write.reset();
  err.write.reset();
  return Conversation(options, pid, stop, line).run(std::move(out.read), std::move(err.read), tick);
}

}  // namespace tenfold::serve
