// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/arguments.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/config/toml.h"

namespace tenfold::cli {
namespace {

constexpr std::uint64_t kConfigFileLimit = 1 << 20;
constexpr std::string_view kEnvironmentPrefix = "TENFOLD_SET_";

bool is_switch(const config::BoundField& field) {
  return std::holds_alternative<bool*>(field.ref);
}

bool is_list(const config::BoundField& field) {
  return std::holds_alternative<std::vector<std::int64_t>*>(field.ref) ||
         std::holds_alternative<std::vector<double>*>(field.ref) ||
         std::holds_alternative<std::vector<std::string>*>(field.ref);
}

std::string value_name(const config::BoundField& field) {
  if (is_switch(field)) return "";
  const std::string item = std::holds_alternative<std::string*>(field.ref) ||
                                   std::holds_alternative<std::vector<std::string>*>(field.ref)
                               ? "TEXT"
                               : "N";
  return is_list(field) ? item + ",..." : item;
}

std::string field_help(const config::BoundField& field) {
  std::string help = field.info.help;
  if (!field.info.unit.empty()) help += " [" + field.info.unit + "]";
  if (!field.info.choices.empty()) help += ": " + join(field.info.choices, ", ");
  if (std::isfinite(field.info.min) && std::isfinite(field.info.max)) {
    help += fmt::format("; {} to {}", field.info.min, field.info.max);
  } else if (std::isfinite(field.info.min)) {
    help += fmt::format("; at least {}", field.info.min);
  }
  const std::string value = config::to_toml_value(field.ref);
  if (!value.empty() && value != "\"\"" && value != "[]") help += fmt::format(" (default {})", value);
  if (field.info.required) help += " (needed)";
  return help;
}

// "--flag" and its "_" spelling, for CLI11.
std::string flag_spellings(const config::BoundField& field) {
  const std::string dashed = flag_name(field.path);
  std::string spellings = dashed;
  if (field.info.letter != 0) spellings += fmt::format(",-{}", field.info.letter);
  if ("--" + field.path != dashed) spellings += ",--" + field.path;
  if (field.info.positional) spellings = field.path + "," + spellings;
  return spellings;
}

std::pair<std::string, std::string> split_assignment(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorClass::kUsage,
                "usage.bad_set",
                {.what = "--set cannot be read",
                 .seen = printable(text),
                 .wanted = "key=value",
                 .remedy = "write --set a.b=3"});
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

[[noreturn]] void throw_unknown_flag(const config::Fields& fields,
                                     const std::string& command,
                                     const std::string& word) {
  std::vector<std::string> names;
  for (const FlagDoc& flag : field_flags(fields)) names.push_back(flag.flag);
  for (const FlagDoc& flag : common_flags()) names.push_back(flag.flag);
  const std::string name = word.substr(0, word.find('='));
  const bool is_flag = word.starts_with("-");
  const auto nearest = is_flag ? nearest_name(name, names) : std::nullopt;
  std::string remedy = fmt::format("see {} --help", command);
  if (nearest) remedy = fmt::format("did you mean {}?", *nearest);
  if (!is_flag && rest_field(fields) != nullptr)
    remedy = fmt::format("write -- before it: {} ... -- {} ...", command, printable(word, 40));
  throw Error(ErrorClass::kUsage,
              is_flag ? "usage.unknown_flag" : "usage.extra_argument",
              {.what = fmt::format("{}: {}", command, is_flag ? "unknown flag" : "an argument too many"),
               .seen = printable(word),
               .wanted = is_flag ? "a flag of this command" : "flags, or the arguments that --help shows",
               .remedy = remedy});
}

[[noreturn]] void throw_repeated(const config::BoundField& field,
                                 const std::string& command,
                                 const std::vector<std::string>& values) {
  throw Error(ErrorClass::kUsage,
              "usage.repeated",
              {.what = fmt::format("{}: {} has more than one value", command, flag_name(field.path)),
               .seen = printable(join(values, " ")),
               .wanted = "one value",
               .remedy = "leave out all but one"});
}

void add_common(CLI::App& app, CommonOptions& common, std::vector<std::string>& sets) {
  app.add_flag("--json", common.json);
  app.add_flag("--quiet,-q", common.quiet);
  app.add_flag("--print-config", common.print_config);
  app.add_flag("--print-schema", common.print_schema);
  app.add_option("--preset", common.preset);
  app.add_option("--config", common.config);
  app.add_option("--out,-o", common.out);
  app.add_option("--seed", common.seed);
  app.add_option("--threads", common.threads);
  app.add_option("--log-level", common.log_level);
  app.add_option("--set", sets)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

[[noreturn]] void throw_parse_error(const CLI::ParseError& failure, const std::string& command) {
  throw Error(ErrorClass::kUsage,
              "usage.syntax",
              {.what = command + ": the command line cannot be read",
               .seen = printable(failure.what(), 300),
               .remedy = fmt::format("see {} --help", command)});
}

const std::vector<std::string>& log_levels() {
  static const std::vector<std::string> levels = {"debug", "info", "warning", "error", "off"};
  return levels;
}

void check_common(const CommonOptions& common) {
  const std::vector<std::string>& levels = log_levels();
  if (std::find(levels.begin(), levels.end(), common.log_level) == levels.end()) {
    throw Error(ErrorClass::kUsage,
                "usage.bad_log_level",
                {.what = "--log-level does not know this level",
                 .seen = printable(common.log_level),
                 .wanted = "one of " + join(levels, ", ")});
  }
  if (common.seed < 0) {
    throw Error(ErrorClass::kUsage,
                "usage.bad_seed",
                {.what = "--seed is out of range",
                 .seen = std::to_string(common.seed),
                 .wanted = "an integer of 0 or more"});
  }
  if (common.threads < 0 || common.threads > 1024) {
    throw Error(ErrorClass::kUsage,
                "usage.bad_threads",
                {.what = "--threads is out of range",
                 .seen = std::to_string(common.threads),
                 .wanted = "1 to 1024, or 0 for all cores"});
  }
}

}  // namespace

std::string flag_name(std::string_view field_path) {
  std::string flag = "--" + std::string(field_path);
  std::replace(flag.begin() + 2, flag.end(), '_', '-');
  return flag;
}

std::vector<FlagDoc> common_flags() {
  return {{"--json", "", "print one JSON object on stdout and nothing else", {}},
          {"--preset",
           "NAME",
           "start from a named configuration of the system: demo, small or paper",
           {"demo", "small", "paper"}},
          {"--config", "FILE", "read a TOML file with a table for this verb", {}},
          {"--set", "KEY=VALUE", "set one key, as often as needed", {}},
          {"--out", "DIR", "write files, the resolved configuration and the result there", {}},
          {"--seed", "N", "seed of all random numbers (default 1)", {}},
          {"--threads", "N", "threads for everything; 0 is all cores (default 0)", {}},
          {"--log-level", "LEVEL", "debug, info, warning, error or off (default warning)", log_levels()},
          {"--quiet", "", "no progress on stderr", {}},
          {"--print-config", "", "print the resolved configuration as TOML and stop", {}},
          {"--print-schema", "", "print the JSON schema of the configuration and stop", {}},
          {"--help", "", "print this page", {}}};
}

std::vector<FlagDoc> field_flags(const config::Fields& fields) {
  std::vector<FlagDoc> flags;
  for (const config::BoundField& field : fields.all()) {
    if (field.info.rest) continue;
    flags.push_back(
        {flag_name(field.path), value_name(field), field_help(field), field.info.choices, field.info.letter});
  }
  return flags;
}

const config::BoundField* rest_field(const config::Fields& fields) {
  for (const config::BoundField& field : fields.all()) {
    if (field.info.rest) return &field;
  }
  return nullptr;
}

std::span<const std::string> own_words(std::span<const std::string> words) {
  return words.first(static_cast<std::size_t>(std::find(words.begin(), words.end(), "--") - words.begin()));
}

Arguments parse_arguments(const config::Fields& fields,
                          const std::string& command,
                          std::span<const std::string> words) {
  Arguments arguments;
  CLI::App app;
  app.set_help_flag();  // the program's own help pages are used
  app.allow_extras();
  std::vector<std::string> sets;
  add_common(app, arguments.common, sets);
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> switches;
  if (rest_field(fields) != nullptr) {
    const std::size_t own = own_words(words).size();
    if (own < words.size())
      arguments.rest.assign(words.begin() + static_cast<std::ptrdiff_t>(own) + 1, words.end());
    words = words.first(own);
  }
  for (const config::BoundField& field : fields.all()) {
    if (field.info.rest) continue;
    if (is_switch(field)) {
      const std::string negated = "--no-" + flag_name(field.path).substr(2);
      app.add_flag(flag_spellings(field) + ",!" + negated, switches[field.path]);
    } else {
      CLI::Option* option = app.add_option(flag_spellings(field), values[field.path])->expected(1);
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);  // repeats are judged below
      option->allow_extra_args(false);  // the word behind a flag's value is an argument of the command
      if (is_list(field) && field.info.positional) option->expected(-1)->allow_extra_args(true);
    }
  }
  std::vector<std::string> reversed(words.rbegin(), words.rend());  // CLI11 takes the words from the back
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& failure) {
    throw_parse_error(failure, command);
  }
  if (const std::vector<std::string> rest = app.remaining(); !rest.empty()) {
    throw_unknown_flag(fields, command, rest.front());
  }
  check_common(arguments.common);
  for (const std::string& set : sets) arguments.sets.push_back(split_assignment(set));
  for (const config::BoundField& field : fields.all()) {
    if (field.info.rest || app.count(flag_name(field.path)) == 0) continue;
    if (!is_list(field) && values[field.path].size() > 1) throw_repeated(field, command, values[field.path]);
    arguments.flags.emplace_back(
        field.path,
        is_switch(field) ? (switches[field.path] ? "true" : "false") : join(values[field.path], ","));
  }
  return arguments;
}

void resolve(const config::Fields& fields, const Arguments& arguments, const ConfigSources& sources) {
  const CommonOptions& common = arguments.common;
  if (!common.preset.empty()) {
    const auto found =
        std::find_if(sources.presets.begin(), sources.presets.end(), [&](const systems::Preset& preset) {
          return preset.name == common.preset;
        });
    if (found == sources.presets.end()) {
      std::vector<std::string> names;
      for (const systems::Preset& preset : sources.presets) names.push_back(preset.name);
      throw unknown_name({.error_class = ErrorClass::kConfig,
                          .code = "config.unknown_preset",
                          .what = "there is no such preset",
                          .name = common.preset,
                          .known = names,
                          .none_known = "no preset: this command has none",
                          .remedy = "leave --preset out"});
    }
    config::apply_toml(fields, found->toml, sources.verb, sources.tables, "preset " + found->name);
  }
  if (!common.config.empty()) {
    const std::string text = read_text_file(common.config, kConfigFileLimit);
    config::apply_toml(fields, text, sources.verb, sources.tables, common.config);
  }
  const auto apply = [&](const auto& settings, std::string_view origin) {
    for (const auto& [key, value] : settings) {
      const config::BoundField* field = fields.find(key);
      if (field == nullptr) config::throw_unknown_key(fields, key, origin);
      config::set_from_text(*field, value, origin);
    }
  };
  apply(sources.environment, "environment");
  apply(arguments.sets, "--set");
  apply(arguments.flags, "command line");
  if (const config::BoundField* rest = rest_field(fields); rest != nullptr && !arguments.rest.empty()) {
    *std::get<std::vector<std::string>*>(rest->ref) = arguments.rest;
  }
  try {
    config::check_all(fields);
  } catch (const Error& error) {
    // A value that the command line had to give is a mistake of usage, whoever notices it.
    if (error.code() != "config.missing_value") throw;
    throw Error(ErrorClass::kUsage, error.code(), error.text());
  }
}

std::vector<std::pair<std::string, std::string>> environment_settings() {
  std::vector<std::pair<std::string, std::string>> settings;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (!text.starts_with(kEnvironmentPrefix) || equals == std::string_view::npos) continue;
    std::string key = to_lower(text.substr(kEnvironmentPrefix.size(), equals - kEnvironmentPrefix.size()));
    for (std::size_t at = key.find("__"); at != std::string::npos; at = key.find("__", at))
      key.replace(at, 2, ".");
    settings.emplace_back(key, text.substr(equals + 1));
  }
  std::sort(settings.begin(), settings.end());
  return settings;
}

}  // namespace tenfold::cli
