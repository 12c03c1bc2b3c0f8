// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/dispatcher.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

// Counts what the dispatcher tells.
class Observer final : public DispatchObserver {
 public:
  void queue_changed(std::size_t length) override { queued = length; }
  void took(std::size_t rows, const std::vector<double>& waited) override {
    const std::lock_guard lock(mutex);
    batches.push_back(rows);
    tickets += waited.size();
  }
  void ran(double) override { ++calls; }
  void refused(std::string_view reason) override {
    const std::lock_guard lock(mutex);
    reasons.emplace_back(reason);
  }
  std::mutex mutex;
  std::vector<std::size_t> batches;
  std::vector<std::string> reasons;
  std::atomic<std::size_t> queued{0};
  std::size_t tickets = 0;
  std::atomic<int> calls{0};
};

// A dispatcher whose jobs pass `gate` and answer with "done".
class Workshop {
 public:
  explicit Workshop(QueueOptions queue = {.batch_rows = 1, .delay = {}}, int workers = 1)
      : dispatcher({queue, workers, &observer}, [this](std::vector<std::unique_ptr<Job>> jobs) {
          gate.pass();
          for (const auto& job : jobs) static_cast<CallJob*>(job.get())->run();
        }) {}
  std::shared_ptr<FakeExchange> submit(const std::string& client = "a",
                                       std::chrono::milliseconds deadline = std::chrono::hours(1),
                                       const std::string& group = "g") {
    auto exchange = std::make_shared<FakeExchange>("/x", "", client);
    exchange->limit_deadline(Clock::now() + deadline);
    dispatcher.submit(exchange, group, 1, std::make_unique<CallJob>(exchange, [](const ExchangePtr& waiting) {
                        waiting->respond({200, "text/plain", "done", {}});
                      }));
    return exchange;
  }
  // A job that holds the worker until the gate opens.
  std::shared_ptr<FakeExchange> block() {
    gate.close();
    auto exchange = submit("blocker");
    EXPECT_TRUE(eventually([&] { return gate.waiting() > 0; }));
    return exchange;
  }
  Gate gate;
  Observer observer;
  Dispatcher dispatcher;
};

TEST(Dispatcher, RunsJobs) {
  Workshop shop;
  const auto exchange = shop.submit();
  EXPECT_EQ(exchange->wait().body, "done");
  EXPECT_TRUE(eventually([&] { return shop.observer.calls == 1; }));
  EXPECT_THAT(shop.observer.batches, ElementsAre(1));
}

TEST(Dispatcher, RunsEqualGroupsTogether) {
  Workshop shop({.batch_rows = 3, .delay = std::chrono::hours(1)});
  const auto a = shop.submit("a");
  const auto other = shop.submit("a", std::chrono::hours(1), "other");
  const auto b = shop.submit("b");
  const auto c = shop.submit("c");
  EXPECT_EQ(a->wait().body, "done");
  EXPECT_EQ(b->wait().body, "done");
  EXPECT_EQ(c->wait().body, "done");
  EXPECT_THAT(shop.observer.batches, ElementsAre(3));
  EXPECT_FALSE(other->answered());
  shop.dispatcher.drain();
  EXPECT_EQ(other->wait().body, "done") << "a drained dispatcher waits for no company";
}

TEST(Dispatcher, WorkersRunAtTheSameTime) {
  Workshop shop({.batch_rows = 1, .delay = {}}, 3);
  shop.gate.close();
  const auto a = shop.submit("a"), b = shop.submit("b"), c = shop.submit("c");
  EXPECT_TRUE(eventually([&] { return shop.gate.waiting() == 3; }));
  EXPECT_EQ(shop.dispatcher.running(), 3u);
  shop.gate.open();
  EXPECT_EQ(a->wait().status, 200);
}

TEST(Dispatcher, RefusesBeyondTheQueueWith503) {
  Workshop shop({.capacity = 2, .batch_rows = 1, .delay = {}});
  const auto running = shop.block();
  const auto first = shop.submit("a"), second = shop.submit("b");
  const auto refused = shop.submit("c");
  ASSERT_TRUE(refused->answered()) << "at once";
  EXPECT_EQ(refused->wait().status, 503);
  EXPECT_NE(refused->wait().body.find("serve.queue_full"), std::string::npos);
  EXPECT_EQ(refused->wait().headers.at(0), TextPair("Retry-After", "1"));
  EXPECT_THAT(shop.observer.reasons, ElementsAre("queue_full"));
  shop.gate.open();
  EXPECT_EQ(first->wait().status, 200);
  EXPECT_EQ(second->wait().status, 200);
}

TEST(Dispatcher, TheHeaviestClientLosesAPlaceWith429) {
  Workshop shop({.capacity = 3, .batch_rows = 1, .delay = {}});
  const auto running = shop.block();
  shop.submit("greedy");
  shop.submit("greedy");
  const auto last = shop.submit("greedy");
  const auto other = shop.submit("other");
  EXPECT_EQ(last->wait().status, 429);
  EXPECT_NE(last->wait().body.find("serve.client_share"), std::string::npos);
  EXPECT_FALSE(other->answered());
  shop.gate.open();
  EXPECT_EQ(other->wait().status, 200);
}

TEST(Dispatcher, DropsAnExpiredJobBeforeItRuns) {
  Workshop shop;
  const auto running = shop.block();
  const auto late = shop.submit("a", std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  shop.gate.open();
  EXPECT_EQ(late->wait().status, 503);
  EXPECT_NE(late->wait().body.find("serve.deadline"), std::string::npos);
  EXPECT_EQ(running->wait().status, 200);
  EXPECT_EQ(shop.observer.tickets, 1u) << "only the first was run";
  EXPECT_THAT(shop.observer.reasons, ElementsAre("deadline"));
}

TEST(Dispatcher, AClientThatGoesFreesItsPlace) {
  Workshop shop({.capacity = 1, .batch_rows = 1, .delay = {}});
  const auto running = shop.block();
  const auto gone = shop.submit("a");
  EXPECT_EQ(shop.dispatcher.waiting(), 1u);
  gone->go();
  EXPECT_EQ(shop.dispatcher.waiting(), 0u);
  EXPECT_THAT(shop.observer.reasons, ElementsAre("cancelled"));
  const auto next = shop.submit("b");
  shop.gate.open();
  EXPECT_EQ(next->wait().status, 200);
}

TEST(Dispatcher, StopRefusesWhatWaits) {
  Workshop shop;
  const auto running = shop.block();
  const auto waiting = shop.submit("a");
  std::thread opener([&] {
    EXPECT_NE(waiting->wait().body.find("serve.stopping"), std::string::npos);
    shop.gate.open();
  });
  EXPECT_TRUE(shop.dispatcher.stop());
  opener.join();
  EXPECT_EQ(running->wait().status, 200);
  const auto late = shop.submit("b");
  EXPECT_EQ(late->wait().status, 503);
  EXPECT_NE(late->wait().body.find("serve.stopping"), std::string::npos);
}

TEST(Dispatcher, StopGivesUpOnAJobThatDoesNotEnd) {
  Workshop shop;
  const auto running = shop.block();
  EXPECT_FALSE(shop.dispatcher.stop(Clock::now() + std::chrono::milliseconds(10)));
  EXPECT_EQ(shop.dispatcher.running(), 1u);
  shop.gate.open();
  EXPECT_TRUE(shop.dispatcher.stop());
}

}  // namespace
}  // namespace tenfold::serve
