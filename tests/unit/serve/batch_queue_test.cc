// SPDX-License-Identifier: Apache-2.0
// Time is an argument here: nothing waits.
#include "tenfold/serve/batch_queue.h"

#include <gmock/gmock.h>

namespace tenfold::serve {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class NoJob final : public Job {
 public:
  void refuse(const HttpError&) override {}
};

constexpr Clock::time_point kBegin{};

Clock::time_point at(int ms) {
  return kBegin + milliseconds(ms);
}

class Queue {
 public:
  explicit Queue(QueueOptions options = {}) : queue_(options) {}

  std::optional<std::uint64_t> add(std::uint64_t id,
                                   const std::string& client = "a",
                                   const std::string& group = "g",
                                   std::size_t rows = 1,
                                   int arrived = 0,
                                   int deadline = 10'000) {
    auto out = queue_.add({id, client, group, rows, at(arrived), at(deadline), std::make_unique<NoJob>()});
    return out ? std::optional(out->id) : std::nullopt;
  }
  std::vector<std::uint64_t> take(int ms, bool flush = false) {
    last_ = queue_.take(at(ms), flush);
    return ids(last_.batch);
  }
  std::vector<std::uint64_t> expired() const { return ids(last_.expired); }
  std::optional<Clock::time_point> look_again() const { return last_.look_again; }
  BatchQueue& queue() { return queue_; }

 private:
  static std::vector<std::uint64_t> ids(const std::vector<Ticket>& tickets) {
    std::vector<std::uint64_t> result;
    for (const Ticket& ticket : tickets) result.push_back(ticket.id);
    return result;
  }
  BatchQueue queue_;
  BatchQueue::Taken last_;
};

TEST(BatchQueue, WaitsForCompanyUpToTheDelay) {
  Queue queue;
  queue.add(1, "a", "g", 1, 100);
  EXPECT_THAT(queue.take(101), ElementsAre());
  EXPECT_EQ(queue.look_again(), at(102));
  queue.add(2, "b", "g", 1, 101);
  EXPECT_THAT(queue.take(102), ElementsAre(1, 2));
  EXPECT_THAT(queue.take(200), ElementsAre());
  EXPECT_FALSE(queue.look_again());
}

TEST(BatchQueue, GoesAtOnceWhenFull) {
  Queue queue({.capacity = 32, .batch_rows = 4});
  for (int id = 1; id <= 6; ++id) queue.add(id, std::to_string(id));
  EXPECT_THAT(queue.take(0), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(queue.take(0), ElementsAre()) << "two rows are no full batch";
  EXPECT_THAT(queue.take(2), ElementsAre(5, 6));
}

TEST(BatchQueue, CountsRowsNotRequests) {
  Queue queue({.capacity = 32, .batch_rows = 16});
  queue.add(1, "a", "g", 10);
  queue.add(2, "b", "g", 10);
  queue.add(3, "c", "g", 6);
  EXPECT_THAT(queue.take(0), ElementsAre(1, 3)) << "the third fills what the second does not fit into";
  EXPECT_THAT(queue.take(2), ElementsAre(2));
}

TEST(BatchQueue, KeepsGroupsApart) {
  Queue queue;
  queue.add(1, "a", "shape 3");
  queue.add(2, "b", "shape 4");
  queue.add(3, "c", "shape 3");
  EXPECT_THAT(queue.take(2), ElementsAre(1, 3));
  EXPECT_THAT(queue.take(2), ElementsAre(2));
}

TEST(BatchQueue, AGroupThatIsDueDoesNotWaitBehindOneThatIsNot) {
  Queue queue({.capacity = 32, .batch_rows = 2});
  queue.add(1, "a", "slow", 1, 0);
  queue.add(2, "b", "full", 1, 0);
  queue.add(3, "c", "full", 1, 0);
  EXPECT_THAT(queue.take(1), ElementsAre(2, 3));
}

TEST(BatchQueue, FlushTakesWhatThereIs) {
  Queue queue;
  queue.add(1);
  EXPECT_THAT(queue.take(0, true), ElementsAre(1));
}

TEST(BatchQueue, DropsExpiredTicketsBeforeTheyRun) {
  Queue queue;
  queue.add(1, "a", "g", 1, 0, 5);
  queue.add(2, "b", "g", 1, 0, 50);
  EXPECT_THAT(queue.take(10), ElementsAre(2));
  EXPECT_THAT(queue.expired(), ElementsAre(1));
}

TEST(BatchQueue, RefusesTheNewcomerWhenFull) {
  Queue queue({.capacity = 2});
  EXPECT_FALSE(queue.add(1, "a"));
  EXPECT_FALSE(queue.add(2, "b"));
  EXPECT_EQ(queue.add(3, "c"), 3u);
  EXPECT_EQ(queue.queue().size(), 2u);
}

TEST(BatchQueue, TheHeaviestClientGivesItsLastPlace) {
  Queue queue({.capacity = 4, .batch_rows = 1, .delay = {}});
  for (int id = 1; id <= 4; ++id) queue.add(id, "greedy");
  EXPECT_EQ(queue.add(5, "other"), 4u);
  EXPECT_EQ(queue.add(6, "other"), 3u);
  EXPECT_EQ(queue.add(7, "other"), 7u) << "both hold two: the newcomer goes";
  EXPECT_EQ(queue.add(8, "greedy"), 8u);
}

TEST(BatchQueue, ClientsTakeTurns) {
  Queue queue({.capacity = 32, .batch_rows = 1, .delay = {}});
  for (int id = 1; id <= 4; ++id) queue.add(id, "many");
  queue.add(11, "few");
  queue.add(12, "few");
  std::vector<std::uint64_t> order;
  for (int i = 0; i < 6; ++i) order.push_back(queue.take(0).at(0));
  EXPECT_THAT(order, ElementsAre(1, 11, 2, 12, 3, 4));
}

TEST(BatchQueue, AClientWithLargeRequestsWaitsLonger) {
  Queue queue({.capacity = 32, .batch_rows = 8, .delay = {}});
  // "wide" asks for eight rows each time, "narrow" for one; each waits for its answer before it asks again.
  int wide = 0, narrow = 0;
  std::uint64_t id = 0;
  queue.add(++id, "wide", "w", 8);
  queue.add(++id, "narrow", "n", 1);
  for (int turn = 0; turn < 90; ++turn) {
    const std::vector<std::uint64_t> batch = queue.take(0);
    ASSERT_EQ(batch.size(), 1u);
    const bool was_wide = batch[0] % 2 == 1;
    was_wide ? ++wide : ++narrow;
    id += 2;  // odd: wide, even: narrow
    was_wide ? queue.add(id - 1, "wide", "w", 8) : queue.add(id, "narrow", "n", 1);
  }
  EXPECT_NEAR(wide * 8, narrow, 16) << "both got the same number of rows";
}

TEST(BatchQueue, RemovesATicketOfAClientThatWent) {
  Queue queue;
  queue.add(1);
  queue.add(2);
  EXPECT_EQ(queue.queue().remove(1)->id, 1u);
  EXPECT_FALSE(queue.queue().remove(1));
  EXPECT_THAT(queue.take(2), ElementsAre(2));
}

TEST(BatchQueue, ClearGivesEverythingBack) {
  Queue queue;
  queue.add(1);
  queue.add(2, "b", "h");
  EXPECT_EQ(queue.queue().clear().size(), 2u);
  EXPECT_TRUE(queue.queue().empty());
}

TEST(BatchQueue, NewClientsAreServedInTheOrderOfTheirArrival) {
  Queue queue({.capacity = 4, .batch_rows = 1, .delay = {}});
  std::uint64_t next = 1, served = 1;
  for (; next <= 3; ++next) queue.add(next, "client " + std::to_string(next));
  for (int i = 0; i < 1000; ++i, ++next) {
    ASSERT_FALSE(queue.add(next, "client " + std::to_string(next)));
    ASSERT_THAT(queue.take(0), ElementsAre(served++));
  }
}

}  // namespace
}  // namespace tenfold::serve
