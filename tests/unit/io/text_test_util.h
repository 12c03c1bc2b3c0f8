// SPDX-License-Identifier: Apache-2.0
// Helpers of the tests for tables, lines, event files and pictures.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/io/byte_source.h"

namespace tenfold::io {

// "data csv.field_count": class and code of the error that `action` throws; "no error" when it throws none.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::string(to_string(error.error_class())) + " " + error.code();
  }
  return "no error";
}

// The message of the error that `action` throws; empty when it throws none.
inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// A new empty folder below the test's temporary one, removed with its content at the end.
class TempFolder {
 public:
  TempFolder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = Path(testing::TempDir()) / ("tenfold-" + std::string(info->test_suite_name()) + "-" +
                                        info->name() + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  Path operator/(std::string_view name) const { return path_ / name; }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

// Hands out at most `step` bytes a call, so that every token meets the end of a buffer once.
class DripSource final : public ByteSource {
 public:
  DripSource(std::string_view text, std::size_t step) : rest_(text), step_(step) {}
  std::size_t read(std::span<char> target) override {
    const std::size_t count = std::min({target.size(), rest_.size(), step_});
    std::copy_n(rest_.data(), count, target.data());
    rest_.remove_prefix(count);
    return count;
  }
  const std::string& name() const override { return name_; }

 private:
  std::string_view rest_;
  std::size_t step_;
  std::string name_ = "drip";
};

}  // namespace tenfold::io
