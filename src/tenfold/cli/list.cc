// SPDX-License-Identifier: Apache-2.0
// `tenfold list`: the ten systems and their state.
#include <nlohmann/json.hpp>

#include "tenfold/cli/commands.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/registry.h"

namespace tenfold::cli {
namespace {

struct ListOptions {
  std::string state;
  void visit_fields(auto&& field) {
    field("state", state, {.help = "list only systems in this state", .choices = {"works", "planned"}});
  }
};

systems::Outcome list(const ListOptions& options, systems::Context&) {
  report::Table table{"Systems", {"name", "system", "state", "what you do with it"}, {}, {}};
  nlohmann::json systems = nlohmann::json::array();
  for (const systems::SystemState& system : systems::roadmap()) {
    if (!options.state.empty() && system.state != options.state) continue;
    table.rows.push_back({system.name, system.title, system.state, system.use});
    systems.push_back(
        {{"name", system.name}, {"title", system.title}, {"state", system.state}, {"use", system.use}});
  }
  return systems::make_outcome({{"systems", systems}}, report::to_terminal(table));
}

}  // namespace

systems::Verb make_list_command() {
  return systems::make_verb<ListOptions>("list",
                                         "list the systems and their state",
                                         "",
                                         {"tenfold list", "tenfold list --state works --json"},
                                         list);
}

}  // namespace tenfold::cli
