// SPDX-License-Identifier: Apache-2.0
// The command line of one verb: its own fields as flags, the options every verb has, and where values come from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/systems/system.h"

namespace tenfold::cli {

// Options every verb understands.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  bool print_config = false;
  bool print_schema = false;
  std::string preset;
  std::string config;
  std::string out;
  std::int64_t seed = 1;     // 0 or more
  std::int64_t threads = 0;  // 0: all cores
  std::string log_level = "warning";
};

struct Arguments {
  CommonOptions common;
  std::vector<std::pair<std::string, std::string>> sets;   // --set key=value, in order
  std::vector<std::pair<std::string, std::string>> flags;  // --key value, in order of declaration
  std::vector<std::string> rest;  // the words after "--", for a command with a field for them
};

// A flag as help and completion show it.
struct FlagDoc {
  std::string flag;   // "--doubling-rule"
  std::string value;  // "TEXT"; empty for switches
  std::string help;
  std::vector<std::string> choices;  // values that completion offers; empty: any
  char letter = 0;                   // 'n': also written -n
};
std::vector<FlagDoc> common_flags();
std::vector<FlagDoc> field_flags(const config::Fields& fields);

// "learning_rate" -> "--learning-rate"
std::string flag_name(std::string_view field_path);

// The field that takes the words after "--"; null when there is none.
const config::BoundField* rest_field(const config::Fields& fields);

// The words that belong to the program itself: those before "--".
std::span<const std::string> own_words(std::span<const std::string> words);

// Splits the words after the verb. Throws Error(kUsage) with nearest names for unknown flags.
Arguments parse_arguments(const config::Fields& fields,
                          const std::string& command,
                          std::span<const std::string> words);

struct ConfigSources {
  std::string verb;                 // table name in TOML files
  std::vector<std::string> tables;  // all verbs of the system: other tables a file may hold
  std::vector<systems::Preset> presets;
  std::vector<std::pair<std::string, std::string>> environment;  // TENFOLD_SET_* as (key, value)
};

// Fills the fields: defaults < preset < file < environment < --set < flags; checks everything. Throws Error.
void resolve(const config::Fields& fields, const Arguments& arguments, const ConfigSources& sources);

// TENFOLD_SET_BREAKS__STEP=3 -> ("breaks.step", "3"), sorted by name.
std::vector<std::pair<std::string, std::string>> environment_settings();

}  // namespace tenfold::cli
