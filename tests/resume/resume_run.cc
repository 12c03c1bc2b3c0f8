// SPDX-License-Identifier: Apache-2.0
// One training run in a process of its own, for the tests of resuming: resume_run FOLDER [key=value]...
// Keys are those of TrainerOptions, and: dropout, batch_norm, stop_at (request to stop in this step), step_ms (sleep in each
// step). Prints "training" in its first step and at the end how it ended. SIGTERM stops it as the program does.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/stop.h"
#include "tenfold/config/field.h"
#include "tenfold/train/trainer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace {

using namespace tenfold;

StopToken stop_token;

extern "C" void on_signal(int) {
  stop_token.request();
}

struct OwnKeys {
  double dropout = 0.0;
  bool batch_norm = false;
  std::int64_t stop_at = 0;
  std::int64_t step_ms = 0;
  void visit_fields(auto&& field) {
    field("dropout", dropout, {});
    field("batch_norm", batch_norm, {});
    field("stop_at", stop_at, {});
    field("step_ms", step_ms, {});
  }
};

void apply(config::Fields& options, config::Fields& own, const std::string& argument) {
  const std::string key = argument.substr(0, argument.find('='));
  const std::string value = argument.substr(key.size() + 1);
  const config::BoundField* field = own.find(key);
  if (field == nullptr) field = options.find(key);
  if (field == nullptr) config::throw_unknown_key(options, key, "the command line");
  config::set_from_text(*field, value, "the command line");
}

int run(int argc, char** argv) {
  train::TrainerOptions options;
  options.steps = 40;
  options.batch_size = 8;
  options.loader_threads = 1;
  options.log_every = 3;
  options.eval_every = 5;
  options.optimizer.learning_rate = 0.02;
  OwnKeys keys;
  config::Fields option_fields(options), own_fields(keys);
  for (int i = 2; i < argc; ++i) apply(option_fields, own_fields, argv[i]);

  train::testing::SmallTask task({.dropout = keys.dropout, .batch_norm = keys.batch_norm});
  task.on_step = [&](std::uint64_t begun) {
    if (begun == 1) {
      std::puts("training");
      std::fflush(stdout);
    }
    if (begun == static_cast<std::uint64_t>(keys.stop_at)) stop_token.request();
    if (keys.step_ms > 0) ::usleep(static_cast<useconds_t>(1000 * keys.step_ms));
  };
  faults::FaultyFileSystem
      files;  // without faults: only does not wait for the disk, which no kill of a process needs
  const auto backprop = train::make_backprop();
  train::TrainEnvironment environment;
  environment.files = &files;
  environment.folder = argv[1];
  environment.stop = &stop_token;
  environment.peak_gflops = 100.0;
  const train::TrainReport report = train::train(task, *backprop, options, environment);
  std::printf("%s from %llu to %llu\n",
              report.ended_by.c_str(),
              static_cast<unsigned long long>(report.first_step),
              static_cast<unsigned long long>(report.steps));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  try {
    return argc < 2 ? 2 : run(argc, argv);
  } catch (const tenfold::Error& error) {
    std::printf("%s: %s\n", error.code().c_str(), error.what());
    return error.exit_code();
  }
}
