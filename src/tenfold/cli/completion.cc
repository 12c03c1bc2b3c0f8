// SPDX-License-Identifier: Apache-2.0
// Shell completion from the command tree: words after a path of commands, flags after a dash.
#include <fmt/format.h>

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

std::string bash(const std::vector<CommandDoc>& commands) {
  std::string text =
      "# bash completion of tenfold\n"
      "_tenfold() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} path=() word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in -*) break ;; *) path+=(\"$word\") ;; esac\n"
      "  done\n"
      "  local words=\n"
      "  case \"${path[*]:0:2}\" in\n";
  // Longer paths first, so that "trends fit" is not taken for "trends" with an argument.
  for (std::size_t depth = 3; depth-- > 0;) {
    for (const CommandDoc& command : commands) {
      if (command.path.size() != depth) continue;
      const std::string path = join(command.path, " ");
      const std::string pattern = command.children.empty() && depth == 1
                                      ? fmt::format("\"{0}\"|\"{0} \"*", path)
                                      : fmt::format("\"{}\"", path);
      text += fmt::format("    {}) words=\"{}\" ;;\n", pattern, join(words_of(command), " "));
    }
  }
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || COMPREPLY=($(compgen -f -- \"$current\"))\n"
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
        text += fmt::format("complete -c tenfold -n {} -l {}{}{} -d {}\n",
                            shell_quote(condition),
                            flag.flag.substr(2),
                            flag.letter == 0 ? "" : fmt::format(" -s {}", flag.letter),
                            flag.value.empty() ? "" : " -r",
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
