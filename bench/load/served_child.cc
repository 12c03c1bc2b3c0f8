// SPDX-License-Identifier: Apache-2.0
#include "bench/load/served_child.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "tenfold/serve/server.h"

namespace tenfold::bench {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// So many multiplications take about a millisecond on a core of 2022; the work is fixed, the time is not.
constexpr double kStepsOfAMillisecond = 250'000;

class LoadPredictor final : public systems::Predictor {
 public:
  LoadPredictor(double milliseconds, bool asleep)
      : steps_(asleep ? 0 : static_cast<std::int64_t>(milliseconds * kStepsOfAMillisecond)),
        pause_(asleep ? milliseconds : 0.0) {
    info_.name = "load";
    info_.system = "bench";
    info_.platform = "tenfold_bench";
    info_.inputs = {{"x", systems::TensorType::kFp32, {-1}, "values"}};
    info_.outputs = {{"y", systems::TensorType::kFp32, {-1}, "the values"}};
    info_.max_batch = 1;  // no company: the overhead of the server alone
  }
  const systems::PredictorInfo& info() const override { return info_; }
  std::vector<systems::PredictAnswer> predict(std::span<const systems::PredictItem> items,
                                              Deadline) override {
    if (pause_.count() > 0) std::this_thread::sleep_for(pause_);
    std::vector<systems::PredictAnswer> answers;
    for (const systems::PredictItem& item : items) {
      systems::Tensor y = item.inputs[0];
      y.name = "y";
      double value = item.inputs[0].values<float>()[0];  // not known to the compiler
      for (std::int64_t i = 0; i < steps_; ++i)
        value = value * 0.999999 + 1e-6;  // a chain: no vector unit helps
      y.values<float>()[0] *= static_cast<float>(value);
      answers.push_back({{std::move(y)}, std::nullopt});
    }
    return answers;
  }

 private:
  systems::PredictorInfo info_;
  std::int64_t steps_;
  std::chrono::duration<double, std::milli> pause_;
};

StopToken stop_token;

[[noreturn]] void serve(const ServedOptions& options, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGTERM, [](int) { stop_token.request(); });
  if (options.core >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(options.core), &cores);
    ::sched_setaffinity(0, sizeof cores, &cores);
  }
  int code = 1;
  try {
    serve::ServeOptions serve_options;
    serve_options.port = 0;
    serve_options.runs = "/nonexistent";
    serve_options.workers = options.workers;
    serve_options.drain = options.drain;
    serve::ServeParts parts;
    parts.models = {{std::make_shared<LoadPredictor>(options.milliseconds, options.asleep), {}}};
    serve::Server server(serve_options, parts);
    server.start();
    ::dprintf(out, "%d\n", server.port());
    const serve::ServeEnd end = server.run(stop_token);
    ::dprintf(out, "%d %llu\n", end.lost, static_cast<unsigned long long>(end.answered));
    code = end.stuck ? 1 : 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "server: %s\n", failure.what());
  }
  ::_exit(code);
}

std::string read_line(int from) {
  std::string line;
  char byte = 0;
  while (::read(from, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

}  // namespace

ServedChild::ServedChild(const ServedOptions& options) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    ::close(ends[0]);
    serve(options, ends[1]);
  }
  ::close(ends[1]);
  from_child_ = ends[0];
  const std::string line = read_line(from_child_);
  if (line.empty()) throw std::runtime_error("the server did not start");
  port_ = static_cast<std::uint16_t>(std::stoi(line));
}

ServedChild::~ServedChild() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (from_child_ >= 0) ::close(from_child_);
}

double ServedChild::resident_megabytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double ServedChild::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string word;
  for (int i = 0; i < 13; ++i) file >> word;
  double user = 0, system = 0;
  file >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void ServedChild::terminate() {
  if (told_ >= 0) return;
  told_ = now();
  ::kill(pid_, SIGTERM);
}

ServedEnd ServedChild::stop() {
  terminate();
  ServedEnd end;
  const std::string line = read_line(from_child_);
  unsigned long long answered = 0;
  std::sscanf(line.c_str(), "%d %llu", &end.lost, &answered);
  end.answered = answered;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  end.seconds = now() - told_;
  return end;
}

}  // namespace tenfold::bench
