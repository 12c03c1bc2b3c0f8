// SPDX-License-Identifier: Apache-2.0
#include "tests/support/rank_processes.h"

#include <ATen/Parallel.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "tenfold/base/error.h"

namespace tenfold::train_test {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  pid_t pid = -1;
  int pipe = -1;  // "R" or "E" and the code, a line end, then the text
  std::string message;
  bool open = true;
  Clock::time_point end;
};

[[noreturn]] void run_child(int pipe, const train::CommunicatorOptions& options, const RankBody& body) {
  at::set_num_threads(1);  // the parent's thread pool does not exist here
  std::string message;
  try {
    message = "R\n" + body(options);
  } catch (const Error& error) {
    message =
        "E" + error.code() + "\n" + error.text().what + "\n" + error.text().seen + "\n" + error.text().wanted;
  } catch (const std::exception& failure) {
    message = std::string("Eexception\n") + failure.what();
  }
  std::size_t sent = 0;
  while (sent < message.size()) {
    const ssize_t count = ::write(pipe, message.data() + sent, message.size() - sent);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  ::_exit(0);
}

Child start(const train::CommunicatorOptions& options, const RankBody& body) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  Child child;
  child.pid = ::fork();
  if (child.pid == 0) {
    ::close(ends[0]);
    run_child(ends[1], options, body);
  }
  ::close(ends[1]);
  child.pipe = ends[0];
  return child;
}

void read_some(Child& child) {
  char buffer[65536];
  const ssize_t count = ::read(child.pipe, buffer, sizeof buffer);
  if (count > 0) {
    child.message.append(buffer, static_cast<std::size_t>(count));
    return;
  }
  ::close(child.pipe);
  child.open = false;
  child.end = Clock::now();
}

void read_all(std::vector<Child>& children, const std::vector<int>& never_ending) {
  const Clock::time_point deadline = Clock::now() + std::chrono::minutes(1);
  const auto waited_for = [&](std::size_t rank) {
    return children[rank].open &&
           std::count(never_ending.begin(), never_ending.end(), static_cast<int>(rank)) == 0;
  };
  while (Clock::now() < deadline) {
    bool waiting = false;
    std::vector<pollfd> polls;
    for (std::size_t rank = 0; rank < children.size(); ++rank) {
      waiting = waiting || waited_for(rank);
      polls.push_back({children[rank].open ? children[rank].pipe : -1, POLLIN, 0});
    }
    if (!waiting) return;
    ::poll(polls.data(), polls.size(), 100);
    for (std::size_t rank = 0; rank < children.size(); ++rank) {
      if (children[rank].open && polls[rank].revents != 0) read_some(children[rank]);
    }
  }
}

RankResult finish(Child& child, Clock::time_point begin) {
  if (child.open) {
    ::kill(child.pid, SIGKILL);
    ::close(child.pipe);
    child.end = Clock::now();
  }
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  RankResult result;
  result.finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  result.seconds = std::chrono::duration<double>(child.end - begin).count();
  const std::size_t line = child.message.find('\n');
  if (line == std::string::npos) return result;
  if (child.message[0] == 'E') result.code = child.message.substr(1, line - 1);
  result.text = child.message.substr(line + 1);
  return result;
}

sockaddr_in loopback_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

std::vector<RankResult> run_ranks(int ranks,
                                  const RankBody& body,
                                  std::chrono::milliseconds timeout,
                                  const std::vector<int>& never_ending) {
  train::CommunicatorOptions options;
  options.world_size = ranks;
  options.master_port = free_port();
  options.timeout = timeout;
  const Clock::time_point begin = Clock::now();
  std::vector<Child> children;
  for (int rank = 0; rank < ranks; ++rank) {
    options.rank = rank;
    children.push_back(start(options, body));
  }
  read_all(children, never_ending);
  std::vector<RankResult> results;
  for (Child& child : children) results.push_back(finish(child, begin));
  return results;
}

int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback_address(0);
  socklen_t length = sizeof address;
  const bool done = listener >= 0 && ::bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (listener >= 0) ::close(listener);
  return done ? ntohs(address.sin_port) : 0;
}

std::string loopback_problem() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback_address(0);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  const bool works = listener >= 0 && client >= 0 && ::bind(listener, any, length) == 0 &&
                     ::listen(listener, 1) == 0 && ::getsockname(listener, any, &length) == 0 &&
                     ::connect(client, any, length) == 0;
  const std::string problem = works ? "" : std::string("no loopback network: ") + std::strerror(errno);
  if (listener >= 0) ::close(listener);
  if (client >= 0) ::close(client);
  return problem;
}

long long tcp_bytes_sent() {
  long long total = 0;
  for (int number = 0; number < 1024; ++number) {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(number, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) continue;
    if (length < offsetof(tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent) return -1;
    total += static_cast<long long>(info.tcpi_bytes_sent);
  }
  return total;
}

}  // namespace tenfold::train_test
