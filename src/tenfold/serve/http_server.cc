// SPDX-License-Identifier: Apache-2.0
// Listens, counts connections and spreads them over the io threads.
#include <fmt/format.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <iterator>
#include <latch>
#include <thread>

#include "tenfold/base/log.h"
#include "tenfold/serve/http_session.h"

namespace tenfold::serve {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

constexpr int kBacklog = 512;
constexpr int kMostRefusals = 64;  // connections beyond the limit that are told so at the same time
constexpr Clock::duration kAcceptPause = std::chrono::milliseconds(50);
constexpr Clock::duration kHandshakes =
    std::chrono::milliseconds(50);  // for those begun before the end of listening

// Closing a listener resets the connections that wait in it. So first the system is told to drop every packet that would
// begin a new one (its client tries again and is refused); what has begun is still completed and accepted.
void drop_new_handshakes(int listener) {
  constexpr std::uint32_t kFlagsByte = 13;  // of the TCP header (RFC 9293, section 3.1)
  constexpr std::uint32_t kSyn = 0x02;
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsByte),
                        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kSyn, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, 0),
                        BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
  const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  if (::setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    log::debug("serve: the system takes no filter; a connection made at this moment may be reset");
}

void run_loop(asio::io_context& context) {
  while (true) {
    try {
      context.run();
      return;
    } catch (const std::exception& failure) {  // the connection it hit is ended by its timer
      log::warning("serve: an io thread caught: {}", failure.what());
    }
  }
}

}  // namespace

struct HttpServer::State {
  explicit State(std::shared_ptr<HttpShared> the_shared) : shared(std::move(the_shared)) {
    for (int i = 0; i < std::max(1, shared->options.io_threads); ++i)
      loops.push_back(std::make_shared<IoLoop>());
    acceptor = std::make_unique<Acceptor>(loops[0]->context);
    pause = std::make_unique<Timer>(loops[0]->context.get_executor());
    last_call = std::make_unique<Timer>(loops[0]->context.get_executor());
  }

  void listen();
  void accept();
  void take(Socket socket, const std::shared_ptr<IoLoop>& loop);
  void accept_what_waits();
  void end_listening(Clock::duration grace);

  std::shared_ptr<HttpShared> shared;
  std::vector<std::shared_ptr<IoLoop>> loops;
  std::vector<asio::executor_work_guard<Executor>> guards;
  std::vector<std::thread> threads;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Timer> pause, last_call;
  std::size_t next_loop = 0;
  std::uint16_t port = 0;
};

void HttpServer::State::listen() {
  const HttpOptions& options = shared->options;
  error_code failure;
  const asio::ip::address address = asio::ip::make_address(options.address, failure);
  if (failure) {
    throw Error(ErrorClass::kUsage,
                "serve.bad_address",
                {.what = "the address to listen on cannot be read",
                 .seen = options.address,
                 .wanted = "an IP address such as 127.0.0.1, ::1 or 0.0.0.0",
                 .remedy = "pass --host with an address of this machine"});
  }
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  acceptor->open(endpoint.protocol(), failure);
  if (!failure) acceptor->set_option(asio::socket_base::reuse_address(true), failure);
  if (!failure) acceptor->bind(endpoint, failure);
  if (!failure) acceptor->listen(kBacklog, failure);
  if (failure) {
    const bool taken = failure == asio::error::address_in_use;
    throw Error(
        ErrorClass::kResource,
        taken ? "serve.port_in_use" : "serve.cannot_listen",
        {.what = fmt::format("the server cannot listen on {} port {}", options.address, options.port),
         .seen = failure.message(),
         .remedy = taken ? "stop the other program, or pass --port 0 for a free port"
                         : "pass --host with an address of this machine and --port with a port you may use"});
  }
  acceptor->non_blocking(true, failure);
  port = acceptor->local_endpoint(failure).port();
}

void HttpServer::State::accept() {
  const std::shared_ptr<IoLoop>& loop = loops[next_loop++ % loops.size()];
  acceptor->async_accept(loop->context, [this, loop](const error_code& failure, Socket socket) {
    if (failure == asio::error::operation_aborted || !acceptor->is_open()) return;
    if (!failure) {
      take(std::move(socket), loop);
      return accept();
    }
    // Out of descriptors, or the client went before: after a moment it may work again.
    pause->expires_after(kAcceptPause);
    pause->async_wait([this](const error_code& stopped) {
      if (!stopped && acceptor->is_open()) accept();
    });
  });
}

void HttpServer::State::take(Socket socket, const std::shared_ptr<IoLoop>& loop) {
  const auto limit = static_cast<int>(shared->options.limits.connections);
  const int open = ++shared->connections;
  if (open > limit) --shared->connections;
  if (open > limit && ++shared->refusals > kMostRefusals) {
    --shared->refusals;
    return;  // closes it without a word
  }
  auto session = std::make_shared<Session>(std::move(socket), loop, shared, open <= limit);
  asio::post(loop->context, [session] { session->start(); });
}

// Connections that the system has completed before the end of listening belong to clients who were not refused.
void HttpServer::State::accept_what_waits() {
  error_code failure;
  while (acceptor->is_open()) {
    const std::shared_ptr<IoLoop>& loop = loops[next_loop++ % loops.size()];
    Socket socket = acceptor->accept(loop->context, failure);
    if (failure) break;
    take(std::move(socket), loop);
  }
  acceptor->close(failure);
  pause->cancel();
}

void HttpServer::State::end_listening(Clock::duration grace) {
  accept_what_waits();
  shared->drain_grace = grace.count();
  shared->draining = true;
  for (const auto& loop : loops) {
    asio::post(loop->context, [loop, grace] {
      for (Session* session : loop->sessions) session->drain(grace);
    });
  }
}

HttpServer::HttpServer(HttpOptions options, HeadCheck check, Handler handler, HttpObserver* observer) {
  std::string fixed;
  for (const auto& [name, value] : options.headers)
    fmt::format_to(std::back_inserter(fixed), "{}: {}\r\n", name, value);
  const std::int64_t memory = options.limits.memory_bytes;
  auto shared = std::make_shared<HttpShared>();
  shared->options = std::move(options);
  shared->check = std::move(check);
  shared->handler = std::move(handler);
  shared->observer = observer;
  shared->budget.set_limit(memory);
  shared->fixed_headers = std::move(fixed);
  state_ = std::make_unique<State>(std::move(shared));
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::start() {
  state_->listen();
  for (const auto& loop : state_->loops) {
    state_->guards.emplace_back(loop->context.get_executor());
    state_->threads.emplace_back([loop] { run_loop(loop->context); });
  }
  asio::post(state_->loops[0]->context, [state = state_.get()] { state->accept(); });
}

std::uint16_t HttpServer::port() const {
  return state_->port;
}

int HttpServer::open_connections() const {
  return state_->shared->connections - state_->shared->lingering;
}

void HttpServer::drain(Clock::duration grace) {
  asio::post(state_->loops[0]->context, [state = state_.get(), grace] {
    if (!state->acceptor->is_open()) return state->end_listening(grace);
    drop_new_handshakes(state->acceptor->native_handle());
    state->last_call->expires_after(kHandshakes);
    state->last_call->async_wait([state, grace](const error_code& stopped) {
      if (!stopped) state->end_listening(grace);
    });
  });
}

bool HttpServer::is_drained() const {
  return state_->shared->draining && open_connections() == 0;
}

int HttpServer::lost() const {
  return state_->shared->lost;
}

void HttpServer::close_all() {
  if (state_->threads.empty()) return;
  // Set first: a connection that begins after its loop has closed the others sees it.
  state_->shared->closing = true;
  asio::post(state_->loops[0]->context, [state = state_.get()] {
    error_code ignored;
    state->acceptor->close(ignored);
    state->pause->cancel();
    state->last_call->cancel();
  });
  std::latch done(static_cast<std::ptrdiff_t>(state_->loops.size()));
  for (const auto& loop : state_->loops) {
    asio::post(loop->context, [loop, &done] {
      const std::vector<Session*> sessions(loop->sessions.begin(), loop->sessions.end());
      for (Session* session : sessions) session->abandon();
      done.count_down();
    });
  }
  done.wait();
}

void HttpServer::stop() {
  if (state_->threads.empty()) return;
  close_all();
  state_->guards.clear();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
  state_->shared->stopped = true;
}

}  // namespace tenfold::serve
