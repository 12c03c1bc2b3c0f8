// SPDX-License-Identifier: Apache-2.0
// The commands beside the systems, one file each: list.cc, info.cc, launch.cc, new_system.cc, reproduce.cc,
// demo.cc, serve.cc, documents.cc.
#pragma once

#include "tenfold/cli/program.h"

namespace tenfold::cli {

systems::Verb make_list_command();
systems::Verb make_info_command();
systems::Verb make_launch_command();
systems::Verb make_new_system_command();

// These see the whole program. `program` is kept by reference count, since a program holds its own commands.
using SharedProgram = std::shared_ptr<const Program>;
systems::Verb make_reproduce_command(const SharedProgram& program);
systems::Verb make_demo_command(const SharedProgram& program);
systems::Verb make_serve_command(const SharedProgram& program);

// These describe the whole program, themselves included, so they make it anew when they run.
using MakeProgram = Program (*)();
systems::Verb make_completion_command(MakeProgram make_program);
systems::Verb make_man_command(MakeProgram make_program);

// Adds the commands above to what `make_program` is about to return.
void add_commands(Program& program, MakeProgram make_program);

}  // namespace tenfold::cli
