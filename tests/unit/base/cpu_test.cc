// SPDX-License-Identifier: Apache-2.0
// CPU features against what the kernel reports, stopwatch and version.
#include "tenfold/base/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"

namespace tenfold {
namespace {

// "name : value" lines of the first processor; empty where the file cannot be read.
std::map<std::string, std::string> kernel_report() {
  std::map<std::string, std::string> values;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    values[std::string(trim(line.substr(0, colon)))] = std::string(trim(line.substr(colon + 1)));
  }
  return values;
}

TEST(CpuInfo, AgreesWithTheKernel) {
  const std::map<std::string, std::string> kernel = kernel_report();
  if (!kernel.contains("flags")) GTEST_SKIP() << "/proc/cpuinfo lists no flags here";
  std::istringstream words(kernel.at("flags"));
  std::set<std::string> flags;
  for (std::string word; words >> word;) flags.insert(word);
  const auto all = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(), [&](const char* name) { return flags.contains(name); });
  };
  const CpuInfo& info = cpu_info();
  EXPECT_EQ(info.vendor, kernel.at("vendor_id"));
  EXPECT_EQ(std::to_string(info.family), kernel.at("cpu family"));
  EXPECT_EQ(std::to_string(info.model), kernel.at("model"));
  EXPECT_EQ(info.model_name, kernel.at("model name"));
  EXPECT_EQ(info.avx2, all({"avx2", "fma"}));
  const bool avx512 = all({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"});
  EXPECT_EQ(info.avx512, avx512);
  EXPECT_EQ(info.avx512_bf16, avx512 && all({"avx512_bf16"}));
  EXPECT_EQ(info.avx512_vnni, avx512 && all({"avx512_vnni"}));
  EXPECT_EQ(info.amx, all({"amx_tile"}));
}

TEST(CpuInfo, IsReadOnce) {
  EXPECT_EQ(&cpu_info(), &cpu_info());
}

TEST(CpuInfo, NamesTheTrueFeaturesInOrder) {
  CpuInfo info;
  EXPECT_TRUE(info.features().empty());
  info.avx512_vnni = info.avx2 = true;
  EXPECT_EQ(info.features(), (std::vector<std::string>{"avx2", "avx512_vnni"}));
  info.avx512 = info.avx512_bf16 = info.amx = true;
  EXPECT_EQ(info.features(),
            (std::vector<std::string>{"avx2", "avx512", "avx512_bf16", "avx512_vnni", "amx"}));
}

TEST(Stopwatch, NeitherClockRunsBackwards) {
  Stopwatch watch;
  double wall = watch.wall_seconds(), cpu = watch.cpu_seconds();
  EXPECT_GE(wall, 0.0);
  EXPECT_GE(cpu, 0.0);
  for (int i = 0; i < 1000; ++i) {
    const double next_wall = watch.wall_seconds(), next_cpu = watch.cpu_seconds();
    ASSERT_GE(next_wall, wall);
    ASSERT_GE(next_cpu, cpu);
    wall = next_wall;
    cpu = next_cpu;
  }
}

TEST(Stopwatch, CountsWorkAsProcessorTimeAndStartsAgainAtZero) {
  Stopwatch watch;
  const Stopwatch whole = watch;
  while (watch.cpu_seconds() < 0.001) {
  }
  watch.restart();
  EXPECT_LT(watch.wall_seconds(), whole.wall_seconds());
  EXPECT_LT(watch.cpu_seconds(), whole.cpu_seconds());
}

TEST(Version, IsThreeNumbers) {
  const std::vector<std::string> numbers = split(version(), '.');
  ASSERT_EQ(numbers.size(), 3u);
  for (const std::string& number : numbers) EXPECT_GE(parse_integer(number).value_or(-1), 0) << version();
}

TEST(Version, RevisionIsACommitOrUnknown) {
  std::string_view id = revision();
  if (id.ends_with("-dirty")) id.remove_suffix(6);
  if (id == "unknown") return;
  EXPECT_GE(id.size(), 7u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string_view::npos) << revision();
}

}  // namespace
}  // namespace tenfold
