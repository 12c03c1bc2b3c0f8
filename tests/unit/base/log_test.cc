// SPDX-License-Identifier: Apache-2.0
// The logger: levels, format, stderr only.
#include "tenfold/base/log.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace tenfold::log {
namespace {

class Log : public testing::Test {
 protected:
  ~Log() override { set_level(before_); }

  static std::string stderr_of(const std::function<void()>& action) {
    testing::internal::CaptureStderr();
    action();
    return testing::internal::GetCapturedStderr();
  }

 private:
  Level before_ = level();
};

TEST_F(Log, LibraryDefaultShowsWarningsOnly) {
  EXPECT_EQ(level(), Level::kWarning);
  EXPECT_EQ(stderr_of([] {
              debug("a");
              info("b");
              warning("c {}", 3);
            }),
            "warning: c 3\n");
}

TEST_F(Log, WritesNothingToStandardOutput) {
  testing::internal::CaptureStdout();
  stderr_of([] { warning("to stderr"); });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(Log, EachLevelShowsItselfAndWhatIsMoreSevere) {
  const Level all[] = {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError};
  const std::string lines[] = {"debug: m\n", "info: m\n", "warning: m\n", "error: m\n"};
  for (std::size_t threshold = 0; threshold < 4; ++threshold) {
    set_level(all[threshold]);
    EXPECT_EQ(level(), all[threshold]);
    std::string expected;
    for (std::size_t i = threshold; i < 4; ++i) expected += lines[i];
    EXPECT_EQ(stderr_of([&] {
                for (Level each : all) write(each, "m");
              }),
              expected);
  }
}

TEST_F(Log, OffSilencesEverything) {
  set_level(Level::kOff);
  EXPECT_EQ(stderr_of([] {
              warning("w");
              write(Level::kError, "e");
              write(Level::kOff, "o");
            }),
            "");
}

TEST_F(Log, DebugAndInfoFormatTheirArguments) {
  set_level(Level::kDebug);
  EXPECT_EQ(stderr_of([] {
              debug("{}+{}", 1, 2);
              info("{:.1f}", 0.25);
            }),
            "debug: 1+2\ninfo: 0.2\n");
}

TEST_F(Log, TakesBracesAndPercentsOfAMessageLiterally) {
  EXPECT_EQ(stderr_of([] { write(Level::kWarning, "{} %v %s {0:d}"); }), "warning: {} %v %s {0:d}\n");
}

}  // namespace
}  // namespace tenfold::log
