// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/verb_run.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "tenfold/config/toml.h"

namespace tenfold::conformance {

const systems::Verb* find_verb(const systems::System& system, const std::string& name) {
  const auto found = std::find_if(
      system.verbs.begin(), system.verbs.end(), [&](const auto& verb) { return verb.name == name; });
  return found == system.verbs.end() ? nullptr : &*found;
}

nlohmann::json run_verb(const systems::System& system, const std::string& verb, const VerbRun& run) {
  const systems::VerbCall call = find_verb(system, verb)->prepare();
  std::vector<std::string> tables;
  for (const systems::Verb& other : system.verbs) tables.push_back(other.name);
  for (const systems::Preset& preset : system.presets) {
    if (preset.name == run.preset) config::apply_toml(call.fields, preset.toml, verb, tables, preset.name);
  }
  for (const auto& [path, text] : run.settings) {
    const config::BoundField* field = call.fields.find(path);
    if (field == nullptr) throw std::invalid_argument(system.name + " " + verb + " has no option " + path);
    config::set_from_text(*field, text, "test");
  }
  config::check_all(call.fields);
  systems::Context context;
  context.files = run.files;
  context.stop = run.stop;
  context.progress = [](std::string_view) {};
  context.seed = run.seed;
  context.out = run.out;
  return *call.run(context).json;
}

Path scratch_folder(const std::string& name) {
  const Path folder = Path(TENFOLD_BINARY_DIR) / "conformance" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace tenfold::conformance
