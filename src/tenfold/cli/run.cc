// SPDX-License-Identifier: Apache-2.0
// Finds the verb, runs it, prints the one result and turns every failure into an exit code.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/base/version.h"
#include "tenfold/cli/arguments.h"
#include "tenfold/cli/command_tree.h"
#include "tenfold/cli/error_output.h"
#include "tenfold/cli/program.h"
#include "tenfold/cli/progress.h"
#include "tenfold/cli/signals.h"
#include "tenfold/config/schema.h"
#include "tenfold/config/toml.h"

namespace tenfold::cli {
namespace {

// Writes all of `text` and makes sure it arrived: a full disk behind a redirection must not look like success.
void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  throw Error(ErrorClass::kFile,
              "file.stdout",
              {.what = "the result cannot be written to standard output",
               .remedy = "check where it is redirected to"});
}

std::string ends_with_newline(std::string text) {
  if (text.empty() || text.back() != '\n') text += '\n';
  return text;
}

// The verb on the command line and what its configuration may come from.
struct Selection {
  std::string command;  // "tenfold trends fit"
  const systems::Verb* verb = nullptr;
  const systems::System* system = nullptr;  // null for a command beside the systems
  std::vector<std::string> words;           // what follows
};

[[noreturn]] void throw_unknown_command(const std::string& kind,
                                        const std::string& seen,
                                        const std::vector<std::string>& names,
                                        const std::string& parent = "tenfold") {
  throw unknown_name({.code = "usage.unknown_command",
                      .what = "unknown " + kind,
                      .name = seen,
                      .known = names,
                      .remedy = "see " + parent + " --help"});
}

const systems::Verb* find_verb(const std::vector<systems::Verb>& verbs, const std::string& name) {
  const auto found =
      std::find_if(verbs.begin(), verbs.end(), [&](const systems::Verb& verb) { return verb.name == name; });
  return found == verbs.end() ? nullptr : &*found;
}

std::vector<std::string> names_of(const std::vector<systems::Verb>& verbs) {
  std::vector<std::string> names;
  for (const systems::Verb& verb : verbs) names.push_back(verb.name);
  return names;
}

Selection select(const Program& program, const std::vector<std::string>& words) {
  const std::string first = words.empty() ? "" : words[0];
  for (const systems::System& system : program.systems) {
    if (system.name != first) continue;
    const std::string second = words.size() < 2 ? "" : words[1];
    const systems::Verb* verb = find_verb(system.verbs, second);
    if (verb == nullptr)
      throw_unknown_command("verb of tenfold " + first, second, names_of(system.verbs), "tenfold " + first);
    return {fmt::format("tenfold {} {}", first, second), verb, &system, {words.begin() + 2, words.end()}};
  }
  if (const systems::Verb* verb = find_verb(program.commands, first)) {
    return {"tenfold " + first, verb, nullptr, {words.begin() + 1, words.end()}};
  }
  std::vector<std::string> names;
  for (const systems::System& system : program.systems) names.push_back(system.name);
  for (const std::string& name : names_of(program.commands)) names.push_back(name);
  throw_unknown_command("command", first, names);
}

// --help wins over everything else on the line. Normally the launcher answers it; this serves embedded use.
std::optional<std::string> help_text(const Program& program, const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  const bool asked = std::find(words.begin(), end, "--help") != end ||
                     std::find(words.begin(), end, "-h") != end || (!words.empty() && words[0] == "help");
  if (!asked && !words.empty()) return std::nullopt;
  std::vector<std::string> path;
  for (const std::string& word : words) {
    if (word != "help" && !word.starts_with("-")) path.push_back(word);
  }
  const std::vector<CommandDoc> commands = describe(program);
  for (std::size_t length = std::min<std::size_t>(2, path.size()); length > 0; --length) {
    const std::vector<std::string> prefix(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(length));
    for (const CommandDoc& command : commands) {
      if (command.path == prefix) return help_page(command);
    }
  }
  if (!path.empty()) return std::nullopt;  // an unknown command, not a request for this page
  return help_page(commands.front());
}

log::Level to_level(const std::string& name) {
  if (name == "debug") return log::Level::kDebug;
  if (name == "info") return log::Level::kInfo;
  if (name == "error") return log::Level::kError;
  if (name == "off") return log::Level::kOff;
  return log::Level::kWarning;
}

// What it takes to get the same result again; every result carries it.
nlohmann::json record_of(const config::Fields& fields, const Arguments& arguments) {
  return {{"config", nlohmann::json::parse(config::to_json(fields))},
          {"config_hash", config::hash(fields)},
          {"seed", arguments.common.seed},
          {"threads", thread_count()},
          {"version", version()},
          {"revision", revision()}};
}

std::string json_text(const nlohmann::json& object) {
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// The run folder: what was asked, resolved, and what came out.
void write_run_folder(const Path& folder,
                      const std::string& config,
                      const nlohmann::json& result,
                      nlohmann::json record) {
  FileSystem& files = real_file_system();
  write_file_atomically(files, folder / "config.toml", config);
  record["result"] = result;
  write_file_atomically(files, folder / "result.json", json_text(record));
}

int run_verb(const Program& program,
             const Selection& selection,
             const Arguments& arguments,
             const systems::VerbCall& call) {
  const CommonOptions& common = arguments.common;
  ConfigSources sources{selection.verb->name, {}, {}, {}};
  // What starts another command leaves the environment to it.
  if (rest_field(call.fields) == nullptr) sources.environment = environment_settings();
  if (selection.system != nullptr) {
    sources.tables = names_of(selection.system->verbs);
    const auto& others = selection.system->torch_verbs;
    sources.tables.insert(sources.tables.end(), others.begin(), others.end());
    sources.presets = selection.system->presets;
  }
  if (common.print_schema) {
    print(config::to_json_schema(call.fields, selection.command) + "\n");
    return 0;
  }
  resolve(call.fields, arguments, sources);
  if (common.print_config) {
    print(config::to_toml(call.fields, selection.verb->name));
    return 0;
  }
  set_thread_count(common.threads == 0 ? default_thread_count() : static_cast<int>(common.threads));
  if (program.set_threads) program.set_threads(thread_count());
  Progress progress(common.quiet);
  systems::Context context;
  context.files = &real_file_system();
  context.stop = &install_signal_handlers();
  context.progress = [&](std::string_view line) { progress.show(line); };
  context.seed = static_cast<std::uint64_t>(common.seed);
  context.threads = static_cast<int>(common.threads);
  context.out = common.out;
  context.json = common.json;
  if (!common.out.empty()) context.files->make_directories(common.out);
  const systems::Outcome outcome = call.run(context);
  progress.finish();
  if (!outcome.shown) return outcome.exit_code;
  nlohmann::json record = record_of(call.fields, arguments);
  if (!common.out.empty()) {
    write_run_folder(common.out, config::to_toml(call.fields, selection.verb->name), *outcome.json, record);
  }
  if (common.json) {
    nlohmann::json object = *outcome.json;
    object["produced_by"] = std::move(record);
    print(json_text(object));
  } else if (!outcome.text.empty()) {
    print(ends_with_newline(outcome.text));
  }
  return outcome.exit_code;
}

int report_error(const Error& error, bool json) {
  std::fputs(error_text(error).c_str(), stderr);
  if (json) std::fputs(error_json(error, error.exit_code()).c_str(), stdout);
  return error.exit_code();
}

int run_words(const Program& program, const std::vector<std::string>& words) {
  if (!words.empty() && words[0] == "--version") {
    print(fmt::format("tenfold {} ({})\n", version(), revision()));
    return 0;
  }
  if (const auto help = help_text(program, words)) {
    print(*help);
    return 0;
  }
  const Selection selection = select(program, words);
  const systems::VerbCall call = selection.verb->prepare();
  const Arguments arguments = parse_arguments(call.fields, selection.command, selection.words);
  log::set_level(to_level(arguments.common.log_level));
  return run_verb(program, selection, arguments, call);
}

int run_and_report(const Program& program, const std::vector<std::string>& words) {
  const std::span<const std::string> own = own_words(words);
  const bool json = std::find(own.begin(), own.end(), "--json") != own.end();
  try {
    return run_words(program, words);
  } catch (const Error& error) {
    return report_error(error, json);
  } catch (const std::bad_alloc&) {
    return report_error(
        Error(ErrorClass::kResource,
              "resource.memory",
              {.what = "not enough memory", .remedy = "use a smaller input or a larger machine"}),
        json);
  } catch (const std::exception& failure) {
    return report_error(
        Error(ErrorClass::kInternal,
              "internal.exception",
              {.what = failure.what(), .remedy = "this is a bug of tenfold: please report it"}),
        json);
  }
}

}  // namespace

int run(const Program& program, int argc, const char* const* argv) {
  const int code = run_and_report(program, {argv + std::min(argc, 1), argv + argc});
  if (must_leave_at_once()) {
    std::fflush(nullptr);
    std::_Exit(code);
  }
  return code;
}

}  // namespace tenfold::cli
