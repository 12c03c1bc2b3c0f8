// SPDX-License-Identifier: Apache-2.0
#include "tests/cli/case_file.h"

#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

namespace tenfold::cli_test {
namespace {

std::string unescape(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n') {
      result += '\n';
      ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string from_hex(const std::string& digits) {
  std::string bytes;
  std::string pair;
  for (char c : digits) {
    if (c == ' ') continue;
    pair += c;
    if (pair.size() == 2) {
      bytes += static_cast<char>(std::stoi(pair, nullptr, 16));
      pair.clear();
    }
  }
  return bytes;
}

std::pair<std::string, std::string> first_word(const std::string& value) {
  const std::size_t space = value.find(' ');
  if (space == std::string::npos) return {value, ""};
  return {value.substr(0, space), value.substr(space + 1)};
}

JsonCheck json_check(const std::string& value) {
  const auto [pointer, rest] = first_word(value);
  const auto [op, wanted] = first_word(rest);
  return {pointer, op, wanted};
}

using Setter = std::function<void(Case&, const std::string&)>;

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> table = {
      {"run", [](Case& c, const std::string& v) { c.arguments = split_words(v); }},
      {"file", [](Case& c, const std::string& v) { c.files[v]; }},
      {"bytes",
       [](Case& c, const std::string& v) {
         const auto [name, digits] = first_word(v);
         c.files[name] = from_hex(digits);
       }},
      {"grow",
       [](Case& c, const std::string& v) {
         const auto [name, rest] = first_word(v);
         const auto [size, text] = first_word(rest);
         c.grown[name] = {std::stoul(size), unescape(text)};
       }},
      {"fifo", [](Case& c, const std::string& v) { c.fifos.push_back(v); }},
      {"folder", [](Case& c, const std::string& v) { c.folders.push_back(v); }},
      {"link", [](Case& c, const std::string& v) { c.links.push_back(first_word(v)); }},
      {"env", [](Case& c, const std::string& v) { c.environment.push_back(v); }},
      {"output", [](Case& c, const std::string& v) { c.output = v; }},
      {"torch", [](Case& c, const std::string& v) { c.needs_torch = v == "yes"; }},
      {"shared", [](Case& c, const std::string& v) { c.shared.push_back(v); }},
      {"exit", [](Case& c, const std::string& v) { c.exit_code = std::stoi(v); }},
      {"stdout", [](Case& c, const std::string& v) { c.in_stdout.push_back(v); }},
      {"stderr", [](Case& c, const std::string& v) { c.in_stderr.push_back(v); }},
      {"not-stdout", [](Case& c, const std::string& v) { c.not_in_stdout.push_back(v); }},
      {"not-stderr", [](Case& c, const std::string& v) { c.not_in_stderr.push_back(v); }},
      {"json", [](Case& c, const std::string& v) { c.json.push_back(json_check(v)); }},
      {"present", [](Case& c, const std::string& v) { c.present.push_back(v); }},
      {"absent", [](Case& c, const std::string& v) { c.absent.push_back(v); }},
      {"kept", [](Case& c, const std::string& v) { c.kept.push_back(v); }}};
  return table;
}

}  // namespace

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (char c : line) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ') {
      if (in_word) words.push_back(word);
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_word) words.push_back(word);
  return words;
}

Case read_case(const std::filesystem::path& path) {
  Case result;
  result.name = path.stem().string();
  std::ifstream file(path);
  std::string line;
  std::string current_file;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("  ") && !current_file.empty()) {
      result.files[current_file] += line.substr(2) + "\n";
      continue;
    }
    current_file.clear();
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(':');
    const std::string key = line.substr(0, colon);
    const auto setter = setters().find(key);
    if (colon == std::string::npos || setter == setters().end()) {
      throw std::runtime_error(path.string() + " line " + std::to_string(number) + ": unknown key: " + line);
    }
    const std::size_t begin = line.find_first_not_of(' ', colon + 1);
    const std::string value = begin == std::string::npos ? "" : line.substr(begin);
    setter->second(result, value);
    if (key == "file") current_file = value;
  }
  return result;
}

}  // namespace tenfold::cli_test
