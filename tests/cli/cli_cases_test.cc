// SPDX-License-Identifier: Apache-2.0
// Runs every case of tests/cli/cases against the built program. See tests/cli/README.md.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/case_file.h"

namespace tenfold::cli_test {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(TENFOLD_SOURCE_DIR) / "tests/cli/cases";
const fs::path kProgram = fs::path(TENFOLD_BINARY_DIR) / "bin/tenfold";
const fs::path kShared = fs::path(TENFOLD_SOURCE_DIR) / "../shared";

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_grown(const fs::path& path, const std::string& head, const GrownFile& grown) {
  std::ofstream file(path, std::ios::binary);
  file << head;
  std::size_t size = head.size();
  for (std::size_t row = 0; size < grown.bytes; ++row) {
    std::string text = grown.text;
    for (std::size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 1)) {
      text.replace(at, 1, std::to_string(row));
    }
    file << text;
    size += text.size();
  }
}

void prepare(const Case& c, const fs::path& folder) {
  for (const std::string& name : c.folders) fs::create_directories(folder / name);
  for (const auto& [name, content] : c.files) {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name, std::ios::binary) << content;
  }
  for (const auto& [name, grown] : c.grown) {
    write_grown(folder / name, c.files.contains(name) ? c.files.at(name) : "", grown);
  }
  for (const std::string& name : c.fifos) ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0);
  for (const auto& [name, target] : c.links) fs::create_symlink(target, folder / name);
}

struct Result {
  int exit_code = -1;
  std::string out, err;
};

[[noreturn]] void run_child(const Case& c, const fs::path& folder) {
  const std::string out = c.output.empty() ? (folder / ".stdout").string() : c.output;
  const int out_fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_fd = ::open((folder / ".stderr").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(out_fd, STDOUT_FILENO);
  ::dup2(err_fd, STDERR_FILENO);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  ::setenv("HOME", folder.c_str(), 1);
  ::setenv("XDG_CACHE_HOME", (folder / ".cache").c_str(), 1);
  for (const std::string& entry : c.environment) {
    const std::size_t equals = entry.find('=');
    ::setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
  }
  std::vector<std::string> words = {kProgram.string()};
  for (std::string word : c.arguments) {
    if (const std::size_t at = word.find("{shared}"); at != std::string::npos)
      word.replace(at, 8, kShared.string());
    words.push_back(word);
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::alarm(300);  // a hanging program must not hang the suite
  ::execv(kProgram.c_str(), argv.data());
  ::_exit(127);
}

Result run(const Case& c, const fs::path& folder) {
  const pid_t child = ::fork();
  if (child == 0) run_child(c, folder);
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status),
          read_file(folder / ".stdout"),
          read_file(folder / ".stderr")};
}

void check_json_value(const nlohmann::json& object, const JsonCheck& check) {
  const nlohmann::json::json_pointer pointer(check.pointer);
  ASSERT_TRUE(object.contains(pointer)) << check.pointer << " is not there";
  const nlohmann::json& value = object.at(pointer);
  if (check.op == "size") {
    EXPECT_EQ(value.size(), std::stoul(check.value)) << check.pointer;
  } else if (check.op == "has") {
    EXPECT_NE(std::find(value.begin(), value.end(), nlohmann::json(check.value)), value.end())
        << check.pointer << " lacks " << check.value;
  } else if (check.op == "==") {
    const nlohmann::json wanted = nlohmann::json::parse(check.value, nullptr, false);
    EXPECT_EQ(value, wanted.is_discarded() ? nlohmann::json(check.value) : wanted) << check.pointer;
  } else {
    ASSERT_TRUE(value.is_number()) << check.pointer << " is " << value;
    const double seen = value.get<double>(), wanted = std::stod(check.value);
    const bool holds = check.op == "<"   ? seen < wanted
                       : check.op == ">" ? seen > wanted
                       : check.op == "~" ? std::abs(seen - wanted) <= 1e-3 * std::abs(wanted)
                                         : false;
    EXPECT_TRUE(holds) << check.pointer << ": " << seen << " " << check.op << " " << wanted;
  }
}

void check_contract(const Case& c, const Result& result) {
  EXPECT_NE(result.exit_code, 70) << "an internal error is always a bug:\n" << result.err;
  const bool json = std::find(c.arguments.begin(), c.arguments.end(), "--json") != c.arguments.end();
  const bool failed = result.err.find("tenfold: error:") != std::string::npos;
  if (failed) {
    EXPECT_NE(result.exit_code, 0);
    EXPECT_TRUE(result.err.find("wanted:") != std::string::npos ||
                result.err.find("remedy:") != std::string::npos)
        << result.err;
    EXPECT_TRUE(json || result.out.empty()) << "a failure must not print on standard output";
  }
  if (json && c.output.empty() && result.exit_code != 0) {
    const nlohmann::json object = nlohmann::json::parse(result.out, nullptr, false);
    EXPECT_TRUE(object.is_object()) << result.out;
  }
}

void check(const Case& c, const Result& result, const fs::path& folder) {
  EXPECT_EQ(result.exit_code, c.exit_code) << "stdout:\n" << result.out << "\nstderr:\n" << result.err;
  for (const std::string& text : c.in_stdout)
    EXPECT_NE(result.out.find(text), std::string::npos) << text << "\nnot in stdout:\n" << result.out;
  for (const std::string& text : c.in_stderr)
    EXPECT_NE(result.err.find(text), std::string::npos) << text << "\nnot in stderr:\n" << result.err;
  for (const std::string& text : c.not_in_stdout) EXPECT_EQ(result.out.find(text), std::string::npos) << text;
  for (const std::string& text : c.not_in_stderr) EXPECT_EQ(result.err.find(text), std::string::npos) << text;
  for (const std::string& name : c.present) EXPECT_TRUE(fs::exists(folder / name)) << name;
  for (const std::string& name : c.absent) EXPECT_FALSE(fs::exists(folder / name)) << name;
  for (const std::string& name : c.kept)
    EXPECT_EQ(read_file(folder / name), c.files.at(name)) << name << " was changed";
  if (!c.json.empty()) {
    const nlohmann::json object = nlohmann::json::parse(result.out, nullptr, false);
    ASSERT_TRUE(object.is_object()) << "standard output is not one JSON object:\n" << result.out;
    for (const JsonCheck& one : c.json) check_json_value(object, one);
  }
  check_contract(c, result);
}

class CliCase : public testing::Test {
 public:
  explicit CliCase(fs::path path) : path_(std::move(path)) {}

  void TestBody() override {
    const Case c = read_case(path_);
    ASSERT_FALSE(c.arguments.empty()) << "no run: line";
    if (c.needs_torch && !fs::exists(fs::path(TENFOLD_BINARY_DIR) / "lib/libtenfold_app.so"))
      GTEST_SKIP() << "built without LibTorch";
    for (const std::string& file : c.shared) {
      if (!fs::exists(kShared / file)) GTEST_SKIP() << "../shared/" << file << " is absent";
    }
    std::string name = (fs::path(testing::TempDir()) / "tenfold-cli-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    const fs::path folder(name);
    prepare(c, folder);
    if (!HasFatalFailure()) check(c, run(c, folder), folder);
    fs::remove_all(folder);
  }

 private:
  fs::path path_;
};

void register_cases() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(kCases)) {
    if (entry.path().extension() == ".case") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    const std::string area = fs::relative(path.parent_path(), kCases).string();
    testing::RegisterTest(("Cli_" + area).c_str(),
                          path.stem().c_str(),
                          nullptr,
                          nullptr,
                          __FILE__,
                          __LINE__,
                          [path]() -> CliCase* { return new CliCase(path); });
  }
}

}  // namespace
}  // namespace tenfold::cli_test

int main(int argc, char** argv) {
  tenfold::cli_test::register_cases();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
