// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/rank_environment.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

constexpr int kMaxRanks = 65536;
constexpr int kDefaultPort = 29500;
constexpr char kAlternatives[] =
    "start the ranks with `tenfold launch -n N -- COMMAND`, mpirun or srun, or unset the variables to run as "
    "one process";

[[noreturn]] void fail(std::string what, std::string seen, std::string wanted, std::string remedy) {
  throw Error(ErrorClass::kConfig,
              "distributed.bad_environment",
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = std::move(remedy)});
}

std::optional<int> integer(const VariableLookup& lookup, const std::string& name, int low, int high) {
  const std::optional<std::string> text = lookup(name);
  if (!text || text->empty()) return std::nullopt;
  const auto value = parse_integer(*text);
  if (!value || *value < low || *value > high) {
    fail(fmt::format("the environment variable {} cannot be used", name),
         printable(*text),
         fmt::format("an integer from {} to {}", low, high),
         kAlternatives);
  }
  return static_cast<int>(*value);
}

// One program that starts ranks, and its names for things.
struct Source {
  const char* program;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};

constexpr Source kExplicit = {"the environment", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Source kOpenMpi = {"mpirun",
                             "OMPI_COMM_WORLD_RANK",
                             "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_LOCAL_RANK",
                             "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Source kMpich = {"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};
// SLURM_NTASKS is also set in batch scripts, which are one process; the names with STEP exist below srun only.
constexpr Source kSlurm = {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", nullptr};

// A source with its values; `from` is null when it says nothing.
struct Found {
  const Source* from = nullptr;
  std::optional<int> rank, size;
};

void check_pair(const Found& found) {
  if (found.rank && found.size && *found.rank >= *found.size) {
    fail(fmt::format("{} and {} do not fit together", found.from->rank, found.from->size),
         fmt::format("{}={} {}={}", found.from->rank, *found.rank, found.from->size, *found.size),
         fmt::format("{} from 0 to {} - 1", found.from->rank, found.from->size),
         kAlternatives);
  }
}

[[noreturn]] void fail_half(const Found& found) {
  const char* present = found.rank ? found.from->rank : found.from->size;
  const char* missing = found.rank ? found.from->size : found.from->rank;
  fail(fmt::format("{} is set but {} is not", present, missing),
       fmt::format("{}={}", present, found.rank ? *found.rank : *found.size),
       "both of them, or none for a single process",
       fmt::format("set {} too; or {}", missing, kAlternatives));
}

Found read_source(const VariableLookup& lookup, const Source& source) {
  Found found;
  found.rank = integer(lookup, source.rank, 0, kMaxRanks - 1);
  found.size = integer(lookup, source.size, 1, kMaxRanks);
  if (found.rank || found.size) found.from = &source;
  if (found.from != nullptr) check_pair(found);
  return found;
}

// The program that started this process, if it is one of those known.
Found read_launcher(const VariableLookup& lookup) {
  const Found slurm = read_source(lookup, kSlurm);
  for (const Source* source : {&kOpenMpi, &kMpich}) {
    const Found found = read_source(lookup, *source);
    if (found.from == nullptr) continue;
    if (!found.rank || !found.size) fail_half(found);
    // srun may set PMI_RANK too, and says more. An mpirun that uses srun to reach its machines has ranks of its own.
    return found.rank == slurm.rank && found.size == slurm.size ? slurm : found;
  }
  return slurm.rank && slurm.size ? slurm : Found{};
}

void check_agreement(const Found& by_hand, const Found& launcher) {
  const bool same = (!by_hand.rank || *by_hand.rank == *launcher.rank) &&
                    (!by_hand.size || *by_hand.size == *launcher.size);
  if (same) return;
  const auto shown = [](const std::optional<int>& value) { return value ? std::to_string(*value) : "unset"; };
  fail(fmt::format("RANK and WORLD_SIZE contradict {}", launcher.from->program),
       fmt::format("RANK={} WORLD_SIZE={} but {}={} {}={}",
                   shown(by_hand.rank),
                   shown(by_hand.size),
                   launcher.from->rank,
                   *launcher.rank,
                   launcher.from->size,
                   *launcher.size),
       "the same values, or only one of the two",
       fmt::format("unset RANK and WORLD_SIZE: {} gives each rank its own", launcher.from->program));
}

bool is_set(const VariableLookup& lookup, const std::string& name) {
  const auto value = lookup(name);
  return value && !value->empty();
}

// Whose rank and size count. RANK and WORLD_SIZE of a launcher inside another one (torchrun below srun) go first; by hand
// they must agree with the launcher.
Found choose_source(const VariableLookup& lookup) {
  const Found by_hand = read_source(lookup, kExplicit);
  const bool complete = by_hand.rank && by_hand.size;
  if (complete && (is_set(lookup, "TENFOLD_JOB") || is_set(lookup, "TORCHELASTIC_RUN_ID"))) return by_hand;
  const Found launcher = read_launcher(lookup);
  if (launcher.from == nullptr) {
    if (by_hand.from != nullptr && !complete) fail_half(by_hand);
    return by_hand;
  }
  if (complete && *launcher.size == 1) return by_hand;  // the ranks of one task, started by hand
  if (by_hand.from != nullptr) check_agreement(by_hand, launcher);
  return launcher;
}

// "2(x3),1": tasks on each machine of a Slurm step. 1 when it cannot be read.
int slurm_tasks_here(const VariableLookup& lookup) {
  const std::optional<std::string> text = lookup("SLURM_STEP_TASKS_PER_NODE");
  const int node = integer(lookup, "SLURM_NODEID", 0, kMaxRanks).value_or(0);
  if (!text) return 1;
  int first = 0;
  for (const std::string& part : split(*text, ',')) {
    const std::size_t open = part.find("(x");
    const auto tasks = parse_integer(part.substr(0, open));
    const auto machines =
        open == std::string::npos ? 1 : parse_integer(part.substr(open + 2, part.size() - open - 3));
    if (!tasks || !machines || *tasks < 1 || *tasks > kMaxRanks || *machines < 1) return 1;
    if (node < first + *machines) return static_cast<int>(*tasks);
    first += static_cast<int>(*machines);
  }
  return 1;
}

std::string job_name(const VariableLookup& lookup, const Source& source) {
  if (&source == &kExplicit) {
    return lookup("TENFOLD_JOB").value_or(lookup("TORCHELASTIC_RUN_ID").value_or(""));
  }
  if (&source == &kOpenMpi) {
    return lookup("PMIX_NAMESPACE").value_or(lookup("OMPI_MCA_ess_base_jobid").value_or(""));
  }
  if (&source == &kSlurm && is_set(lookup, "SLURM_JOB_ID")) {
    return *lookup("SLURM_JOB_ID") + "." + lookup("SLURM_STEP_ID").value_or("0");
  }
  return "";
}

// FNV-1a, folded into a range below the ports that systems give out by themselves (Linux: from 32768).
int port_of_job(const std::string& job) {
  std::uint32_t hash = 2166136261u;
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return job.empty() ? kDefaultPort : static_cast<int>(20000 + hash % 10000);
}

std::string master_address(const VariableLookup& lookup, const Source& source, const RankEnvironment& found) {
  if (is_set(lookup, "MASTER_ADDR")) return *lookup("MASTER_ADDR");
  if (&source != &kExplicit && found.local_world_size == found.world_size) return "127.0.0.1";
  if (&source == &kSlurm) {
    std::string host =
        first_slurm_host(lookup("SLURM_STEP_NODELIST").value_or(lookup("SLURM_JOB_NODELIST").value_or("")));
    if (!host.empty()) return host;
  }
  fail("MASTER_ADDR is not set",
       fmt::format("{} ranks, {} on this machine", found.world_size, found.local_world_size),
       "the name or address of the machine of rank 0, the same on all ranks",
       &source == &kOpenMpi ? "pass it on: MASTER_ADDR=host mpirun -x MASTER_ADDR ..."
                            : "set MASTER_ADDR=host (127.0.0.1 when all ranks are on one machine)");
}

int master_port(const VariableLookup& lookup, const Source& source, const RankEnvironment& found) {
  if (const auto port = integer(lookup, "MASTER_PORT", 1, 65535)) return *port;
  if (&source != &kExplicit) return port_of_job(found.job);
  fail("MASTER_PORT is not set",
       fmt::format("RANK={} WORLD_SIZE={}", found.rank, found.world_size),
       "a free port of the machine of rank 0, the same on all ranks",
       "set MASTER_PORT, 29500 for example");
}

void read_local(const VariableLookup& lookup, const Source& source, RankEnvironment& found) {
  found.local_rank = integer(lookup, source.local_rank, 0, kMaxRanks - 1).value_or(0);
  found.local_world_size = &source == &kSlurm ? slurm_tasks_here(lookup)
                                              : integer(lookup, source.local_size, 1, kMaxRanks).value_or(1);
}

std::optional<std::string> process_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

RankEnvironment rank_environment(const VariableLookup& lookup) {
  RankEnvironment result;
  if (const auto seconds = integer(lookup, "TENFOLD_RANK_TIMEOUT", 1, 86400)) {
    result.timeout = std::chrono::seconds(*seconds);
  }
  result.network_name = lookup("GLOO_SOCKET_IFNAME").value_or("");
  const Found found = choose_source(lookup);
  if (found.from == nullptr) return result;
  result.rank = *found.rank;
  result.world_size = *found.size;
  read_local(lookup, *found.from, result);
  result.job = job_name(lookup, *found.from);
  if (result.world_size == 1) return result;
  result.master_address = master_address(lookup, *found.from, result);
  result.master_port = master_port(lookup, *found.from, result);
  return result;
}

RankEnvironment rank_environment() {
  return rank_environment(process_variable);
}

int local_world_size() {
  try {
    return rank_environment().local_world_size;
  } catch (const Error&) {
    return 1;  // who trains will meet the same error; here it only decides a default
  }
}

std::string first_slurm_host(const std::string& node_list) {
  std::string host;
  for (std::size_t at = 0; at < node_list.size() && node_list[at] != ','; ++at) {
    if (node_list[at] != '[') {
      host += node_list[at];
      continue;
    }
    const std::size_t close = node_list.find(']', at);
    const std::size_t end = node_list.find_first_of("-,]", at);
    if (close == std::string::npos || end == std::string::npos) return "";
    host += node_list.substr(at + 1, end - at - 1);
    at = close;
  }
  return host;
}

}  // namespace tenfold
