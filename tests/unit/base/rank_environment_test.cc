// SPDX-License-Identifier: Apache-2.0
// What mpirun, srun, torchrun and `tenfold launch` set, by their manuals, and what must be refused.
#include "tenfold/base/rank_environment.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold {
namespace {

using Variables = std::map<std::string, std::string>;

RankEnvironment parse(const Variables& variables) {
  return rank_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

Variables with(Variables base, const Variables& more) {
  for (const auto& [name, value] : more) base[name] = value;
  return base;
}

Variables without(Variables base, const std::string& name) {
  base.erase(name);
  return base;
}

const Variables kTorchrun = {{"RANK", "3"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "2"},
                             {"MASTER_ADDR", "10.0.0.1"},
                             {"MASTER_PORT", "41000"},
                             {"TORCHELASTIC_RUN_ID", "job7"}};
const Variables kByHand = {
    {"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "host0"}, {"MASTER_PORT", "29501"}};
const Variables kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_NAMESPACE", "1313013761"}};
const Variables kMpich = {
    {"PMI_RANK", "1"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "3"}};
const Variables kSrun = {{"SLURM_PROCID", "4"},
                         {"SLURM_NTASKS", "5"},
                         {"SLURM_STEP_NUM_TASKS", "5"},
                         {"SLURM_LOCALID", "0"},
                         {"SLURM_NODEID", "2"},
                         {"SLURM_STEP_TASKS_PER_NODE", "2(x2),1"},
                         {"SLURM_STEP_NODELIST", "node[007-009]"},
                         {"SLURM_JOB_ID", "4711"},
                         {"SLURM_STEP_ID", "0"}};

struct Good {
  std::string name;
  Variables variables;
  int rank, world_size, local_rank, local_world_size;
  std::string address;
  int port;  // 0: any of the range for jobs
};

TEST(RankEnvironment, ReadsEveryLauncher) {
  const std::vector<Good> cases = {
      {"nothing", {}, 0, 1, 0, 1, "127.0.0.1", 29500},
      {"torchrun", kTorchrun, 3, 4, 1, 2, "10.0.0.1", 41000},
      {"by hand", kByHand, 1, 2, 0, 1, "host0", 29501},
      {"world of one needs no address", {{"RANK", "0"}, {"WORLD_SIZE", "1"}}, 0, 1, 0, 1, "127.0.0.1", 29500},
      {"an address alone is no run",
       {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}},
       0,
       1,
       0,
       1,
       "127.0.0.1",
       29500},
      {"empty values are unset", {{"RANK", ""}, {"WORLD_SIZE", ""}}, 0, 1, 0, 1, "127.0.0.1", 29500},
      {"mpirun", kOpenMpi, 1, 2, 1, 2, "127.0.0.1", 0},
      {"mpirun -x MASTER_ADDR",
       with(kOpenMpi, {{"MASTER_ADDR", "h"}, {"MASTER_PORT", "9"}}),
       1,
       2,
       1,
       2,
       "h",
       9},
      {"mpirun of MPICH", kMpich, 1, 3, 1, 3, "127.0.0.1", 29500},
      {"mpirun with the same RANK",
       with(kOpenMpi, {{"RANK", "1"}, {"WORLD_SIZE", "2"}}),
       1,
       2,
       1,
       2,
       "127.0.0.1",
       0},
      {"mpirun and WORLD_SIZE alone", with(kOpenMpi, {{"WORLD_SIZE", "2"}}), 1, 2, 1, 2, "127.0.0.1", 0},
      {"srun on three machines", kSrun, 4, 5, 0, 1, "node007", 0},
      {"srun on the first machine",
       with(kSrun, {{"SLURM_PROCID", "1"}, {"SLURM_NODEID", "0"}}),
       1,
       5,
       0,
       2,
       "node007",
       0},
      {"srun on one machine",
       with(kSrun, {{"SLURM_NODEID", "0"}, {"SLURM_STEP_TASKS_PER_NODE", "5"}}),
       4,
       5,
       0,
       5,
       "127.0.0.1",
       0},
      {"srun with PMI variables",
       with(kSrun, {{"PMI_RANK", "4"}, {"PMI_SIZE", "5"}}),
       4,
       5,
       0,
       1,
       "node007",
       0},
      {"a batch script is one process",
       {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}},
       0,
       1,
       0,
       1,
       "127.0.0.1",
       29500},
      {"mpirun inside srun", with(kSrun, kOpenMpi), 1, 2, 1, 2, "127.0.0.1", 0},
      {"torchrun inside srun", with(kSrun, kTorchrun), 3, 4, 1, 2, "10.0.0.1", 41000},
      {"launch inside one mpirun task",
       with(with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}), kByHand),
       1,
       2,
       0,
       1,
       "host0",
       29501},
  };
  for (const Good& good : cases) {
    SCOPED_TRACE(good.name);
    const RankEnvironment found = parse(good.variables);
    EXPECT_EQ(found.rank, good.rank);
    EXPECT_EQ(found.world_size, good.world_size);
    EXPECT_EQ(found.local_rank, good.local_rank);
    EXPECT_EQ(found.local_world_size, good.local_world_size);
    EXPECT_EQ(found.master_address, good.address);
    if (good.port != 0) {
      EXPECT_EQ(found.master_port, good.port);
    } else {
      EXPECT_GE(found.master_port, 20000);
      EXPECT_LT(found.master_port, 30000);
    }
  }
}

TEST(RankEnvironment, RefusesWhatCannotWork) {
  struct Bad {
    Variables variables;
    std::string in_text;  // must be named
  };
  const std::vector<Bad> cases = {
      {without(kByHand, "RANK"), "RANK is not"},
      {without(kByHand, "WORLD_SIZE"), "WORLD_SIZE is not"},
      {without(kByHand, "MASTER_ADDR"), "MASTER_ADDR"},
      {without(kByHand, "MASTER_PORT"), "MASTER_PORT"},
      {with(kByHand, {{"RANK", "2"}}), "RANK=2 WORLD_SIZE=2"},
      {with(kByHand, {{"RANK", "-1"}}), "RANK"},
      {with(kByHand, {{"RANK", "one"}}), "RANK"},
      {with(kByHand, {{"WORLD_SIZE", "0"}}), "WORLD_SIZE"},
      {with(kByHand, {{"WORLD_SIZE", "2x"}}), "WORLD_SIZE"},
      {with(kByHand, {{"MASTER_PORT", "65536"}}), "MASTER_PORT"},
      {with(kOpenMpi, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}}), "mpirun -x MASTER_ADDR"},
      {without(kOpenMpi, "OMPI_COMM_WORLD_SIZE"), "OMPI_COMM_WORLD_SIZE is not"},
      {with(kOpenMpi, {{"RANK", "0"}}), "contradict mpirun"},
      {with(kOpenMpi, {{"RANK", "1"}, {"WORLD_SIZE", "4"}}), "contradict mpirun"},
      {with(kSrun, {{"RANK", "0"}, {"WORLD_SIZE", "5"}}), "contradict srun"},
      {without(kMpich, "PMI_SIZE"), "PMI_SIZE is not"},
      {with(kSrun, {{"SLURM_PROCID", "5"}}), "SLURM_PROCID=5"},
      {without(kSrun, "SLURM_STEP_NODELIST"), "MASTER_ADDR"},
      {{{"TENFOLD_RANK_TIMEOUT", "0"}}, "TENFOLD_RANK_TIMEOUT"},
  };
  for (const Bad& bad : cases) {
    SCOPED_TRACE(bad.in_text);
    try {
      parse(bad.variables);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "distributed.bad_environment");
      EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
      EXPECT_FALSE(error.text().remedy.empty());
      const std::string all = error.text().what + "\n" + error.text().seen + "\n" + error.text().wanted +
                              "\n" + error.text().remedy;
      EXPECT_NE(all.find(bad.in_text), std::string::npos) << all;
    }
  }
}

TEST(RankEnvironment, JobsGetTheirOwnNameAndPort) {
  const RankEnvironment first = parse(kSrun);
  const RankEnvironment other_rank = parse(with(kSrun, {{"SLURM_PROCID", "0"}, {"SLURM_NODEID", "0"}}));
  const RankEnvironment second = parse(with(kSrun, {{"SLURM_JOB_ID", "4712"}}));
  EXPECT_EQ(first.job, "4711.0");
  EXPECT_EQ(first.master_port, other_rank.master_port);
  EXPECT_NE(first.master_port, second.master_port);
  EXPECT_EQ(parse(kTorchrun).job, "job7");
  EXPECT_EQ(parse(kOpenMpi).job, "1313013761");
  EXPECT_EQ(parse(kByHand).job, "");
}

TEST(RankEnvironment, ReadsTimeoutAndNetwork) {
  const RankEnvironment found = parse({{"TENFOLD_RANK_TIMEOUT", "7"}, {"GLOO_SOCKET_IFNAME", "eth3"}});
  EXPECT_EQ(found.timeout, std::chrono::seconds(7));
  EXPECT_EQ(found.network_name, "eth3");
  EXPECT_EQ(parse({}).timeout, std::chrono::seconds(300));
}

TEST(RankEnvironment, FindsTheFirstMachineOfSlurm) {
  EXPECT_EQ(first_slurm_host("node[003-010,12],login1"), "node003");
  EXPECT_EQ(first_slurm_host("node7"), "node7");
  EXPECT_EQ(first_slurm_host("b,a"), "b");
  EXPECT_EQ(first_slurm_host("rack[2,4]n[11-12]"), "rack2n11");
  EXPECT_EQ(first_slurm_host("n[5]-ib"), "n5-ib");
  EXPECT_EQ(first_slurm_host(""), "");
  EXPECT_EQ(first_slurm_host("node[1-2"), "");
}

}  // namespace
}  // namespace tenfold
