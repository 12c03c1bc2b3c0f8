// SPDX-License-Identifier: Apache-2.0
// Shell completion from the command tree: words after a path of commands, flags after a dash.
#include <fmt/format.h>

#include <algorithm>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/cli/command_tree.h"

namespace tenfold::cli {
namespace {

std::vector<std::string> words_of(const CommandDoc& command) {
  std::vector<std::string> words;
  for (const auto& child : command.children) words.push_back(child.first);
  for (const FlagDoc& flag : command.flags) words.push_back(flag.flag);
  for (const FlagDoc& flag : command.common) words.push_back(flag.flag);
  if (command.common.empty()) words.emplace_back("--help");
  if (command.path.empty()) words.emplace_back("--version");
  return words;
}

// Flags behind which a value stands.
std::vector<const FlagDoc*> valued_flags(const CommandDoc& command) {
  std::vector<const FlagDoc*> valued;
  for (const std::vector<FlagDoc>* flags : {&command.flags, &command.common}) {
    for (const FlagDoc& flag : *flags) {
      if (!flag.value.empty()) valued.push_back(&flag);
    }
  }
  return valued;
}

// Commands with longer paths first, so that "trends fit" is not taken for "trends" with an argument.
std::vector<const CommandDoc*> deepest_first(const std::vector<CommandDoc>& commands) {
  std::vector<const CommandDoc*> sorted;
  for (const CommandDoc& command : commands) sorted.push_back(&command);
  std::stable_sort(sorted.begin(), sorted.end(), [](const CommandDoc* a, const CommandDoc* b) {
    return a->path.size() > b->path.size();
  });
  return sorted;
}

// The lines of bash that set, for one command, what may follow: its words, the flags that want a value, the values of those
// that have a choice of them, and whether an argument is a file.
std::string bash_case(const CommandDoc& command) {
  const std::string path = join(command.path, " ");
  const bool takes_arguments = command.children.empty() && command.path.size() == 1;
  std::vector<std::string> valued;
  std::string choices;
  for (const FlagDoc* flag : valued_flags(command)) {
    valued.push_back(flag->flag);
    if (flag->choices.empty()) continue;
    choices += fmt::format(" {}) choices=\"{}\" ;;", flag->flag, join(flag->choices, " "));
  }
  std::string text =
      fmt::format("    {}) words=\"{}\" valued=\"{}\"",
                  takes_arguments ? fmt::format("\"{0}\"|\"{0} \"*", path) : "\"" + path + "\"",
                  join(words_of(command), " "),
                  join(valued, " "));
  if (!command.argument_choices.empty())
    text += fmt::format(" arguments=\"{}\"", join(command.argument_choices, " "));
  else if (!command.arguments.empty())
    text += " files=yes";
  if (!choices.empty()) text += "\n      case $flag in" + choices + " esac";
  return text + " ;;\n";
}

std::string bash(const std::vector<CommandDoc>& commands) {
  std::string text =
      "# bash completion of tenfold\n"
      "_tenfold() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} path=() word\n"
      "  # bash makes three words of --flag=value\n"
      "  if [[ $current == = ]]; then current=\n"
      "  elif [[ $flag == = && $COMP_CWORD -ge 2 ]]; then flag=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in -*) break ;; *) path+=(\"$word\") ;; esac\n"
      "  done\n"
      "  local words= valued= choices= arguments= files=no\n"
      "  case \"${path[*]:0:2}\" in\n";
  for (const CommandDoc* command : deepest_first(commands)) text += bash_case(*command);
  text +=
      "  esac\n"
      "  if [[ $flag == -* && \" $valued \" == *\" $flag \"* ]]; then words=$choices files=yes\n"
      "  elif [[ $current != -* ]]; then words=\"$arguments $words\"; fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  if [[ $files == yes && -z $choices && $current != -* ]]; then\n"
      "    COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _tenfold tenfold\n";
  return text;
}

std::string fish(const std::vector<CommandDoc>& commands) {
  std::string text = "# fish completion of tenfold\n";
  for (const CommandDoc& command : commands) {
    std::string condition = "__fish_use_subcommand";
    if (!command.path.empty()) {
      condition = "__fish_seen_subcommand_from " + command.path[0];
      if (command.path.size() > 1) condition += "; and __fish_seen_subcommand_from " + command.path[1];
    }
    for (const auto& [child, summary] : command.children) {
      text += fmt::format(
          "complete -c tenfold -n {} -f -a {} -d {}\n", shell_quote(condition), child, shell_quote(summary));
    }
    for (const std::vector<FlagDoc>* flags : {&command.flags, &command.common}) {
      for (const FlagDoc& flag : *flags) {
        const std::string values =
            flag.choices.empty() ? "" : " -f -a " + shell_quote(join(flag.choices, " "));
        text += fmt::format("complete -c tenfold -n {} -l {}{}{}{} -d {}\n",
                            shell_quote(condition),
                            flag.flag.substr(2),
                            flag.letter == 0 ? "" : fmt::format(" -s {}", flag.letter),
                            flag.value.empty() ? "" : " -r",
                            values,
                            shell_quote(flag.help));
      }
    }
  }
  return text;
}

}  // namespace

std::string completion_script(const std::vector<CommandDoc>& commands, const std::string& shell) {
  if (shell == "bash") return bash(commands);
  // zsh runs bash completions through its own compatibility layer.
  if (shell == "zsh") {
    return "#compdef tenfold\nautoload -U +X bashcompinit && bashcompinit\n" + bash(commands);
  }
  if (shell == "fish") return fish(commands);
  throw Error(ErrorClass::kUsage,
              "usage.unknown_shell",
              {.what = "there is no completion for this shell",
               .seen = printable(shell),
               .wanted = "bash, zsh or fish"});
}

}  // namespace tenfold::cli
