// SPDX-License-Identifier: Apache-2.0
// Every limit of the server with its default (RELIABILITY: serving). They are enforced while a request is read, before
// a byte beyond them is kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tenfold::serve {

using Clock = std::chrono::steady_clock;

struct Limits {
  std::int64_t json_bytes = std::int64_t{1} << 20;     // body of a JSON request
  std::int64_t media_bytes = std::int64_t{16} << 20;   // body of an upload: tables, pictures, sound
  std::int64_t memory_bytes = std::int64_t{64} << 20;  // all bodies in the process together
  std::int64_t header_bytes = 8192;                    // request line and headers
  std::int64_t header_lines = 64;
  std::int64_t connections = 64;
  std::int64_t streams = 16;  // connections that receive events
  std::int64_t queue = 32;    // requests that wait, a model or service each
  std::int64_t batch = 16;    // rows of one request and of one call of a model
  std::int64_t json_depth = 32;
  double deadline = 10.0;         // of a request, from its first byte to the last byte of work
  double idle = 15.0;             // a connection without a request
  double reading_rate = 65536.0;  // bytes a second that a client must read of its answer, beside the deadline

  void visit_fields(auto&& field) {
    field("json_bytes", json_bytes, {.help = "largest JSON body", .unit = "bytes", .min = 1024, .max = 1e9});
    field("media_bytes", media_bytes, {.help = "largest upload", .unit = "bytes", .min = 1024, .max = 4e9});
    field("memory_bytes",
          memory_bytes,
          {.help = "all request bodies together", .unit = "bytes", .min = 1024, .max = 64e9});
    field("header_bytes",
          header_bytes,
          {.help = "request line and headers", .unit = "bytes", .min = 512, .max = 65536});
    field("header_lines", header_lines, {.help = "headers of a request", .min = 4, .max = 1000});
    field("connections", connections, {.help = "open connections", .min = 1, .max = 10000});
    field("streams", streams, {.help = "connections that receive events", .min = 1, .max = 10000});
    field("queue", queue, {.help = "waiting requests, each model and service", .min = 1, .max = 10000});
    field("batch", batch, {.help = "rows of one request and of one call of a model", .min = 1, .max = 4096});
    field("json_depth", json_depth, {.help = "nesting of JSON", .min = 4, .max = 256});
    field("deadline",
          deadline,
          {.help = "of a request, from its first byte on", .unit = "s", .min = 0.05, .max = 3600});
    field("reading_rate",
          reading_rate,
          {.help = "slowest client that still gets its whole answer",
           .unit = "bytes/s",
           .min = 1,
           .max = 1e12});
    field("idle", idle, {.help = "a connection without a request", .unit = "s", .min = 0.05, .max = 3600});
  }
};

inline Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace tenfold::serve
