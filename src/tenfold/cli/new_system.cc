// SPDX-License-Identifier: Apache-2.0
// `tenfold new-system NAME`: writes a system that builds, trains a linear model and passes the conformance suite, for its author to
// change. New files first, then the lists that name it; a failure takes back what was written.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/cli/commands.h"
#include "tenfold_cli_embedded.h"

namespace tenfold::cli {
namespace {

constexpr std::uint64_t kSourceFileLimit = 1 << 20;
constexpr std::size_t kLongestName = 40;

struct NewSystemOptions {
  std::string name;
  std::string title;
  std::string tree = ".";

  void visit_fields(auto&& field) {
    field("name",
          name,
          {.help = "on the command line: lower-case letters, digits and single hyphens",
           .positional = true,
           .required = true});
    field("title", title, {.help = "as people write it; default: made from the name"});
    field("tree", tree, {.help = "folder of the source tree", .affects_result = false});
  }
};

// The names of one system in the places where it is named.
struct Names {
  std::string name;   // "block-nerf"
  std::string space;  // "block_nerf"
  std::string type;   // "BlockNerf"
  std::string title;  // "Block nerf"
};

bool is_good_name(const std::string& name) {
  if (name.empty() || name.size() > kLongestName || name.front() < 'a' || name.front() > 'z' ||
      name.back() == '-')
    return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && name[i - 1] != '-');
    if (!good) return false;
  }
  return true;
}

Names make_names(const NewSystemOptions& options) {
  if (!is_good_name(options.name)) {
    throw Error(
        ErrorClass::kUsage,
        "new_system.bad_name",
        {.what = "this cannot be the name of a system",
         .seen = printable(options.name),
         .wanted = fmt::format("a letter, then letters, digits and single hyphens, at most {}", kLongestName),
         .remedy = "choose a name like block-nerf"});
  }
  Names names{.name = options.name, .space = {}, .type = {}, .title = options.title};
  for (const std::string& part : split(options.name, '-')) {
    names.space += (names.space.empty() ? "" : "_") + part;
    names.type += static_cast<char>(part.front() >= 'a' ? part.front() - 'a' + 'A' : part.front());
    names.type += part.substr(1);
  }
  if (names.title.empty()) {
    names.title = join(split(options.name, '-'), " ");
    names.title.front() = names.type.front();
  }
  return names;
}

std::string replace_all(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string filled(std::string_view text, const Names& names) {
  std::string result = replace_all(std::string(text), "@NAME@", names.name);
  result = replace_all(std::move(result), "@SPACE@", names.space);
  result = replace_all(std::move(result), "@CLASS@", names.type);
  return replace_all(std::move(result), "@TITLE@", names.title);
}

using FileList = std::vector<std::pair<Path, std::string>>;  // path below the tree, content

FileList new_files(const Names& names) {
  namespace text = embedded;
  const Path code = Path("src/tenfold/systems") / names.space;
  const Path configs = Path("configs") / names.name;
  FileList files = {
      {code / "model.h", std::string(text::model_h())},
      {code / "model.cc", std::string(text::model_cc())},
      {code / "task.h", std::string(text::task_h())},
      {code / "task.cc", std::string(text::task_cc())},
      {code / "command.h", std::string(text::command_h())},
      {code / "command.cc", std::string(text::command_cc())},
      {code / "CMakeLists.txt", std::string(text::cmakelists())},
      {code / "README.md", std::string(text::readme())},
      {configs / "demo.toml", std::string(text::demo_toml())},
      {configs / "small.toml", std::string(text::small_toml())},
      {configs / "paper.toml", std::string(text::paper_toml())},
      {Path("tests/unit") / names.space / "model_test.cc", std::string(text::model_test())},
      {Path("tests/cli/cases") / names.name / "misspelt_option.case", std::string(text::misspelt_option())},
      {Path("docs") / (names.name + ".md"), std::string(text::guide())}};
  for (auto& [path, content] : files) content = filled(content, names);
  return files;
}

// A line that goes before the one line of `file` that holds `marker`; without a marker, an include that goes where the order
// of the includes puts it.
struct Insertion {
  Path file;
  std::string_view marker;
  std::string line;
  std::string unless =
      {};  // text that makes the line needless: the project's own systems are on the roadmap already
};

std::vector<Insertion> insertions(const Names& names) {
  return {{"src/tenfold/systems/registry_torch.cc",
           {},
           fmt::format("#include \"tenfold/systems/{}/command.h\"\n", names.space)},
          {"src/tenfold/systems/registry_torch.cc",
           "  // New systems go above this line.",
           fmt::format("  systems.push_back({}::make_system());\n", names.space)},
          {"src/tenfold/systems/roadmap.cc",
           "      // New systems go above this line.",
           fmt::format("      {{\"{}\", \"{}\", \"fits a linear model, so far\", \"works\"}},\n",
                       names.name,
                       names.title),
           fmt::format("{{\"{}\",", names.name)},
          {"src/tenfold/systems/CMakeLists.txt",
           "  # Folders of new systems go above this line.",
           fmt::format("  add_subdirectory({})\n", names.space)},
          {"src/tenfold/systems/CMakeLists.txt",
           "    # Libraries of new systems go above this line.",
           fmt::format("    tenfold_{}\n", names.space)},
          {"tests/CMakeLists.txt",
           "  # Tests of new systems go above this line.",
           fmt::format("  tenfold_unit_test({} LABELS torch)\n", names.space)}};
}

[[noreturn]] void throw_other_tree(const Path& tree, std::string seen) {
  throw Error(ErrorClass::kData,
              "new_system.other_tree",
              {.what = printable(tree.string(), 400) + " is not a source tree this version can extend",
               .seen = std::move(seen),
               .wanted = "the source tree of this version of tenfold",
               .remedy = "run the command in the tree, or name it with --tree"});
}

// Where `line`, an include of the project, belongs among its kind. npos when there is none of them.
std::size_t place_of_include(const std::string& text, const std::string& line) {
  std::size_t place = std::string::npos;
  for (std::size_t at = text.find("#include \"tenfold/"); at != std::string::npos;) {
    const std::size_t end = text.find('\n', at) + 1;
    if (text.substr(at, end - at) > line) return at;
    place = end;
    at = text.find("#include \"tenfold/", end);
  }
  return place;
}

// The changed texts of the lists, one a file.
FileList changed_lists(const Path& tree, const Names& names) {
  FileList files;
  for (const Insertion& insertion : insertions(names)) {
    if (!path_exists(tree / insertion.file)) throw_other_tree(tree, "no " + insertion.file.string());
    if (files.empty() || files.back().first != insertion.file) {
      files.emplace_back(insertion.file, read_text_file(tree / insertion.file, kSourceFileLimit));
    }
    std::string& text = files.back().second;
    if (!insertion.unless.empty() && text.find(insertion.unless) != std::string::npos) continue;
    const std::size_t at =
        insertion.marker.empty() ? place_of_include(text, insertion.line) : text.find(insertion.marker);
    if (at == std::string::npos) {
      throw_other_tree(
          tree, fmt::format("{} without the line \"{}\"", insertion.file.string(), trim(insertion.marker)));
    }
    text.insert(at, insertion.line);
  }
  return files;
}

void check_absent(const Path& tree, const FileList& files) {
  for (const auto& [path, content] : files) {
    if (!path_exists(tree / path)) continue;
    throw Error(ErrorClass::kData,
                "new_system.exists",
                {.what = "a system of this name has files already",
                 .seen = (tree / path).string(),
                 .wanted = "a new name",
                 .remedy = "choose another name, or remove these files"});
  }
}

void write_all(FileSystem& files, const Path& tree, const FileList& fresh, const FileList& lists) {
  std::vector<Path> written;
  try {
    for (const auto& [path, content] : fresh) {
      files.make_directories((tree / path).parent_path());
      write_file_atomically(files, tree / path, content);
      written.push_back(tree / path);
    }
    for (const auto& [path, content] : lists) write_file_atomically(files, tree / path, content);
  } catch (...) {
    for (const Path& path : written) {
      try {
        files.remove(path);
      } catch (const Error&) {  // the first failure is the one to report
      }
    }
    throw;
  }
}

systems::Outcome new_system(const NewSystemOptions& options, systems::Context& context) {
  const Names names = make_names(options);
  const Path tree = options.tree;
  const FileList fresh = new_files(names);
  const FileList lists = changed_lists(tree, names);
  check_absent(tree, fresh);
  write_all(*context.files, tree, fresh, lists);
  nlohmann::json created = nlohmann::json::array(), changed = nlohmann::json::array();
  std::string text;
  for (const auto& [path, content] : fresh) {
    created.push_back(path.string());
    text += fmt::format("new      {}\n", path.string());
  }
  for (const auto& [path, content] : lists) {
    changed.push_back(path.string());
    text += fmt::format("changed  {}\n", path.string());
  }
  text += fmt::format(
      "Next: make format build, then build/release/bin/tenfold {} train --preset demo --out demo-run\n",
      names.name);
  return systems::make_outcome({{"name", names.name}, {"created", created}, {"changed", changed}},
                               std::move(text));
}

}  // namespace

systems::Verb make_new_system_command() {
  return systems::make_verb<NewSystemOptions>(
      "new-system",
      "start a system: code, presets, tests and a page that build and train at once",
      "Writes src/tenfold/systems/NAME, configs/NAME, tests and docs/NAME.md into the source tree and adds "
      "the system to the lists "
      "that name it. What it trains at first is a linear model on made-up data.",
      {},
      new_system);
}

}  // namespace tenfold::cli
