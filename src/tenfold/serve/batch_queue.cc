// SPDX-License-Identifier: Apache-2.0
// Queues are short (32 by default), so plain scans are faster than clever structures.
#include "tenfold/serve/batch_queue.h"

#include <algorithm>

namespace tenfold::serve {

std::optional<Ticket> BatchQueue::add(Ticket ticket) {
  std::optional<Ticket> out;
  if (tickets_.size() >= options_.capacity) {
    std::map<std::string_view, std::size_t> held;
    for (const Entry& entry : tickets_) ++held[entry.ticket.client];
    const auto most = std::max_element(
        held.begin(), held.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto own = held.find(ticket.client);
    const std::size_t mine = own == held.end() ? 0 : own->second;
    if (most == held.end() || most->second < mine + 2) return ticket;
    const std::string heaviest(most->first);
    const auto last = std::find_if(tickets_.rbegin(), tickets_.rend(), [&](const Entry& entry) {
      return entry.ticket.client == heaviest;
    });
    out = std::move(last->ticket);
    tickets_.erase(std::next(last).base());
    client_finish_[heaviest] -= out->rows;
  }
  std::uint64_t& finish = client_finish_[ticket.client];
  const std::uint64_t start = std::max(virtual_now_, finish);
  finish = start + ticket.rows;
  const auto place =
      std::upper_bound(tickets_.begin(), tickets_.end(), start, [](std::uint64_t value, const Entry& entry) {
        return value < entry.start;
      });
  tickets_.insert(place, Entry{start, std::move(ticket)});
  return out;
}

bool BatchQueue::is_due(const std::string& group,
                        Clock::time_point now,
                        bool flush,
                        Clock::time_point& due) const {
  std::size_t rows = 0;
  Clock::time_point oldest = Clock::time_point::max();
  for (const Entry& entry : tickets_) {
    if (entry.ticket.group != group) continue;
    rows += entry.ticket.rows;
    oldest = std::min(oldest, entry.ticket.arrived);
  }
  due = oldest + options_.delay;
  return flush || rows >= options_.batch_rows || due <= now;
}

std::vector<Ticket> BatchQueue::gather(const std::string& group) {
  std::vector<Ticket> batch;
  std::size_t rows = 0;
  for (auto entry = tickets_.begin(); entry != tickets_.end() && rows < options_.batch_rows;) {
    if (entry->ticket.group != group || (rows > 0 && rows + entry->ticket.rows > options_.batch_rows)) {
      ++entry;
      continue;
    }
    rows += entry->ticket.rows;
    virtual_now_ = std::max(virtual_now_, entry->start);
    batch.push_back(std::move(entry->ticket));
    entry = tickets_.erase(entry);
  }
  forget_clients();
  return batch;
}

// A client that has had its turns is remembered until the others have caught up, and at most a few times as many clients
// as the queue has places.
void BatchQueue::forget_clients() {
  if (tickets_.empty()) {
    for (const auto& [client, finish] : client_finish_) virtual_now_ = std::max(virtual_now_, finish);
  }
  std::erase_if(client_finish_, [&](const auto& client) { return client.second <= virtual_now_; });
  if (client_finish_.size() <= 4 * options_.capacity) return;
  std::erase_if(client_finish_, [&](const auto& client) {
    return std::none_of(tickets_.begin(), tickets_.end(), [&](const Entry& entry) {
      return entry.ticket.client == client.first;
    });
  });
}

BatchQueue::Taken BatchQueue::take(Clock::time_point now, bool flush) {
  Taken taken;
  for (auto entry = tickets_.begin(); entry != tickets_.end();) {
    if (entry->ticket.deadline > now) {
      ++entry;
      continue;
    }
    taken.expired.push_back(std::move(entry->ticket));
    entry = tickets_.erase(entry);
  }
  std::vector<std::string_view> seen;
  for (const Entry& entry : tickets_) {
    const std::string& group = entry.ticket.group;
    if (std::find(seen.begin(), seen.end(), group) != seen.end()) continue;
    seen.push_back(group);
    Clock::time_point due;
    if (is_due(group, now, flush, due)) {
      const std::string chosen = group;  // the entry goes
      taken.batch = gather(chosen);
      taken.look_again.reset();
      return taken;
    }
    if (!taken.look_again || due < *taken.look_again) taken.look_again = due;
  }
  return taken;
}

std::optional<Ticket> BatchQueue::remove(std::uint64_t id) {
  const auto found = std::find_if(
      tickets_.begin(), tickets_.end(), [&](const Entry& entry) { return entry.ticket.id == id; });
  if (found == tickets_.end()) return std::nullopt;
  Ticket ticket = std::move(found->ticket);
  tickets_.erase(found);
  return ticket;
}

std::vector<Ticket> BatchQueue::clear() {
  std::vector<Ticket> all;
  for (Entry& entry : tickets_) all.push_back(std::move(entry.ticket));
  tickets_.clear();
  client_finish_.clear();
  return all;
}

}  // namespace tenfold::serve
