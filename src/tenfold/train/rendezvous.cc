// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/rendezvous.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPause{20};
constexpr milliseconds kAnswerTime{500};  // for the other ranks to report a failure too
constexpr milliseconds kTableTime{2000};  // for one answer of the table; longer means that rank 0 is stuck

class Socket {
 public:
  Socket(int family, int type) : number_(::socket(family, type | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

// All addresses of the master, as getaddrinfo() orders them.
class MasterAddresses {
 public:
  explicit MasterAddresses(const CommunicatorOptions& options) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    const int error = ::getaddrinfo(
        options.master_address.c_str(), std::to_string(options.master_port).c_str(), &hints, &first_);
    if (error == 0) return;
    throw Error(
        ErrorClass::kConfig,
        "distributed.bad_address",
        {.what = "the machine of rank 0 cannot be found",
         .seen = fmt::format("MASTER_ADDR={}: {}", printable(options.master_address), ::gai_strerror(error)),
         .wanted = "a name or an address that every rank can resolve",
         .remedy = "set MASTER_ADDR to the address of rank 0's machine, 127.0.0.1 when all are on this one"});
  }
  MasterAddresses(const MasterAddresses&) = delete;
  MasterAddresses& operator=(const MasterAddresses&) = delete;
  ~MasterAddresses() {
    if (first_ != nullptr) ::freeaddrinfo(first_);
  }
  const addrinfo* first() const { return first_; }

 private:
  addrinfo* first_ = nullptr;
};

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  }
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24 == 127;
}

std::string numeric(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST] = {};
  if (::getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return text;
}

// The first address of this machine that is not loopback; empty when there is none.
std::string outward_address(int family) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return "";
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> guard(first, ::freeifaddrs);
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != family) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || is_loopback(one->ifa_addr)) continue;
    return numeric(one->ifa_addr, family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
  }
  return "";
}

// Whether somebody listens at the master's port. c10d's own client repeats by itself too, but writes a warning for each try
// and cannot be stopped.
bool somebody_listens(const CommunicatorOptions& options) {
  const MasterAddresses addresses(options);
  for (const addrinfo* one = addresses.first(); one != nullptr; one = one->ai_next) {
    const Socket socket(one->ai_family, SOCK_STREAM);
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (socket.get() >= 0 && ::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0) return true;
  }
  return false;
}

[[noreturn]] void fail_missing(const CommunicatorOptions& options,
                               const std::vector<int>& ranks,
                               std::string seen) {
  throw Error(
      ErrorClass::kResource,
      "distributed.lost_rank",
      {.what = fmt::format(
           "rank {} of {} waited for {} at the start", options.rank, options.world_size, name_ranks(ranks)),
       .seen = std::move(seen),
       .wanted = fmt::format("all {} ranks within {:g} s at {}:{}",
                             options.world_size,
                             static_cast<double>(options.timeout.count()) / 1e3,
                             options.master_address,
                             options.master_port),
       .remedy =
           "look for the first error of the missing ranks; check MASTER_ADDR, MASTER_PORT and firewalls, "
           "or raise TENFOLD_RANK_TIMEOUT when they start slowly"});
}

// Sleeps a little; throws when the wait is over.
void pause(const CommunicatorOptions& options) {
  if (options.stop != nullptr && options.stop->requested()) {
    throw Error(ErrorClass::kResource,
                "distributed.stopped",
                {.what = fmt::format("rank {} was stopped while it waited for the other ranks", options.rank),
                 .remedy = "start all ranks again"});
  }
  std::this_thread::sleep_for(kPause);
}

c10::intrusive_ptr<c10d::Store> open_table(const CommunicatorOptions& options, Clock::time_point deadline) {
  while (options.rank != 0 && !somebody_listens(options)) {
    if (Clock::now() >= deadline) fail_missing(options, {0}, "nobody listens there");
    pause(options);
  }
  c10d::TCPStoreOptions store;
  store.port = static_cast<std::uint16_t>(options.master_port);
  store.isServer = options.rank == 0;
  store.waitWorkers = false;  // arrive() waits, and knows who is missing
  store.timeout = options.timeout;
  try {
    return c10::make_intrusive<c10d::TCPStore>(options.master_address, store);
  } catch (const std::exception& failure) {
    if (options.rank != 0) fail_missing(options, {0}, short_text(failure));
    throw Error(ErrorClass::kResource,
                "distributed.port_in_use",
                {.what = "rank 0 cannot listen for the other ranks",
                 .seen = fmt::format("port {}: {}", options.master_port, short_text(failure)),
                 .wanted = "a free port",
                 .remedy = "set MASTER_PORT to another port on all ranks, or end the other run"});
  }
}

std::string key(const std::string& prefix, int rank) {
  return fmt::format("{}/{}", prefix, rank);
}

}  // namespace

std::string short_text(const std::exception& failure) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&failure);
  const std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : failure.what();
  return printable(text.substr(0, text.find('\n')), 300);
}

std::string name_ranks(const std::vector<int>& ranks) {
  std::vector<std::string> names;
  for (const int rank : ranks) names.push_back(std::to_string(rank));
  if (names.size() == 1) return "rank " + names[0];
  if (names.empty()) return "no rank";
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("ranks {} and {}", join(names, ", "), last);
}

std::string local_address(const CommunicatorOptions& options) {
  const MasterAddresses addresses(options);
  for (const addrinfo* one = addresses.first(); one != nullptr; one = one->ai_next) {
    // Connecting a datagram socket sends nothing; the system only decides which address it would send from.
    const Socket socket(one->ai_family, SOCK_DGRAM);
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    auto* own = reinterpret_cast<sockaddr*>(&storage);
    if (socket.get() < 0 || ::connect(socket.get(), one->ai_addr, one->ai_addrlen) != 0 ||
        ::getsockname(socket.get(), own, &length) != 0) {
      continue;
    }
    // Debian names the machine 127.0.1.1 in its own /etc/hosts: no address for ranks elsewhere.
    const bool meant = options.master_address == "localhost" ||
                       options.master_address == numeric(own, length) ||
                       options.master_address.starts_with("127.");
    const std::string outward = is_loopback(own) && !meant ? outward_address(one->ai_family) : "";
    return outward.empty() ? numeric(own, length) : outward;
  }
  throw Error(ErrorClass::kConfig,
              "distributed.bad_address",
              {.what = "no network of this machine leads to rank 0",
               .seen = fmt::format("MASTER_ADDR={}", printable(options.master_address)),
               .wanted = "an address that this machine can reach",
               .remedy = "check MASTER_ADDR and the network"});
}

Rendezvous::Rendezvous(const CommunicatorOptions& options) : options_(options) {
  const Clock::time_point deadline = Clock::now() + options.timeout;
  const auto table = open_table(options, deadline);
  store_ = c10::make_intrusive<c10d::PrefixStore>("tenfold/" + options.job, table);
  try {
    arrive();
    while (!missing("rank").empty()) {
      if (Clock::now() >= deadline) fail_missing(options, missing("rank"), "they did not arrive");
      pause(options);
    }
    check_world_size();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    fail_missing(options, {0}, short_text(failure));
  }
}

void Rendezvous::arrive() {
  const std::string size = std::to_string(options_.world_size);
  store_->set(key("rank", options_.rank), {size.begin(), size.end()});
  // Waiting for what is there already costs nothing and sets the time limit for all later answers of the table.
  store_->wait({key("rank", options_.rank)}, std::min(kTableTime, options_.timeout));
  if (store_->add(key("arrivals", options_.rank), 1) == 1) return;
  throw Error(ErrorClass::kConfig,
              "distributed.bad_environment",
              {.what = "two processes have the same rank",
               .seen = fmt::format("RANK={} twice", options_.rank),
               .wanted = fmt::format("each rank from 0 to {} once", options_.world_size - 1),
               .remedy = "give each process its own RANK"});
}

void Rendezvous::check_world_size() {
  for (int rank = 0; rank < options_.world_size; ++rank) {
    const std::vector<std::uint8_t> value = store_->get(key("rank", rank));
    const std::string size(value.begin(), value.end());
    if (size == std::to_string(options_.world_size)) continue;
    throw Error(ErrorClass::kConfig,
                "distributed.bad_environment",
                {.what = "the ranks disagree on their number",
                 .seen = fmt::format("WORLD_SIZE={} on rank {}, {} on rank {}",
                                     options_.world_size,
                                     options_.rank,
                                     printable(size),
                                     rank),
                 .wanted = "the same value on all ranks",
                 .remedy = "start all ranks with the same WORLD_SIZE"});
  }
}

// check() and no wait(): a wait that ends by its time limit leaves its answer in the connection for the next question.
std::vector<int> Rendezvous::missing(const std::string& prefix) {
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.world_size; ++rank) {
    if (!store_->check({key(prefix, rank)})) ranks.push_back(rank);
  }
  return ranks;
}

std::vector<int> Rendezvous::ranks_without_a_sign() {
  const Clock::time_point deadline = Clock::now() + kAnswerTime;
  try {
    store_->set(key("failed", options_.rank), {1});
    while (true) {
      const std::vector<int> silent = missing("failed");
      if (silent.empty() || Clock::now() >= deadline) return silent;
      std::this_thread::sleep_for(kPause);
    }
  } catch (const std::exception&) {
    return {0};
  }
}

}  // namespace tenfold::train
