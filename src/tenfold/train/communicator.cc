// SPDX-License-Identifier: Apache-2.0
// Communicators: a world of one, and c10d's ProcessGroupGloo.
#include "tenfold/train/communicator.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <optional>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/rank_environment.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/rendezvous.h"

namespace tenfold::train {
namespace {

class WorldOfOne final : public Communicator {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  void all_reduce_sum(torch::Tensor&) override {}
  void broadcast(torch::Tensor&, int) override {}
  void barrier() override {}
  std::uint64_t bytes_reduced() const override { return 0; }
  std::unique_ptr<Pending> start_all_reduce_sum(torch::Tensor) override { return std::make_unique<Done>(); }

 private:
  class Done final : public Pending {
   public:
    void wait() override {}
  };
};

// Threads started while it lives never see SIGPIPE: Gloo writes to sockets without MSG_NOSIGNAL, so a dead peer would end
// this process without a word.
class NoSigpipeInNewThreads {
 public:
  NoSigpipeInNewThreads() {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  NoSigpipeInNewThreads(const NoSigpipeInNewThreads&) = delete;
  NoSigpipeInNewThreads& operator=(const NoSigpipeInNewThreads&) = delete;
  ~NoSigpipeInNewThreads() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

std::shared_ptr<gloo::transport::Device> make_device(const CommunicatorOptions& options) {
  const std::string address = options.interface.empty() ? local_address(options) : "";
  try {
    return options.interface.empty() ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                                     : c10d::ProcessGroupGloo::createDeviceForInterface(options.interface);
  } catch (const std::exception& failure) {
    throw Error(ErrorClass::kConfig,
                "distributed.bad_address",
                {.what = "Gloo cannot use this network",
                 .seen = fmt::format("{}: {}",
                                     options.interface.empty() ? address : printable(options.interface),
                                     short_text(failure)),
                 .wanted = "an address or interface of this machine that is up",
                 .remedy = "set GLOO_SOCKET_IFNAME to an interface that `ip address` lists, or unset it"});
  }
}

std::string size_text(std::uint64_t bytes) {
  return bytes < 10000 ? fmt::format("{} bytes", bytes)
                       : fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

void check_tensor(const torch::Tensor& tensor) {
  check_internal(tensor.defined(), "a collective operation needs a tensor");
  using Type = c10::ScalarType;
  const bool known = tensor.device().is_cpu() && tensor.layout() == c10::kStrided;
  switch (known ? tensor.scalar_type() : Type::Undefined) {
    case Type::Float:
    case Type::Double:
    case Type::Half:
    case Type::Byte:
    case Type::Char:
    case Type::Int:
    case Type::Long:
      return;
    default:
      throw Error(ErrorClass::kUsage,
                  "distributed.dtype",
                  {.what = "this tensor cannot be sent to other ranks",
                   .seen = tensor.toString(),
                   .wanted = "a dense CPU tensor of float16, float32, float64, (u)int8, int32 or int64",
                   .remedy = "convert it first"});
  }
}

class GlooCommunicator final : public Communicator {
 public:
  explicit GlooCommunicator(CommunicatorOptions options)
      : options_(std::move(options)), rendezvous_(options_) {
    auto gloo = c10d::ProcessGroupGloo::Options::create(options_.timeout);
    gloo->devices.push_back(make_device(options_));
    gloo->threads = 2;
    run("the first connection", [&] {
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
          rendezvous_.store(), options_.rank, options_.world_size, gloo);
    });
  }

  int rank() const override { return options_.rank; }
  int world_size() const override { return options_.world_size; }
  std::uint64_t bytes_reduced() const override { return bytes_reduced_; }

  void all_reduce_sum(torch::Tensor& tensor) override { start_all_reduce_sum(tensor)->wait(); }

  void broadcast(torch::Tensor& tensor, int root) override {
    check_tensor(tensor);
    check_internal(root >= 0 && root < options_.world_size, "broadcast from a rank that does not exist");
    if (tensor.numel() == 0) return;
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> parts = {flat(tensor)};
    c10d::BroadcastOptions how;
    how.rootRank = root;
    run(fmt::format("broadcast of {} from rank {}", size_text(parts[0].nbytes()), root),
        [&] { group_->broadcast(parts, how)->wait(); });
    copy_back(parts[0], tensor);
  }

  void barrier() override {
    run("barrier", [&] { group_->barrier()->wait(); });
  }

  std::unique_ptr<Pending> start_all_reduce_sum(torch::Tensor tensor) override {
    check_tensor(tensor);
    const at::NoGradGuard no_grad;
    auto sum = std::make_unique<Sum>(*this, std::move(tensor));
    if (sum->empty()) return sum;
    bytes_reduced_ += sum->bytes();
    run(sum->name(), [&] { sum->start(*group_); });
    return sum;
  }

 private:
  // Gloo sees memory, no strides.
  static torch::Tensor flat(const torch::Tensor& tensor) { return tensor.detach().contiguous(); }
  static void copy_back(const torch::Tensor& from, torch::Tensor& to) {
    if (from.data_ptr() != to.data_ptr()) to.detach().copy_(from);
  }

  class Sum final : public Pending {
   public:
    Sum(GlooCommunicator& owner, torch::Tensor tensor)
        : owner_(owner), tensor_(std::move(tensor)), parts_{flat(tensor_)} {}
    bool empty() const { return parts_[0].numel() == 0; }
    std::uint64_t bytes() const { return parts_[0].nbytes(); }
    std::string name() const { return "all_reduce_sum of " + size_text(bytes()); }
    void start(c10d::ProcessGroupGloo& group) { work_ = group.allreduce(parts_); }
    void wait() override {
      if (!work_) return;
      const auto work = std::exchange(work_, {});
      owner_.run(name(), [&] { work->wait(); });
      const at::NoGradGuard no_grad;
      copy_back(parts_[0], tensor_);
    }

   private:
    GlooCommunicator& owner_;
    torch::Tensor tensor_;
    std::vector<at::Tensor> parts_;
    c10::intrusive_ptr<c10d::Work> work_;
  };

  template <typename Operation>
  void run(const std::string& name, Operation operation) {
    if (failure_) throw *failure_;
    try {
      operation();
    } catch (const std::exception& failure) {
      fail(name, short_text(failure));
    }
  }

  [[noreturn]] void fail(const std::string& operation, std::string seen) {
    const std::vector<int> silent = rendezvous_.ranks_without_a_sign();
    failure_ = Error(
        ErrorClass::kResource,
        "distributed.lost_rank",
        {.what = fmt::format("{} failed on rank {} of {}: no sign of {}",
                             operation,
                             options_.rank,
                             options_.world_size,
                             silent.empty() ? "a common network" : name_ranks(silent)),
         .seen = std::move(seen),
         .wanted = fmt::format("all {} ranks to take part within {:g} s",
                               options_.world_size,
                               static_cast<double>(options_.timeout.count()) / 1e3),
         .remedy = "look for the first error of that rank (its own output, a signal, the memory of its "
                   "machine) and start "
                   "all ranks again: training continues from its last checkpoint. If it only was slow, raise "
                   "TENFOLD_RANK_TIMEOUT"});
    throw *failure_;
  }

  const CommunicatorOptions options_;
  Rendezvous rendezvous_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::atomic<std::uint64_t> bytes_reduced_{0};
  std::optional<Error> failure_;
};

}  // namespace

CommunicatorOptions communicator_options_from_environment() {
  const RankEnvironment environment = rank_environment();
  CommunicatorOptions options;
  options.rank = environment.rank;
  options.world_size = environment.world_size;
  options.master_address = environment.master_address;
  options.master_port = environment.master_port;
  options.job = environment.job;
  options.interface = environment.network_name;
  options.timeout = environment.timeout;
  return options;
}

std::uint64_t Communicator::bytes_sent() const {
  const auto n = static_cast<std::uint64_t>(world_size());
  return 2 * (n - 1) * bytes_reduced() / n;
}

std::unique_ptr<Communicator> make_communicator(const CommunicatorOptions& options) {
  check_internal(options.rank >= 0 && options.rank < options.world_size, "rank outside of the world");
  if (options.world_size == 1) return std::make_unique<WorldOfOne>();
  const NoSigpipeInNewThreads guard;
  return std::make_unique<GlooCommunicator>(options);
}

void broadcast_parameters(Communicator& communicator, std::span<const NamedParameter> parameters, int root) {
  if (communicator.world_size() == 1) return;
  for (const NamedParameter& parameter : parameters) {
    torch::Tensor value = parameter.value.detach();
    communicator.broadcast(value, root);
  }
}

}  // namespace tenfold::train
