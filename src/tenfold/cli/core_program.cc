// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/commands.h"
#include "tenfold/systems/registry.h"

namespace tenfold::cli {

void add_commands(Program& program) {
  // Completion and the man page describe the commands too, so they get a copy that already lists them.
  const auto inner = std::make_shared<const Program>(program);
  program.commands.push_back(make_demo_command(inner));
  program.commands.push_back(make_list_command());
  program.commands.push_back(make_info_command());
  program.commands.push_back(make_reproduce_command(inner));
  const auto listed = std::make_shared<const Program>(program);
  program.commands.push_back(make_completion_command(listed));
  program.commands.push_back(make_man_command(listed));
}

Program core_program() {
  Program program;
  program.systems = systems::core_systems();
  add_commands(program);
  return program;
}

}  // namespace tenfold::cli
