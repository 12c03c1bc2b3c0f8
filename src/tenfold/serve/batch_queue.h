// SPDX-License-Identifier: Apache-2.0
// Which waiting requests run next, and together: bounded, fair between clients, batches by size or delay. Without threads
// and without a clock of its own, so that tests can play with time; dispatcher.h adds both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/serve/errors.h"
#include "tenfold/serve/limits.h"

namespace tenfold::serve {

// What waits. Exactly one of these happens to it: it is handed to the runner, or refuse() is called.
class Job {
 public:
  virtual ~Job() = default;
  virtual void refuse(const HttpError& error) = 0;
};

struct Ticket {
  std::uint64_t id = 0;
  std::string client;    // who asks; clients share the service evenly, by rows
  std::string group;     // jobs of equal groups may run together
  std::size_t rows = 1;  // its share of a batch
  Clock::time_point arrived;
  Clock::time_point deadline;
  std::unique_ptr<Job> job;
};

struct QueueOptions {
  std::size_t capacity = 32;                             // tickets
  std::size_t batch_rows = 16;                           // of one batch; a ticket has at most so many
  Clock::duration delay = std::chrono::milliseconds(2);  // longest wait for company
};

class BatchQueue {
 public:
  explicit BatchQueue(QueueOptions options) : options_(options) {}

  // A full queue gives the place of the last ticket of the client that holds most of it, when that client holds at least
  // two more than the newcomer's; otherwise the newcomer itself is the one that has to go. Returns who has to go.
  std::optional<Ticket> add(Ticket ticket);

  struct Taken {
    std::vector<Ticket> batch;                    // of one group, at most batch_rows together
    std::vector<Ticket> expired;                  // their deadline has passed
    std::optional<Clock::time_point> look_again;  // when a batch will be due though nothing arrives
  };
  // The next batch that is due: its rows fill it, its oldest ticket has waited for the delay, or `flush`. Among several,
  // the one with the ticket whose client has had least.
  Taken take(Clock::time_point now, bool flush = false);

  std::optional<Ticket> remove(std::uint64_t id);
  std::vector<Ticket> clear();
  std::size_t size() const { return tickets_.size(); }
  bool empty() const { return tickets_.empty(); }

 private:
  struct Entry {
    std::uint64_t start;  // virtual time at which its turn comes
    Ticket ticket;
  };
  bool is_due(const std::string& group, Clock::time_point now, bool flush, Clock::time_point& due) const;
  std::vector<Ticket> gather(const std::string& group);
  void forget_clients();

  QueueOptions options_;
  // Start-time fair queueing (Goyal, Vin and Cheng 1996) with the rows as lengths: a ticket's turn is the later of now and
  // the end of its client's last one.
  std::vector<Entry> tickets_;                          // by start, then by arrival
  std::map<std::string, std::uint64_t> client_finish_;  // only clients whose turn lies in the future
  std::uint64_t virtual_now_ = 0;
};

}  // namespace tenfold::serve
