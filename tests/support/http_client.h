// SPDX-License-Identifier: Apache-2.0
// A plain HTTP/1.1 client on loopback for tests: sends any bytes, even wrong ones, and reads what comes. Blocking, with a
// time limit on every step so that a test fails instead of hanging.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenfold::test {

struct HttpResponse {
  int status = 0;                              // 0: the connection ended without a response
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port, std::chrono::milliseconds limit = std::chrono::seconds(20))
      : limit_(limit) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  HttpClient(HttpClient&& other) noexcept
      : limit_(other.limit_),
        socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        buffer_(std::move(other.buffer_)) {}
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient() { close(); }

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  // False when the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd wait{socket_, POLLOUT, 0};
      if (::poll(&wait, 1, static_cast<int>(limit_.count())) <= 0) return false;
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  static std::string format(std::string_view method,
                            std::string_view target,
                            std::string_view body = {},
                            const std::vector<std::string>& headers = {}) {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
    const auto has = [&](std::string_view name) {
      return std::any_of(
          headers.begin(), headers.end(), [&](const std::string& line) { return line.starts_with(name); });
    };
    if (!has("Host:")) text += "Host: localhost\r\n";
    for (const std::string& line : headers) text += line + "\r\n";
    if (!body.empty() || method == "POST") {
      if (!has("Content-Type:")) text += "Content-Type: application/json\r\n";
      text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return text + "\r\n" + std::string(body);
  }

  HttpResponse request(std::string_view method,
                       std::string_view target,
                       std::string_view body = {},
                       const std::vector<std::string>& headers = {}) {
    send(format(method, target, body, headers));
    return read_response(method == "HEAD");
  }
  HttpResponse get(std::string_view target, const std::vector<std::string>& headers = {}) {
    return request("GET", target, {}, headers);
  }
  HttpResponse post(std::string_view target,
                    std::string_view body,
                    const std::vector<std::string>& headers = {}) {
    return request("POST", target, body, headers);
  }

  HttpResponse read_response(bool head = false) {
    HttpResponse response;
    const std::optional<std::string> status_line = read_line();
    if (!status_line || !status_line->starts_with("HTTP/1.1 ")) return response;
    response.status = static_cast<int>(std::strtol(status_line->substr(9, 3).c_str(), nullptr, 10));
    while (const std::optional<std::string> line = read_line()) {
      if (line->empty()) break;
      const std::size_t colon = std::min(line->find(':'), line->size());
      std::string name = line->substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      response.headers[name] = line->substr(std::min(colon + 2, line->size()));
    }
    if (head || response.status == 304 || response.status < 200) return response;
    const auto length = response.headers.find("content-length");
    if (length != response.headers.end()) {
      read_exactly(std::strtoull(length->second.c_str(), nullptr, 10), response.body);
    }
    return response;
  }

  // One chunk of a chunked body; empty at its end.
  std::string read_chunk() {
    const std::optional<std::string> size = read_line();
    std::string chunk;
    if (!size) return chunk;
    read_exactly(std::strtoull(size->c_str(), nullptr, 16), chunk);
    read_line();
    return chunk;
  }

  // Whether something can be read, now or after a while.
  bool readable(std::chrono::milliseconds wait_for = {}) const {
    pollfd wait{socket_, POLLIN, 0};
    return !buffer_.empty() || ::poll(&wait, 1, static_cast<int>(wait_for.count())) > 0;
  }
  void finish() { ::shutdown(socket_, SHUT_WR); }  // nothing more will be sent

  // True when the server ends the connection without further bytes; false when it sends some, or nothing in time.
  bool at_end() {
    pollfd wait{socket_, POLLIN, 0};
    if (!buffer_.empty() || ::poll(&wait, 1, static_cast<int>(limit_.count())) <= 0) return false;
    char byte = 0;
    return ::recv(socket_, &byte, 1, MSG_PEEK) <= 0;
  }

  // Reads and returns everything until the end of the connection.
  std::string read_all() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
  }

 private:
  bool fill() {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(limit_.count())) <= 0) return false;
    char bytes[16384];
    const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }
  std::optional<std::string> read_line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }
  void read_exactly(std::size_t count, std::string& into) {
    while (buffer_.size() < count && fill()) {
    }
    into = buffer_.substr(0, count);
    buffer_.erase(0, std::min(count, buffer_.size()));
  }

  std::chrono::milliseconds limit_;
  int socket_ = -1;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace tenfold::test
