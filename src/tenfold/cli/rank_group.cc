// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/rank_group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/error.h"
#include "tenfold/base/process.h"
#include "tenfold/base/strings.h"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace tenfold::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLook{20};         // how often ended ranks are looked for
constexpr milliseconds kLastWords{1000};  // for output that a rank's own children still hold after its end
constexpr std::size_t kLongestLine = 64 << 10;
constexpr int kLostOthers = 6;  // exit code of a rank that noticed another one's end

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_no_child("no pipe", errno);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// One stream of one rank, line by line.
class Stream {
 public:
  Stream(Descriptor from, std::string prefix, std::function<void(std::string_view)> write)
      : from_(std::move(from)), prefix_(std::move(prefix)), write_(std::move(write)) {
    ::fcntl(from_.get(), F_SETFL, ::fcntl(from_.get(), F_GETFL) | O_NONBLOCK);
  }

  int descriptor() const { return from_.get(); }
  bool open() const { return from_.is_open(); }
  bool had_bytes() const { return had_bytes_; }

  // What is there now. At the end of the stream the last line is given out, with a line end.
  void read_all() {
    std::array<char, 65536> buffer;
    while (open()) {
      const ssize_t count = ::read(from_.get(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) return finish();
      had_bytes_ = true;
      add({buffer.data(), static_cast<std::size_t>(count)});
    }
  }

  void finish() {
    if (!line_.empty()) give_out(prefix_.empty() ? line_ : line_ + "\n");
    line_.clear();
    from_.reset();
  }

 private:
  void add(std::string_view text) {
    if (prefix_.empty()) return write_(text);
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      line_ += text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      if (end == std::string_view::npos && line_.size() < kLongestLine) return;
      give_out(line_ + "\n");
      line_.clear();
    }
  }
  void give_out(const std::string& line) { write_(prefix_ + line); }

  Descriptor from_;
  std::string prefix_;  // empty: text goes on as it comes
  std::function<void(std::string_view)> write_;
  std::string line_;
  bool had_bytes_ = false;
};

struct Rank {
  pid_t pid = -1;
  bool running = false;
  std::vector<Stream> streams;
  Clock::time_point end;
};

// In the new process, between fork and exec: async-signal-safe calls only. Writes errno to `failure` when exec fails.
[[noreturn]] void become(
    char** argv, char** variables, pid_t parent, const std::array<int, 3>& streams, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before it could be watched
  for (int target = 0; target < 3; ++target) ::dup2(streams[static_cast<std::size_t>(target)], target);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGQUIT, SIGHUP})
    ::sigaction(signal, &standard, nullptr);
  ::execvpe(argv[0], argv, variables);
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(failure, &error, sizeof error);
  ::_exit(127);
}

class RankGroup {
 public:
  explicit RankGroup(const RankGroupPlan& plan) : plan_(plan), begin_(Clock::now()) {
    report_.ranks.resize(static_cast<std::size_t>(plan.ranks));
  }
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;
  ~RankGroup() {  // ranks still run only when an exception leaves
    signal_all(SIGKILL);
    for (Rank& rank : ranks_) {
      if (rank.running) ::waitpid(rank.pid, nullptr, 0);
    }
  }

  RankGroupReport run() {
    for (int rank = 0; rank < plan_.ranks; ++rank) start(rank);
    while (anything_left()) {
      wait_for_output();
      reap();
      pass_on_stop();
      end_rest_after_failure();
    }
    report_.had_results = ranks_[0].streams[0].had_bytes();
    return report_;
  }

 private:
  void start(int rank);
  void add_streams(int rank, Rank& started, Descriptor out, Descriptor err);

  bool anything_left() const {
    return std::any_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) {
      return rank.running || std::any_of(rank.streams.begin(), rank.streams.end(), [](const Stream& one) {
               return one.open();
             });
    });
  }

  void wait_for_output() {
    std::vector<pollfd> polls;
    for (const Rank& rank : ranks_) {
      for (const Stream& stream : rank.streams) polls.push_back({stream.descriptor(), POLLIN, 0});
    }
    ::poll(polls.data(), polls.size(), static_cast<int>(kLook.count()));
    for (Rank& rank : ranks_) {
      for (Stream& stream : rank.streams) stream.read_all();
    }
  }

  void reap() {
    const Clock::time_point now = Clock::now();
    std::optional<int> failed;
    for (int index = 0; index < plan_.ranks; ++index) {
      Rank& rank = ranks_[static_cast<std::size_t>(index)];
      int status = 0;
      if (rank.running && ::waitpid(rank.pid, &status, WNOHANG) == rank.pid) {
        rank.running = false;
        rank.end = now;
        const int code = exit_code_of(status);
        report_.ranks[static_cast<std::size_t>(index)] = {
            code, std::chrono::duration<double>(now - begin_).count()};
        if (code != 0 && (!failed || is_likelier_cause(code, code_of(*failed)))) failed = index;
      }
      if (rank.running || now - rank.end < kLastWords) continue;
      for (Stream& stream : rank.streams) stream.finish();
    }
    if (failed && report_.first_failure < 0) report_.first_failure = *failed;
  }

  int code_of(int rank) const { return report_.ranks[static_cast<std::size_t>(rank)].exit_code; }

  // Of two ranks found ended at once: one that lost the others is the consequence.
  static bool is_likelier_cause(int code, int other) { return other == kLostOthers && code != kLostOthers; }

  void pass_on_stop() {
    if (report_.stop_signal != 0 || report_.first_failure >= 0) return;
    if (plan_.stop == nullptr || !plan_.stop->requested()) return;
    const int signal = plan_.stop_signal ? plan_.stop_signal() : SIGTERM;
    report_.stop_signal = signal == 0 ? SIGTERM : signal;
    signal_all(report_.stop_signal);
  }

  void end_rest_after_failure() {
    if (report_.first_failure < 0 || report_.stop_signal != 0) return;
    if (!kill_at_) {
      signal_all(SIGTERM);
      kill_at_ = Clock::now() + plan_.grace;
    } else if (Clock::now() >= *kill_at_) {
      signal_all(SIGKILL);
    }
  }

  void signal_all(int signal) const {
    for (const Rank& rank : ranks_) {
      if (rank.running) ::kill(-rank.pid, signal);
    }
  }

  const RankGroupPlan& plan_;
  const Clock::time_point begin_;
  std::vector<Rank> ranks_;
  RankGroupReport report_;
  std::optional<Clock::time_point> kill_at_;
};

std::vector<std::string> environment_of(const RankGroupPlan& plan, int rank) {
  const auto own = plan.variables(rank);
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (std::none_of(own.begin(), own.end(), [&](const auto& one) { return one.first == name; })) {
      result.emplace_back(text);
    }
  }
  for (const auto& [name, value] : own) result.push_back(fmt::format("{}={}", name, value));
  return result;
}

// Waits until the new process has become the command; throws when it could not.
void check_started(Pipe& failure, pid_t pid, const std::string& program) {
  failure.write.reset();
  int error = 0;
  ssize_t count = 0;
  while ((count = ::read(failure.read.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (count != sizeof error) return;  // closed by exec
  ::waitpid(pid, nullptr, 0);
  throw Error(ErrorClass::kResource,
              "launch.no_program",
              {.what = "the command cannot be started",
               .seen = fmt::format("{}: {}", printable(program), std::strerror(error)),
               .wanted = "an executable file, or the name of one in PATH",
               .remedy = "check the words after --"});
}

void RankGroup::start(int rank) {
  std::vector<std::string> words = plan_.command, variables = environment_of(plan_, rank);
  const std::vector<char*> argv = exec_pointers(words), envp = exec_pointers(variables);
  const Descriptor in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!in.is_open()) throw_no_child("no /dev/null", errno);
  Pipe out = make_pipe(), err = make_pipe(), failure = make_pipe();
  const std::array<int, 3> streams = {in.get(), out.write.get(), err.write.get()};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw_no_child("no process", errno);
  if (pid == 0)
    become(const_cast<char**>(argv.data()),
           const_cast<char**>(envp.data()),
           parent,
           streams,
           failure.write.get());
  ::setpgid(pid, pid);  // here too: a signal may be due before the child has done it
  check_started(failure, pid, plan_.command[0]);
  Rank started;
  started.pid = pid;
  started.running = true;
  add_streams(rank, started, std::move(out.read), std::move(err.read));
  ranks_.push_back(std::move(started));
}

void RankGroup::add_streams(int rank, Rank& started, Descriptor out, Descriptor err) {
  const std::string prefix = fmt::format("[{}] ", rank);
  const bool as_it_is = plan_.results_of_rank_0 && rank == 0 && !plan_.all_to_stderr;
  const bool to_stderr = plan_.all_to_stderr || (plan_.results_of_rank_0 && rank != 0);
  started.streams.emplace_back(std::move(out),
                               as_it_is ? "" : prefix,
                               [this, to_stderr](std::string_view text) { plan_.write(to_stderr, text); });
  started.streams.emplace_back(
      std::move(err), prefix, [this](std::string_view text) { plan_.write(true, text); });
}

}  // namespace

RankGroupReport run_rank_group(const RankGroupPlan& plan) {
  check_internal(!plan.command.empty() && plan.ranks >= 1, "a rank group needs a command and ranks");
  return RankGroup(plan).run();
}

}  // namespace tenfold::cli
