// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "tenfold/cli/commands.h"
#include "tenfold/systems/registry.h"

namespace tenfold::cli {

void add_commands(Program& program, MakeProgram make_program) {
  const auto inner = std::make_shared<const Program>(program);
  const auto add_whole = [&](systems::Verb verb) {
    verb.whole_program = true;
    program.commands.push_back(std::move(verb));
  };
  add_whole(make_demo_command(inner));
  program.commands.push_back(make_list_command());
  program.commands.push_back(make_info_command());
  add_whole(make_serve_command(inner));
  program.commands.push_back(make_launch_command());
  program.commands.push_back(make_new_system_command());
  add_whole(make_reproduce_command(inner));
  add_whole(make_completion_command(make_program));
  add_whole(make_man_command(make_program));
}

Program core_program() {
  Program program;
  program.systems = systems::core_systems();
  add_commands(program, core_program);
  return program;
}

}  // namespace tenfold::cli
