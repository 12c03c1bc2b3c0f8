// SPDX-License-Identifier: Apache-2.0
// Reads the case files of tests/cli/README.md.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tenfold::cli_test {

struct JsonCheck {
  std::string pointer;
  std::string op;
  std::string value;
};

struct GrownFile {
  std::size_t bytes = 0;
  std::string text;
};

struct Case {
  std::string name;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> files;
  std::map<std::string, GrownFile> grown;
  std::vector<std::string> fifos;
  std::vector<std::string> folders;
  std::vector<std::pair<std::string, std::string>> links;
  std::vector<std::string> environment;
  std::string output;  // where stdout goes instead of the test
  bool needs_torch = false;
  std::vector<std::string> shared;
  int exit_code = 0;
  std::vector<std::string> in_stdout, in_stderr, not_in_stdout, not_in_stderr;
  std::vector<JsonCheck> json;
  std::vector<std::string> present, absent, kept;
};

// Throws std::runtime_error with file and line for a case file that cannot be read.
Case read_case(const std::filesystem::path& path);

// Splits like a shell: blanks separate, quotes group, no expansion.
std::vector<std::string> split_words(const std::string& line);

}  // namespace tenfold::cli_test
