// SPDX-License-Identifier: Apache-2.0
// Logging: one process-wide logger that writes to stderr, spdlog behind this header.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace tenfold::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// Library default is kWarning. The program sets it from --log-level or TENFOLD_LOG_LEVEL.
void set_level(Level level);
Level level();

// Writes one line to stderr when `level` is enabled. Thread-safe.
void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kDebug) write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kInfo) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kWarning) {
    write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace tenfold::log
