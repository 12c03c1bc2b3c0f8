// SPDX-License-Identifier: Apache-2.0
#include "bench/load/load_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "tenfold/base/random.h"

namespace tenfold::bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Connection {
  int socket = -1;
  bool busy = false;
  Clock::time_point sent;
  std::string received;
};

// -1 when nobody listens.
int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket);
    return -1;
  }
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  return socket;
}

// The length of the whole answer in `bytes`; 0 while it is not whole.
std::size_t answer_length(std::string_view bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t length = bytes.substr(0, head).find(kLength);
  std::size_t total = head + 4;
  if (length != std::string_view::npos)
    total += std::strtoull(bytes.data() + length + kLength.size(), nullptr, 10);
  return bytes.size() >= total ? total : 0;
}

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options),
        connections_(static_cast<std::size_t>(options.connections)),
        draws_(options.seed, 0) {
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (Connection& connection : connections_) open(connection);
    if (result_.connects_refused > 0) throw std::runtime_error("the server does not accept connections");
  }
  ~Load() {
    for (const Connection& connection : connections_) {
      if (connection.socket >= 0) ::close(connection.socket);
    }
    ::close(poll_);
  }

  LoadResult run() {
    begin_ = Clock::now();
    next_arrival_ = 0.0;
    while (since(begin_) < options_.seconds && sent_ < options_.most && open_ > 0) {
      options_.rate > 0 ? send_arrivals() : send_everywhere();
      wait(true);
    }
    result_.seconds = since(begin_);
    const Clock::time_point end = Clock::now();
    while (busy_ > 0 && since(end) < 15.0) wait(false);  // what is under way still counts
    return std::move(result_);
  }

 private:
  void open(Connection& connection) {
    connection.socket = connect_to(options_.port);
    connection.received.clear();
    if (connection.socket < 0) {
      ++result_.connects_refused;
      return;
    }
    ++open_;
    epoll_event event{EPOLLIN, {.ptr = &connection}};
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, connection.socket, &event);
  }
  void close(Connection& connection) {
    ::close(connection.socket);
    connection.socket = -1;
    --open_;
    if (connection.busy) {
      ++result_.cut_off;
      --busy_;
    }
    connection.busy = false;
  }

  void send_everywhere() {
    for (Connection& connection : connections_) {
      if (connection.socket >= 0 && !connection.busy) send(connection);
    }
  }
  void send_arrivals() {
    for (double now = since(begin_); next_arrival_ <= now;) {
      next_arrival_ += -std::log(1.0 - draws_.uniform()) / options_.rate;
      const auto free =
          std::find_if(connections_.begin(), connections_.end(), [](const Connection& connection) {
            return connection.socket >= 0 && !connection.busy;
          });
      free == connections_.end() ? (void)++result_.not_sent : send(*free);
    }
  }
  void send(Connection& connection) {
    connection.sent = Clock::now();
    connection.busy = true;
    ++busy_;
    ++sent_;
    // A request is far smaller than a socket's buffer.
    const ssize_t count =
        ::send(connection.socket, options_.request.data(), options_.request.size(), MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(options_.request.size())) reopen(connection);
  }

  void wait(bool more) {
    std::array<epoll_event, 64> events;
    const double pause = options_.rate > 0 && more ? next_arrival_ - since(begin_) : 0.01;
    const int count = ::epoll_wait(poll_,
                                   events.data(),
                                   static_cast<int>(events.size()),
                                   std::clamp(static_cast<int>(pause * 1000), 0, 10));
    for (int i = 0; i < count; ++i)
      receive(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr), more);
  }

  void receive(Connection& connection, bool more) {
    std::array<char, 65536> buffer;
    const ssize_t count = ::recv(connection.socket, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return reopen(connection);
    connection.received.append(buffer.data(), static_cast<std::size_t>(count));
    if (answer_length(connection.received) == 0) return;
    finish(connection);
    if (more && options_.rate <= 0 && connection.socket >= 0 && since(begin_) < options_.seconds)
      send(connection);
  }

  void finish(Connection& connection) {
    const std::string_view answer = connection.received;
    if (answer.starts_with("HTTP/1.1 200")) {
      result_.accepted.push_back(since(connection.sent));
    } else if (answer.starts_with("HTTP/1.1 503") && answer.find("Retry-After: ") != std::string_view::npos) {
      ++result_.refused;
    } else {
      ++result_.wrong;
    }
    const bool last = answer.find("Connection: close") != std::string_view::npos;
    connection.received.clear();
    connection.busy = false;
    --busy_;
    if (last) reopen(connection);
  }
  void reopen(Connection& connection) {
    close(connection);
    open(connection);
  }

  const LoadOptions options_;
  std::vector<Connection> connections_;
  random::Generator draws_;
  LoadResult result_;
  int poll_ = -1;
  int open_ = 0, busy_ = 0;
  std::uint64_t sent_ = 0;
  Clock::time_point begin_;
  double next_arrival_ = 0.0;
};

}  // namespace

double LoadResult::percentile(double percent) const {
  if (accepted.empty()) return 0.0;
  std::vector<double> sorted = accepted;
  const auto place = static_cast<std::size_t>(percent / 100.0 * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(place), sorted.end());
  return sorted[place];
}

LoadResult run_load(const LoadOptions& options) {
  return Load(options).run();
}

}  // namespace tenfold::bench
