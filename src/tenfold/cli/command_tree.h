// SPDX-License-Identifier: Apache-2.0
// The tree of commands as documentation: help pages, shell completion and the man page all come from it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenfold/cli/arguments.h"
#include "tenfold/cli/program.h"

namespace tenfold::cli {

struct CommandDoc {
  std::vector<std::string> path;  // {}, {"trends"}, {"trends", "fit"}
  std::string summary;
  std::string description;
  std::vector<std::string> arguments;         // positional ones, "[CSV]"
  std::vector<std::string> argument_choices;  // what the first of them may be; empty: anything
  std::vector<FlagDoc> flags;                 // own
  std::vector<FlagDoc> common;                // empty for inner nodes
  std::string rest;                           // what follows "--": "COMMAND..."; empty for nothing
  std::vector<std::string> examples;
  std::vector<std::pair<std::string, std::string>> children;  // name, summary
};

// Depth first: the program itself, then each command and each system with its verbs.
std::vector<CommandDoc> describe(const Program& program);

std::string command_name(const CommandDoc& command);  // "tenfold trends fit"
std::string help_page(const CommandDoc& command);     // at most 100 columns

// `shell` is bash, zsh or fish. Throws Error(kUsage) for another one.
std::string completion_script(const std::vector<CommandDoc>& commands, const std::string& shell);

// troff source of tenfold(1).
std::string man_page(const std::vector<CommandDoc>& commands);

// All help pages in one text for the launcher: records "path<US>needs_torch<US>page<RS>".
std::string help_archive(const Program& core, const Program& full);

}  // namespace tenfold::cli
