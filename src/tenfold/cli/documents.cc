// SPDX-License-Identifier: Apache-2.0
// `tenfold completion` and `tenfold man`: documents made from the command tree.
#include <nlohmann/json.hpp>

#include "tenfold/cli/command_tree.h"
#include "tenfold/cli/commands.h"

namespace tenfold::cli {
namespace {

struct CompletionOptions {
  std::string shell = "bash";
  void visit_fields(auto&& field) {
    field("shell",
          shell,
          {.help = "shell to complete in", .choices = {"bash", "zsh", "fish"}, .positional = true});
  }
};

struct ManOptions {
  void visit_fields(auto&&) {}
};

}  // namespace

systems::Verb make_completion_command(MakeProgram make_program) {
  return systems::make_verb<CompletionOptions>(
      "completion",
      "print a completion script for the shell",
      "Load it with: source <(tenfold completion bash)",
      {"tenfold completion bash"},
      [make_program](const CompletionOptions& options, systems::Context&) {
        std::string script = completion_script(describe(make_program()), options.shell);
        return systems::make_outcome({{"shell", options.shell}, {"script", script}}, script);
      });
}

systems::Verb make_man_command(MakeProgram make_program) {
  return systems::make_verb<ManOptions>("man",
                                        "print the manual page as troff",
                                        "Read it with: tenfold man | man -l -",
                                        {"tenfold man"},
                                        [make_program](const ManOptions&, systems::Context&) {
                                          std::string page = man_page(describe(make_program()));
                                          return systems::make_outcome({{"man", page}}, page);
                                        });
}

}  // namespace tenfold::cli
