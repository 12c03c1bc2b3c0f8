// SPDX-License-Identifier: Apache-2.0
// Which rank of a distributed run this process is, as the program that started it says in environment variables. No LibTorch
// here: the command line asks too, since only rank 0 writes results.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace tenfold {

struct RankEnvironment {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;  // among the ranks of this machine
  int local_world_size = 1;
  std::string master_address = "127.0.0.1";  // the machine of rank 0
  int master_port = 29500;
  std::string job;  // equal on all ranks of a job, another one for another job; empty when nothing names it
  std::string
      network_name;  // GLOO_SOCKET_IFNAME: network interface to use; empty: chosen by the master's address
  std::chrono::seconds timeout{300};  // TENFOLD_RANK_TIMEOUT: how long one rank waits for another
};

// The value of one variable; nullopt when it is not set.
using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

// Reads, in this order:
//   RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE      `tenfold launch`, torchrun, or set by hand
//   OMPI_COMM_WORLD_RANK, ..._SIZE, ..._LOCAL_RANK, ... mpirun of Open MPI
//   PMI_RANK, PMI_SIZE, MPI_LOCALRANKID, MPI_LOCALNRANKS mpirun of MPICH and Intel MPI
//   SLURM_PROCID, SLURM_STEP_NUM_TASKS, ...             srun (a batch script or a shell of salloc is no rank)
// and MASTER_ADDR, MASTER_PORT. With mpirun and srun the last two may be missing when all ranks are on one machine; srun
// also knows the first machine of the job. The port then follows from the job's number, so that two jobs do not meet.
// A world of one when nothing is set. Throws Error(kConfig, "distributed.bad_environment") naming the variables for a
// missing or unreadable value, and when two sources contradict each other (a RANK exported to all ranks by mistake).
RankEnvironment rank_environment(const VariableLookup& lookup);
RankEnvironment rank_environment();  // of this process

// Ranks of the same run on this machine, for sharing its cores; 1 when unknown. Never throws.
int local_world_size();

// The first machine in Slurm's short form: "node[003-010,12],login1" -> "node003".
std::string first_slurm_host(const std::string& node_list);

}  // namespace tenfold
