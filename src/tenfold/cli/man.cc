// SPDX-License-Identifier: Apache-2.0
// tenfold(1) from the command tree.
#include <fmt/format.h>

#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/cli/command_tree.h"

namespace tenfold::cli {
namespace {

// Backslashes, hyphens and a leading dot or quote mean something to troff.
std::string escape(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
  }
  if (!result.empty() && (result.front() == '.' || result.front() == '\'')) result.insert(0, "\\&");
  return result;
}

std::string flags(const std::vector<FlagDoc>& list) {
  std::string text;
  for (const FlagDoc& flag : list) {
    text += fmt::format(".TP\n.B {}{}{}\n{}\n",
                        flag.letter == 0 ? "" : fmt::format("\\-{}, ", flag.letter),
                        escape(flag.flag),
                        flag.value.empty() ? "" : " \\fI" + escape(flag.value) + "\\fR",
                        escape(flag.help));
  }
  return text;
}

}  // namespace

std::string man_page(const std::vector<CommandDoc>& commands) {
  std::string text = fmt::format(
      ".TH TENFOLD 1 \"\" \"tenfold {}\" \"User Commands\"\n.SH NAME\ntenfold \\- {}\n"
      ".SH SYNOPSIS\n.B tenfold\n\\fICOMMAND\\fR [\\fIVERB\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n{}\n",
      version(),
      escape(commands.at(0).summary),
      escape(commands.at(0).description));
  text += ".SH COMMON OPTIONS\n" + flags(common_flags());
  text += ".SH COMMANDS\n";
  for (const CommandDoc& command : commands) {
    if (command.path.empty()) continue;
    text += fmt::format(".SS {}\n{}\n", escape(command_name(command)), escape(command.summary));
    if (!command.description.empty()) text += ".PP\n" + escape(command.description) + "\n";
    text += flags(command.flags);
    for (const std::string& example : command.examples) text += ".PP\n.EX\n" + escape(example) + "\n.EE\n";
  }
  text +=
      ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 2\nwrong command line\n.TP\n.B 3\nwrong configuration\n"
      ".TP\n.B 4\nwrong data\n.TP\n.B 5\na file cannot be read or written\n.TP\n.B 6\nnot enough memory, "
      "disk or a\n"
      "missing program\n.TP\n.B 70\na bug of tenfold\n"
      ".SH ENVIRONMENT\n.TP\n.B TENFOLD_SET_KEY\nsets a key of the configuration; two underscores stand for "
      "a dot\n"
      ".TP\n.B NO_COLOR\nno colours in logs\n"
      ".TP\n.B TENFOLD_BLAS_FOLDER\nfolder with libopenblas.so.0 and libblas.so.3 to use\n"
      ".TP\n.B OPENBLAS_CORETYPE\nOpenBLAS kernel; chosen by the program only when it is not set\n"
      ".TP\n.B XDG_CACHE_HOME\nwhere finished runs of tenfold reproduce are kept\n";
  return text;
}

}  // namespace tenfold::cli
