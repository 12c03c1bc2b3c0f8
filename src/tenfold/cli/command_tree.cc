// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/command_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tenfold/base/strings.h"

namespace tenfold::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kHelpColumn = 30;

std::string wrap(std::string_view text, std::size_t indent) {
  std::string result;
  std::size_t column = indent;
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (column > indent && column + 1 + word.size() > kWidth) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

std::string two_columns(const std::string& left, std::string_view right) {
  std::string line = "  " + left;
  if (line.size() + 2 > kHelpColumn) {
    line += "\n" + std::string(kHelpColumn, ' ');
  } else {
    line.resize(kHelpColumn, ' ');
  }
  return line + wrap(right, kHelpColumn) + "\n";
}

std::string flag_list(std::string_view title, const std::vector<FlagDoc>& flags) {
  if (flags.empty()) return "";
  std::string text = fmt::format("\n{}:\n", title);
  for (const FlagDoc& flag : flags) {
    const std::string name = (flag.letter == 0 ? "" : fmt::format("-{}, ", flag.letter)) + flag.flag;
    text += two_columns(flag.value.empty() ? name : name + " " + flag.value, flag.help);
  }
  return text;
}

// "input_file" -> "INPUT-FILE"
std::string to_upper(std::string name) {
  std::transform(
      name.begin(), name.end(), name.begin(), [](char c) { return c == '_' ? '-' : std::toupper(c); });
  return name;
}

CommandDoc describe_verb(const systems::Verb& verb, std::vector<std::string> path) {
  CommandDoc doc;
  doc.path = std::move(path);
  doc.summary = verb.summary;
  doc.description = verb.description;
  doc.examples = verb.examples;
  doc.common = common_flags();
  const systems::VerbCall call = verb.prepare();
  doc.flags = field_flags(call.fields);
  for (const config::BoundField& field : call.fields.all()) {
    if (field.info.rest) doc.rest = to_upper(field.path) + "...";
    if (!field.info.positional) continue;
    if (doc.arguments.empty()) doc.argument_choices = field.info.choices;
    const std::string name = to_upper(field.path);
    const bool list = config::type_name(field.ref).starts_with("a list");
    doc.arguments.push_back(field.info.required ? name + (list ? "..." : "")
                                                : "[" + name + (list ? "..." : "") + "]");
  }
  return doc;
}

}  // namespace

std::vector<CommandDoc> describe(const Program& program) {
  std::vector<CommandDoc> docs(1);
  docs[0].summary = "ten machine-learning systems that do more with less compute";
  docs[0].description =
      "Machine-learning systems of early 2022 as one toolkit on LibTorch, for a plain CPU. "
      "Every command prints help with --help and one JSON object with --json.";
  docs[0].examples = {"tenfold demo", "tenfold trends fit", "tenfold doctor"};
  for (const systems::System& system : program.systems)
    docs[0].children.emplace_back(system.name, system.summary);
  for (const systems::Verb& verb : program.commands) docs[0].children.emplace_back(verb.name, verb.summary);
  for (const systems::System& system : program.systems) {
    CommandDoc doc;
    doc.path = {system.name};
    doc.summary = system.summary;
    doc.description = system.title + ". Paper: " + system.paper;
    if (!system.claims.empty())
      doc.description += fmt::format(". Its claims: tenfold {} reproduce", system.name);
    for (const systems::Verb& verb : system.verbs) doc.children.emplace_back(verb.name, verb.summary);
    docs.push_back(std::move(doc));
    for (const systems::Verb& verb : system.verbs)
      docs.push_back(describe_verb(verb, {system.name, verb.name}));
  }
  for (const systems::Verb& verb : program.commands) docs.push_back(describe_verb(verb, {verb.name}));
  return docs;
}

std::string command_name(const CommandDoc& command) {
  return command.path.empty() ? "tenfold" : "tenfold " + join(command.path, " ");
}

std::string help_page(const CommandDoc& command) {
  const std::string name = command_name(command);
  std::string text = fmt::format("{}: {}\n\nusage: {}", name, command.summary, name);
  if (!command.children.empty()) {
    text += command.path.empty() ? " COMMAND ..." : " VERB [options]";
  } else {
    for (const std::string& argument : command.arguments) text += " " + argument;
    text += " [options]";
    if (!command.rest.empty()) text += " -- " + command.rest;
  }
  text += "\n";
  if (!command.description.empty()) text += "\n" + wrap(command.description, 0) + "\n";
  if (!command.children.empty()) {
    text += command.path.empty() ? "\ncommands:\n" : "\nverbs:\n";
    for (const auto& [child, summary] : command.children) text += two_columns(child, summary);
    text += fmt::format("\n{} {} --help tells more.\n", name, command.path.empty() ? "COMMAND" : "VERB");
  }
  text += flag_list("options", command.flags);
  text += flag_list("common options", command.common);
  if (!command.examples.empty()) {
    text += "\nexamples:\n";
    for (const std::string& example : command.examples) text += "  " + example + "\n";
  }
  return text;
}

std::string help_archive(const Program& core, const Program& full) {
  std::set<std::string> torch_free;
  for (const CommandDoc& command : describe(core)) {
    if (command.children.empty()) torch_free.insert(join(command.path, " "));
  }
  for (const systems::Verb& verb : core.commands) {
    if (verb.whole_program) torch_free.erase(verb.name);
  }
  std::string archive;
  for (const CommandDoc& command : describe(full)) {
    const std::string path = join(command.path, " ");
    archive += fmt::format("{}\x1f{}\x1f{}\x1e", path, torch_free.contains(path) ? 0 : 1, help_page(command));
  }
  return archive;
}

}  // namespace tenfold::cli
