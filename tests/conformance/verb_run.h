// SPDX-License-Identifier: Apache-2.0
// Runs a verb of a system the way the program does: preset, settings, context.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/system.h"

namespace tenfold::systems {
// How GoogleTest prints the parameter of a test.
inline void PrintTo(const System& system, std::ostream* out) {
  *out << system.name;
}
}  // namespace tenfold::systems

namespace tenfold::conformance {

const systems::Verb* find_verb(const systems::System& system, const std::string& name);

using Settings = std::vector<std::pair<std::string, std::string>>;  // field path, text

struct VerbRun {
  std::string preset;  // empty: none
  Settings settings;
  Path out;
  std::uint64_t seed = 1;
  FileSystem* files = &real_file_system();
  const StopToken* stop = nullptr;
};

// Resolves the options and runs the verb. Throws what the verb throws.
nlohmann::json run_verb(const systems::System& system, const std::string& verb, const VerbRun& run);

// A new empty folder below the test's scratch folder.
Path scratch_folder(const std::string& name);

}  // namespace tenfold::conformance
