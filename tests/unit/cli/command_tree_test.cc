// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/command_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::cli {
namespace {

// Runs a shell command and gives its exit status and output.
std::pair<int, std::string> shell(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, count);
  return {::pclose(pipe), output};
}

TEST(CommandTree, DescribesEveryVerbWithItsFlags) {
  const Program program = core_program();
  const std::vector<CommandDoc> commands = describe(program);
  std::size_t verbs = 1 + program.systems.size() + program.commands.size();
  for (const systems::System& system : program.systems) verbs += system.verbs.size();
  EXPECT_EQ(commands.size(), verbs);
  for (const CommandDoc& command : commands) {
    EXPECT_FALSE(command.summary.empty()) << command_name(command);
    for (const FlagDoc& flag : command.flags)
      EXPECT_FALSE(flag.help.empty()) << command_name(command) << " " << flag.flag;
  }
}

TEST(CommandTree, NoVerbHidesACommonFlag) {
  std::set<std::string> common;
  for (const FlagDoc& flag : common_flags()) common.insert(flag.flag);
  for (const CommandDoc& command : describe(core_program())) {
    for (const FlagDoc& flag : command.flags)
      EXPECT_FALSE(common.contains(flag.flag)) << command_name(command) << " " << flag.flag;
  }
}

TEST(CommandTree, HelpPagesFitAHundredColumns) {
  for (const CommandDoc& command : describe(core_program())) {
    const std::string page = help_page(command);
    const std::size_t examples = page.find("\nexamples:");
    for (const std::string& line : split(page.substr(0, examples), '\n'))
      EXPECT_LE(line.size(), 110u) << line;
  }
}

TEST(CommandTree, HelpArchiveHoldsEveryPage) {
  const Program program = core_program();
  const std::string archive = help_archive(program, program);
  EXPECT_EQ(static_cast<std::size_t>(std::count(archive.begin(), archive.end(), '\x1e')),
            describe(program).size());
  EXPECT_NE(archive.find("trends fit\x1f"
                         "0\x1f"),
            std::string::npos);
}

// The half without LibTorch knows neither the machine's rates nor the systems that train.
TEST(CommandTree, CommandsThatLookAtEverySystemGoToTheLargerHalf) {
  const Program program = core_program();
  const std::string archive = help_archive(program, program);
  for (const char* name : {"demo", "reproduce", "completion", "man"})
    EXPECT_NE(archive.find(std::string("\x1e") + name + "\x1f" + "1\x1f"), std::string::npos) << name;
  for (const char* name : {"list", "info"})
    EXPECT_NE(archive.find(std::string("\x1e") + name + "\x1f" + "0\x1f"), std::string::npos) << name;
}

TEST(Completion, BashScriptOffersVerbsAndFlags) {
  const std::string path = testing::TempDir() + "tenfold-completion-test.bash";
  std::ofstream(path) << completion_script(describe(core_program()), "bash");
  const auto complete = [&](const std::string& words, int index) {
    return shell("bash -c 'source " + path + "; COMP_WORDS=(" + words + "); COMP_CWORD=" +
                 std::to_string(index) + "; _tenfold; printf \"%s\\n\" \"${COMPREPLY[@]}\"'")
        .second;
  };
  EXPECT_EQ(complete("tenfold tre", 1), "trends\n");
  EXPECT_EQ(complete("tenfold trends null", 2), "null-study\n");
  EXPECT_NE(complete("tenfold trends fit --dom", 3).find("--domain"), std::string::npos);
  EXPECT_EQ(complete("tenfold list --st", 2), "--state\n");
  // Behind a flag stand its values, not flags or files.
  EXPECT_EQ(complete("tenfold trends fit --quantity p", 4), "parameters\npower\n");
  EXPECT_EQ(complete("tenfold trends fit --quantity = p", 5), "parameters\npower\n");
  EXPECT_EQ(complete("tenfold trends fit --log-level \"\"", 4), "debug\ninfo\nwarning\nerror\noff\n");
  EXPECT_EQ(complete("tenfold list --state \"\"", 3), "works\nplanned\n");
  EXPECT_EQ(complete("tenfold completion f", 2), "fish\n");
  // A table may be anywhere on the line.
  const std::string table = testing::TempDir() + "tenfold-completion-test.csv";
  std::ofstream(table) << "name\n";
  const std::string begun = table.substr(0, table.size() - 3);
  EXPECT_NE(complete("tenfold trends fit " + begun, 3).find(table), std::string::npos);
  EXPECT_NE(complete("tenfold trends fit --until 2010 " + begun, 5).find(table), std::string::npos);
  EXPECT_NE(complete("tenfold trends fit --csv " + begun, 4).find(table), std::string::npos);
  EXPECT_EQ(complete("tenfold list " + begun, 2), "\n");
}

TEST(Completion, UnknownShellIsAnError) {
  EXPECT_THROW(completion_script(describe(core_program()), "tcsh"), Error);
}

TEST(ManPage, HasTheSectionsOfAManualAndEveryCommand) {
  const std::string page = man_page(describe(core_program()));
  for (const char* section :
       {".TH TENFOLD 1", ".SH NAME", ".SH SYNOPSIS", ".SH COMMANDS", ".SH EXIT STATUS"}) {
    EXPECT_NE(page.find(section), std::string::npos) << section;
  }
  EXPECT_NE(page.find(".SS tenfold trends fit"), std::string::npos);
}

}  // namespace
}  // namespace tenfold::cli
