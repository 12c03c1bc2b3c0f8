// SPDX-License-Identifier: Apache-2.0
// The launcher in a folder of its own, with stand-ins for OpenBLAS and for the real program.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tenfold/base/cpu.h"
#include "tenfold/base/threads.h"

namespace tenfold {
namespace {

namespace fs = std::filesystem;

class Launcher : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tenfold-launcher-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "bin");
    fs::create_directories(root_ / "lib");
    fs::create_directories(root_ / "blas");
    fs::copy(TENFOLD_PROGRAM, root_ / "bin" / "tenfold");
    fs::copy(FAKE_OPENBLAS, root_ / "blas" / "libopenblas.so.0");
  }
  void TearDown() override { fs::remove_all(root_); }

  void install_app(const std::string& name) { fs::copy(FAKE_APP, root_ / "lib" / name); }

  // Output and exit status of the launcher in an environment of our own.
  std::pair<std::string, int> run(const std::string& environment, const std::string& arguments) {
    const std::string command =
        "env -u OPENBLAS_CORETYPE -u OMP_NUM_THREADS -u GOMP_SPINCOUNT TENFOLD_BLAS_FOLDER=" +
        (root_ / "blas").string() + " " + environment + " " + (root_ / "bin" / "tenfold").string() + " " +
        arguments + " 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string output;
    char buffer[512];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, count);
    const int status = ::pclose(pipe);
    return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }

  fs::path root_;
};

std::string best_kernel() {
  if (cpu_info().avx512) return "SkylakeX";
  return cpu_info().avx2 ? "Haswell" : "unset";
}

// `no-such-command` is unknown to the launcher, so it loads the part with LibTorch and prepares BLAS for it.
TEST_F(Launcher, RestartsWithTheRightKernelWhenOpenblasFellBack) {
  install_app("libtenfold_app.so");
  const auto [output, status] = run("FAKE_KERNEL=Prescott", "no-such-command --x y");
  EXPECT_EQ(status, 23) << output;
  EXPECT_NE(output.find("coretype=" + best_kernel() + " "), std::string::npos) << output;
  if (cpu_info().avx2) {
    EXPECT_NE(output.find("kernel=" + best_kernel() + " "), std::string::npos) << output;
  }
  EXPECT_NE(output.find("arguments=4 last=y"), std::string::npos) << output;
}

TEST_F(Launcher, LeavesAGoodChoiceAlone) {
  install_app("libtenfold_app.so");
  EXPECT_NE(run("FAKE_KERNEL=Zen", "no-such-command").first.find("coretype=unset kernel=Zen "),
            std::string::npos);
}

TEST_F(Launcher, LeavesTheUsersChoiceAlone) {
  install_app("libtenfold_app.so");
  const std::string output = run("OPENBLAS_CORETYPE=Nehalem", "no-such-command").first;
  EXPECT_NE(output.find("coretype=Nehalem kernel=Nehalem "), std::string::npos) << output;
}

TEST_F(Launcher, WorksWithoutOpenblas) {
  install_app("libtenfold_app.so");
  fs::remove(root_ / "blas" / "libopenblas.so.0");
  EXPECT_EQ(run("", "no-such-command").second, 23);
}

TEST_F(Launcher, HandsTheThreadCountToOpenmp) {
  install_app("libtenfold_app.so");
  EXPECT_NE(run("", "no-such-command --threads 3").first.find("threads=3 "), std::string::npos);
  EXPECT_NE(run("", "no-such-command --threads=5").first.find("threads=5 "), std::string::npos);
  EXPECT_NE(run("OMP_NUM_THREADS=7", "no-such-command").first.find("threads=7 "), std::string::npos);
  const std::string all = "threads=" + std::to_string(available_cores()) + " ";
  EXPECT_NE(run("", "no-such-command --threads 0").first.find(all), std::string::npos);
  EXPECT_NE(run("", "no-such-command --threads many").first.find(all), std::string::npos);
}

TEST_F(Launcher, KeepsOpenmpFromSpinningLong) {
  install_app("libtenfold_app.so");
  EXPECT_NE(run("", "no-such-command").first.find("spin=1000 "), std::string::npos);
  EXPECT_NE(run("GOMP_SPINCOUNT=7", "no-such-command").first.find("spin=7 "), std::string::npos);
}

TEST_F(Launcher, TorchFreeVerbsLoadTheSmallHalfAndNoBlas) {
  install_app("libtenfold_app_core.so");
  const auto [output, status] = run("", "trends fit");
  EXPECT_EQ(status, 23) << output;
  EXPECT_NE(output.find("kernel=none"), std::string::npos) << output;
}

TEST_F(Launcher, HelpAndVersionNeedNoOtherFile) {
  EXPECT_EQ(run("", "--help").second, 0);
  EXPECT_EQ(run("", "trends fit --help").second, 0);
  EXPECT_EQ(run("", "--version").second, 0);
  EXPECT_EQ(run("", "").second, 0);
}

TEST_F(Launcher, SaysWhichPartIsMissing) {
  const auto [output, status] = run("", "trends fit");
  EXPECT_EQ(status, 6);
  EXPECT_NE(output.find("remedy:"), std::string::npos) << output;
}

TEST_F(Launcher, APartThatCannotBeLoadedIsAnErrorWithARemedy) {
  std::FILE* file = std::fopen((root_ / "lib" / "libtenfold_app_core.so").c_str(), "w");
  std::fputs("not a library", file);
  std::fclose(file);
  const auto [output, status] = run("", "trends fit");
  EXPECT_EQ(status, 6);
  EXPECT_NE(output.find("remedy:"), std::string::npos) << output;
}

}  // namespace
}  // namespace tenfold
