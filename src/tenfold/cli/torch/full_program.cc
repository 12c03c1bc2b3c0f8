// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/commands.h"
#include "tenfold/cli/torch/data.h"
#include "tenfold/cli/torch/doctor.h"
#include "tenfold/systems/registry.h"
#include "tenfold/train/machine.h"

namespace tenfold::cli {

Program full_program() {
  Program program;
  program.systems = systems::all_systems();
  program.set_threads = [](int threads) { train::set_threads(threads); };
  program.machine_sections.push_back(make_machine_section);
  program.commands.push_back(make_data_command());
  program.commands.push_back(make_doctor_command());
  add_commands(program, full_program);
  return program;
}

}  // namespace tenfold::cli
