// SPDX-License-Identifier: Apache-2.0
// Build tool: writes the help archive of the launcher, the man page and the shell completions.
// usage: tenfold_write_pages DIR
#include <cstdio>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/cli/command_tree.h"

int main(int argc, char** argv) {
  using namespace tenfold;
  if (argc != 2) return 2;
  try {
    const Path folder = argv[1];
    FileSystem& files = real_file_system();
    const cli::Program core = cli::core_program();
#ifdef TENFOLD_WITH_TORCH
    const cli::Program full = cli::full_program();
#else
    const cli::Program& full = core;
#endif
    const std::vector<cli::CommandDoc> commands = cli::describe(full);
    const Path completions = folder / "completions";
    files.make_directories(completions);
    files.make_directories(folder / "man" / "man1");
    write_file_atomically(files, completions / "tenfold.bash", cli::completion_script(commands, "bash"));
    write_file_atomically(files, completions / "_tenfold", cli::completion_script(commands, "zsh"));
    write_file_atomically(files, completions / "tenfold.fish", cli::completion_script(commands, "fish"));
    write_file_atomically(files, folder / "man" / "man1" / "tenfold.1", cli::man_page(commands));
    write_file_atomically(files, folder / "help.archive", cli::help_archive(core, full));
  } catch (const Error& error) {
    std::fprintf(stderr, "tenfold_write_pages: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
