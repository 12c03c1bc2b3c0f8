// SPDX-License-Identifier: Apache-2.0
// `tenfold demo`: every system's main job on embedded data, one report.html. Systems add sections through
// systems::System::demo; nothing here knows a system.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/clock.h"
#include "tenfold/base/cpu.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/base/version.h"
#include "tenfold/cli/commands.h"

namespace tenfold::cli {
namespace {

struct DemoOptions {
  std::vector<std::string> systems;
  void visit_fields(auto&& field) { field("systems", systems, {.help = "only these systems, by name"}); }
};

bool wanted(const DemoOptions& options, const std::string& name) {
  if (options.systems.empty()) return true;
  for (const std::string& system : options.systems) {
    if (system == name) return true;
  }
  return false;
}

// What of a section fits a terminal.
std::string terminal_text(const report::Section& section) {
  std::string text = fmt::format("\n== {} ==\n{}\n", section.title, section.summary);
  for (const report::Block& block : section.blocks) {
    if (const auto* paragraph = std::get_if<report::Paragraph>(&block)) text += "\n" + paragraph->text + "\n";
    if (const auto* table = std::get_if<report::Table>(&block))
      text += "\n" + report::to_terminal(*table, 110);
  }
  return text;
}

void check_names(const Program& program, const DemoOptions& options) {
  std::vector<std::string> names;
  for (const systems::System& system : program.systems) {
    if (system.demo) names.push_back(system.name);
  }
  for (const std::string& name : options.systems) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw unknown_name({.code = "demo.unknown_system",
                        .what = "no system of this name has a demo",
                        .name = name,
                        .known = names,
                        .none_known = "no name: no system has a demo",
                        .remedy = "see tenfold list"});
  }
}

systems::Outcome demo(const Program& program, const DemoOptions& options, systems::Context& context) {
  const Path folder = context.out.empty() ? Path("demo") : context.out;
  check_names(program, options);
  context.files->make_directories(folder);  // before the work: a folder that cannot be made is known now
  report::Report page{
      "Tenfold",
      "machine-learning systems that do more with less compute, run on this machine",
      {},
      fmt::format(
          "tenfold {} ({}), {} threads on {}", version(), revision(), thread_count(), cpu_info().model_name)};
  nlohmann::json sections = nlohmann::json::array();
  std::string text;
  const auto add = [&](const std::string& name, const SectionMaker& make) {
    context.progress(fmt::format("demo: {}", name));
    const Stopwatch watch;
    page.sections.push_back(make(context));
    const report::Section& section = page.sections.back();
    text += terminal_text(section);
    sections.push_back({{"id", section.id},
                        {"title", section.title},
                        {"summary", section.summary},
                        {"wall_seconds", watch.wall_seconds()},
                        {"cpu_seconds", watch.cpu_seconds()}});
  };
  for (const systems::System& system : program.systems) {
    if (system.demo && wanted(options, system.name)) add(system.title, system.demo);
  }
  for (const SectionMaker& make : program.machine_sections) add("this machine", make);
  const Path file = folder / "report.html";
  write_file_atomically(*context.files, file, report::to_html(page));
  text += fmt::format("\nThe report with charts: {}\n", file.string());
  return systems::make_outcome({{"report", file.string()}, {"sections", sections}}, text);
}

}  // namespace

systems::Verb make_demo_command(const SharedProgram& program) {
  return systems::make_verb<DemoOptions>(
      "demo",
      "run every system's main job on embedded data and write one HTML report",
      "Writes report.html into --out (default: demo). The page is self-contained and opens without a "
      "network.",
      {"tenfold demo --out demo"},
      [program](const DemoOptions& options, systems::Context& context) {
        return demo(*program, options, context);
      });
}

}  // namespace tenfold::cli
