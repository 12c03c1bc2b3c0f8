// SPDX-License-Identifier: Apache-2.0
// The program as data: which systems and commands it has. The launcher loads one of two builds of it, with and
// without LibTorch (cli/launcher.cc).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenfold/systems/system.h"

namespace tenfold::cli {

using SectionMaker = std::function<report::Section(systems::Context&)>;

struct Program {
  std::vector<systems::System> systems;
  std::vector<systems::Verb> commands;           // `tenfold NAME ...` beside the systems
  std::vector<SectionMaker> machine_sections;    // what `tenfold demo` says of the machine
  std::function<void(int threads)> set_threads;  // hands the thread setting to every library in the process
};

// The part without LibTorch.
Program core_program();

// Everything (cli/torch/full_program.cc).
Program full_program();

// Parses, runs, prints, and returns the exit code of docs/program.md. Never throws.
int run(const Program& program, int argc, const char* const* argv);

}  // namespace tenfold::cli
