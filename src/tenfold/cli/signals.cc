// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace tenfold::cli {
namespace {

StopToken stop_token;
volatile sig_atomic_t first_signal = 0;
std::atomic<bool> leaving{false};

extern "C" void on_stop_signal(int signal) {
  // Only async-signal-safe calls here: an atomic store and _exit.
  if (stop_token.requested()) ::_exit(128 + signal);
  first_signal = signal;
  stop_token.request();
}

}  // namespace

const StopToken& install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return stop_token;
}

int stop_signal() {
  return first_signal;
}

void leave_at_once() {
  leaving = true;
}

bool must_leave_at_once() {
  return leaving;
}

}  // namespace tenfold::cli
