// SPDX-License-Identifier: Apache-2.0
// Collectives between real processes, and what the others see when a rank dies, hangs or never comes.
#include "tenfold/train/communicator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tenfold/base/error.h"
#include "tests/support/rank_processes.h"

namespace tenfold::train {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using train_test::RankResult;
using train_test::run_ranks;

class Communicators : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = train_test::loopback_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

void expect_finished(const std::vector<RankResult>& results) {
  for (std::size_t rank = 0; rank < results.size(); ++rank) {
    EXPECT_TRUE(results[rank].finished) << "rank " << rank;
    EXPECT_EQ(results[rank].code, "") << "rank " << rank << ": " << results[rank].text;
  }
}

void expect_lost(const RankResult& result, const std::string& in_text) {
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.code, "distributed.lost_rank") << result.text;
  EXPECT_NE(result.text.find(in_text), std::string::npos) << in_text << " not in: " << result.text;
}

TEST(Communicator, WorldOfOneChangesNothing) {
  const auto communicator = make_communicator({});
  torch::Tensor values = at::arange(5, at::kDouble);
  communicator->all_reduce_sum(values);
  communicator->broadcast(values, 0);
  communicator->barrier();
  communicator->start_all_reduce_sum(values)->wait();
  EXPECT_TRUE(values.equal(at::arange(5, at::kDouble)));
  EXPECT_EQ(communicator->world_size(), 1);
  EXPECT_EQ(communicator->bytes_reduced(), 0u);
  EXPECT_EQ(communicator->bytes_sent(), 0u);
}

TEST(Communicator, OptionsComeFromTheEnvironment) {
  const std::pair<const char*, const char*> variables[] = {{"RANK", "1"},
                                                           {"WORLD_SIZE", "2"},
                                                           {"MASTER_ADDR", "127.0.0.1"},
                                                           {"MASTER_PORT", "29511"},
                                                           {"TENFOLD_JOB", "j"},
                                                           {"TENFOLD_RANK_TIMEOUT", "9"}};
  for (const auto& [name, value] : variables) ::setenv(name, value, 1);
  const CommunicatorOptions options = communicator_options_from_environment();
  for (const auto& [name, value] : variables) ::unsetenv(name);
  EXPECT_EQ(options.rank, 1);
  EXPECT_EQ(options.world_size, 2);
  EXPECT_EQ(options.master_port, 29511);
  EXPECT_EQ(options.job, "j");
  EXPECT_EQ(options.timeout, seconds(9));
}

// Everything a rank can send: types, strides, nothing at all. Expected values by hand: rank r holds r + 1.
std::string use_all_operations(const CommunicatorOptions& options) {
  const auto communicator = make_communicator(options);
  const int n = options.world_size;
  const int sum = n * (n + 1) / 2;
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kInt, at::kLong, at::kByte, at::kChar}) {
    torch::Tensor values = at::full({7}, options.rank + 1, type);
    communicator->all_reduce_sum(values);
    if (!values.equal(at::full({7}, sum, type))) return std::string("sum of ") + c10::toString(type);
  }
  torch::Tensor strided = at::full({6, 4}, options.rank + 1, at::kFloat).t();
  strided[0].fill_(10 * (options.rank + 1));
  communicator->all_reduce_sum(strided);
  if (strided[0][5].item<float>() != 10.0f * static_cast<float>(sum) ||
      strided[3][0].item<float>() != static_cast<float>(sum)) {
    return "strides";
  }
  torch::Tensor none = at::zeros({0, 3});
  communicator->all_reduce_sum(none);
  for (int root = 0; root < n; ++root) {
    torch::Tensor value = at::full({2, 2}, options.rank, at::kLong).t();
    communicator->broadcast(value, root);
    if (!value.equal(at::full({2, 2}, root, at::kLong))) return "broadcast";
  }
  torch::Tensor first = at::full({1000}, options.rank + 1, at::kFloat), second = first * 2;
  const auto pending_first = communicator->start_all_reduce_sum(first);
  const auto pending_second = communicator->start_all_reduce_sum(second);
  pending_second->wait();
  pending_first->wait();
  if (first[999].item<float>() != static_cast<float>(sum) ||
      second[0].item<float>() != 2.0f * static_cast<float>(sum))
    return "two at once";
  torch::Tensor truth = at::ones({2}, at::kBool);
  try {
    communicator->all_reduce_sum(truth);
    return "bool was accepted";
  } catch (const Error& error) {
    if (error.code() != "distributed.dtype") return error.code();
  }
  communicator->barrier();
  return "";
}

TEST_F(Communicators, SumBroadcastAndBarrierWorkOnTwoAndThreeRanks) {
  for (const int n : {2, 3}) {
    const auto results = run_ranks(n, use_all_operations);
    expect_finished(results);
    for (const RankResult& result : results) EXPECT_EQ(result.text, "") << n << " ranks";
  }
}

// The order of a float sum shows in its last bits. All ranks, and two runs, must agree in all of them.
TEST_F(Communicators, SumsHaveTheSameBitsOnAllRanksAndRuns) {
  const auto body = [](const CommunicatorOptions& options) {
    const auto communicator = make_communicator(options);
    torch::Tensor values = at::empty({10007}, at::kFloat);
    auto* data = values.data_ptr<float>();
    for (int i = 0; i < 10007; ++i)
      data[i] = 1.0f / static_cast<float>(1 + (i * 31 + options.rank * 17) % 1009);
    communicator->all_reduce_sum(values);
    return std::string(static_cast<const char*>(values.data_ptr()), values.nbytes());
  };
  const auto first = run_ranks(3, body), second = run_ranks(3, body);
  expect_finished(first);
  expect_finished(second);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(first[rank].text.size(), 40028u);
    EXPECT_TRUE(first[rank].text == first[0].text) << rank;
    EXPECT_TRUE(second[rank].text == first[0].text) << rank;
  }
}

// The formula of the header against what the kernel counted on the connections.
TEST_F(Communicators, BytesEqualTheFormulaAndTheTraffic) {
  constexpr int kTimes = 4;
  constexpr std::uint64_t kElements = 300000, kPayload = kTimes * kElements * sizeof(double);
  for (const int n : {2, 3}) {
    const auto results = run_ranks(n, [](const CommunicatorOptions& options) {
      const auto communicator = make_communicator(options);
      torch::Tensor values = at::ones({kElements}, at::kDouble);
      communicator->barrier();
      const long long before = train_test::tcp_bytes_sent();
      for (int i = 0; i < kTimes; ++i) communicator->all_reduce_sum(values);
      communicator->barrier();
      const long long after = train_test::tcp_bytes_sent();
      return std::to_string(communicator->bytes_reduced()) + " " +
             std::to_string(communicator->bytes_sent()) + " " +
             std::to_string(before < 0 ? -1 : after - before);
    });
    expect_finished(results);
    long long measured = 0;
    bool counted = true;
    for (const RankResult& result : results) {
      std::istringstream text(result.text);
      std::uint64_t reduced = 0, sent = 0;
      long long traffic = 0;
      text >> reduced >> sent >> traffic;
      EXPECT_EQ(reduced, kPayload);
      EXPECT_EQ(sent, static_cast<std::uint64_t>(2 * (n - 1)) * kPayload / static_cast<std::uint64_t>(n));
      measured += traffic;
      counted = counted && traffic >= 0;
    }
    if (!counted) GTEST_SKIP() << "this kernel does not count the bytes of a connection";
    const auto formula = static_cast<double>(2 * (n - 1)) * static_cast<double>(kPayload);
    EXPECT_GE(static_cast<double>(measured), formula) << n << " ranks";
    EXPECT_LE(static_cast<double>(measured), 1.01 * formula) << n << " ranks";  // headers of messages
  }
}

enum class Moment { kBeforeTheStart, kBetween, kDuring };

// One rank dies (or stops) at a moment; the others go on until an error.
auto losing(int victim, Moment moment, int signal) {
  return [=](const CommunicatorOptions& options) -> std::string {
    if (options.rank == victim && moment == Moment::kBeforeTheStart) ::raise(signal);
    const auto communicator = make_communicator(options);
    torch::Tensor large = at::ones({4 << 20}), small = at::ones({1});
    communicator->all_reduce_sum(small);
    if (options.rank == victim) {
      const auto pending = moment == Moment::kDuring ? communicator->start_all_reduce_sum(large) : nullptr;
      ::raise(signal);
    }
    for (int i = 0; i < 1000; ++i) {
      communicator->all_reduce_sum(large);
      std::this_thread::sleep_for(milliseconds(5));
    }
    return "no error";
  };
}

TEST_F(Communicators, KilledRankEndsTheOthersAtOnce) {
  for (const Moment moment : {Moment::kBetween, Moment::kDuring}) {
    for (const int victim : {0, 1}) {
      // A time-out far above the time allowed: the closed connection must do it.
      const auto results = run_ranks(2, losing(victim, moment, SIGKILL), seconds(50));
      EXPECT_FALSE(results[static_cast<std::size_t>(victim)].finished);
      const RankResult& other = results[static_cast<std::size_t>(1 - victim)];
      expect_lost(other, "no sign of rank " + std::to_string(victim));
      expect_lost(other, "all_reduce_sum of 16.78 MB failed on rank " + std::to_string(1 - victim) + " of 2");
      expect_lost(other, "within 50 s");
      EXPECT_LT(other.seconds, 40.0);
    }
  }
}

// Gloo writes without MSG_NOSIGNAL: on the wrong moment a dead peer would end this process by SIGPIPE, without an error.
TEST_F(Communicators, ThreadsOfTheNetworkNeverSeeSigpipe) {
  const auto results = run_ranks(2, [](const CommunicatorOptions& options) -> std::string {
    const auto communicator = make_communicator(options);
    int threads = 0, open = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("SigBlk:")) continue;
        ++threads;
        if ((std::stoull(line.substr(7), nullptr, 16) >> (SIGPIPE - 1) & 1) == 0) ++open;
      }
    }
    communicator->barrier();
    return std::to_string(open) + (threads > 2 ? " of several" : " of too few");
  });
  for (const RankResult& result : results) EXPECT_EQ(result.text, "1 of several");  // the caller's own thread
}

TEST_F(Communicators, EveryRankOfThreeNamesTheKilledOne) {
  const auto results = run_ranks(3, losing(2, Moment::kBetween, SIGKILL), seconds(50));
  expect_lost(results[0], "no sign of rank 2");
  expect_lost(results[1], "no sign of rank 2");
}

TEST_F(Communicators, StuckRankIsGivenUpAfterTheTimeout) {
  for (const int victim : {0, 1}) {
    const auto results = run_ranks(2, losing(victim, Moment::kBetween, SIGSTOP), seconds(1), {victim});
    const RankResult& other = results[static_cast<std::size_t>(1 - victim)];
    expect_lost(other, "no sign of rank " + std::to_string(victim));
    EXPECT_GE(other.seconds, 1.0);
  }
}

TEST_F(Communicators, RankThatNeverComesIsNamed) {
  const auto lost = run_ranks(3, losing(1, Moment::kBeforeTheStart, SIGKILL), seconds(1));
  expect_lost(lost[0], "rank 0 of 3 waited for rank 1 at the start");
  expect_lost(lost[2], "rank 2 of 3 waited for ");
  const auto headless = run_ranks(2, losing(0, Moment::kBeforeTheStart, SIGKILL), seconds(1));
  expect_lost(headless[1], "rank 1 of 2 waited for rank 0 at the start");
}

TEST_F(Communicators, AfterAFailureEveryCallFailsTheSameWay) {
  const auto results = run_ranks(2, [](const CommunicatorOptions& options) -> std::string {
    const auto communicator = make_communicator(options);
    communicator->barrier();  // rank 0 may still be connecting when rank 1 is through
    if (options.rank == 1) ::raise(SIGKILL);
    torch::Tensor value = at::ones({3});
    std::string codes;
    for (int i = 0; i < 2; ++i) {
      try {
        i == 0 ? communicator->all_reduce_sum(value) : communicator->barrier();
      } catch (const Error& error) {
        codes += error.code() + " ";
      }
    }
    return codes;
  });
  EXPECT_EQ(results[0].text, "distributed.lost_rank distributed.lost_rank ");
}

TEST_F(Communicators, StopEndsTheWaitForOthers) {
  CommunicatorOptions options;
  options.world_size = 2;
  options.master_port = train_test::free_port();
  options.timeout = seconds(60);
  for (const int rank : {0, 1}) {  // each alone
    StopToken stop;
    stop.request();
    options.rank = rank;
    options.stop = &stop;
    try {
      make_communicator(options);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "distributed.stopped");
    }
  }
}

std::string code_of(const CommunicatorOptions& options) {
  try {
    make_communicator(options);
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST_F(Communicators, WrongSetUpsAreNamed) {
  CommunicatorOptions options;
  options.world_size = 2;
  options.rank = 1;
  options.timeout = milliseconds(200);
  options.master_address = "no-such-machine.invalid";
  EXPECT_EQ(code_of(options), "distributed.bad_address");

  const auto sizes = run_ranks(
      2,
      [](CommunicatorOptions own) {
        own.world_size = own.rank == 0 ? 2 : 3;
        make_communicator(own);
        return "";
      },
      seconds(2));
  EXPECT_EQ(sizes[0].code, "distributed.bad_environment") << sizes[0].text;

  const auto same = run_ranks(
      3,
      [](CommunicatorOptions own) {
        if (own.rank == 2) own.rank = 1;
        make_communicator(own);
        return "";
      },
      seconds(1));
  EXPECT_TRUE(same[1].code == "distributed.bad_environment" || same[2].code == "distributed.bad_environment")
      << same[1].text << same[2].text;
}

TEST_F(Communicators, PortInUseIsNamed) {
  const auto results = run_ranks(2, [](const CommunicatorOptions& options) -> std::string {
    if (options.rank == 1) return "";
    CommunicatorOptions first = options;
    first.timeout = seconds(5);
    StopToken stop;
    first.stop = &stop;
    std::thread waiting([&] { code_of(first); });
    std::this_thread::sleep_for(milliseconds(300));
    const std::string code = code_of(options);
    stop.request();
    waiting.join();
    return code;
  });
  EXPECT_EQ(results[0].text, "distributed.port_in_use");
}

}  // namespace
}  // namespace tenfold::train
