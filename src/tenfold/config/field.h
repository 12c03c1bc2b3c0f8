// SPDX-License-Identifier: Apache-2.0
// One field list per options struct. A struct names its fields once:
//
//   struct FitOptions {
//     std::string csv;
//     double sigma = 0.15;
//     void visit_fields(auto&& field) {
//       field("csv", csv, {.help = "table to read", .positional = true});
//       field("sigma", sigma, {.help = "noise of an estimate", .unit = "OOM", .min = 0.0, .max = 3.0});
//     }
//   };
//
// From that list come the TOML reader and writer, the command line, the JSON schema, help, range checks and
// the hash of a run (config/toml.h, config/schema.h, cli/arguments.h).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tenfold::config {

// What a program does with a field that names a file. A server lets no client name one of its files: kRead is served from
// uploads, kRunFolder from the runs and bundles it lists, kRuns is its own folder of runs, kWrite takes a name without
// folders, kRunProgram is refused.
enum class FileUse { kNone, kRead, kRunFolder, kRuns, kWrite, kRunProgram };

struct FieldInfo {
  std::string help;                                       // one line, no full stop
  std::string unit;                                       // "OOM", "s", "FLOP"; empty for none
  double min = -std::numeric_limits<double>::infinity();  // inclusive; numbers and their lists
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;  // allowed texts; empty: any
  bool positional = false;           // may be given on the command line without its flag
  bool required = false;             // an empty text or list is an error
  bool affects_result = true;        // false: left out of the run's hash (output paths, verbosity)
  FileUse file = FileUse::kNone;     // a path: what is done with it
  double served_max = std::numeric_limits<double>::infinity();  // largest value a server takes from a client
  char letter = 0;                                              // one-letter form of the flag: 'n' for -n
  bool rest = false;  // a list of texts that takes the words after "--" as they are, and has no flag
};

// The types a field may have. A list is written a,b,c on the command line and as an array in TOML.
using FieldRef = std::variant<bool*,
                              std::int64_t*,
                              double*,
                              std::string*,
                              std::optional<double>*,
                              std::vector<std::int64_t>*,
                              std::vector<double>*,
                              std::vector<std::string>*>;

struct BoundField {
  std::string path;  // dotted: "optimizer.learning_rate"
  FieldRef ref;
  FieldInfo info;
};

// The fields of one live struct. The struct must outlive it.
class Fields {
 public:
  template <typename Struct>
  explicit Fields(Struct& options) {
    visit(options, "");
  }

  const std::vector<BoundField>& all() const { return fields_; }
  std::vector<std::string> paths() const;
  const BoundField* find(std::string_view path) const;  // nullptr when there is none

 private:
  template <typename Struct>
  void visit(Struct& options, const std::string& prefix) {
    options.visit_fields([&](std::string_view name, auto& value, FieldInfo info) {
      std::string path = prefix + std::string(name);
      if constexpr (std::is_constructible_v<FieldRef, decltype(&value)>) {
        fields_.push_back({std::move(path), FieldRef(&value), std::move(info)});
      } else {
        visit(value, path + ".");  // a nested options struct
      }
    });
  }

  std::vector<BoundField> fields_;
};

// Type as printed in help and errors: "an integer", "a number", "text", "true or false", "a list of numbers"
std::string type_name(const FieldRef& ref);

// Value in TOML syntax: 3, 0.5, "text", [1, 2]. An empty optional gives "".
std::string to_toml_value(const FieldRef& ref);

// Parses `text` as the command line gives it and stores it. Throws Error(kConfig, "config.bad_value" or
// "config.out_of_range" or "config.not_a_choice") with value seen and wanted; `origin` says where the text
// came from.
void set_from_text(const BoundField& field, std::string_view text, std::string_view origin);

// Range, choices and required. Throws Error(kConfig).
void check(const BoundField& field, std::string_view origin);
void check_all(const Fields& fields);

// "no field 'lerning_rate'; did you mean 'learning_rate'?" Throws Error(kConfig, "config.unknown_key").
[[noreturn]] void throw_unknown_key(const Fields& fields, std::string_view key, std::string_view origin);

}  // namespace tenfold::config
