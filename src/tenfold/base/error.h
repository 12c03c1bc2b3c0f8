// SPDX-License-Identifier: Apache-2.0
// The error type of the whole toolkit: what failed, the value seen, the value wanted, what to do.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace tenfold {

// The value is the program's exit code (docs/program.md).
enum class ErrorClass {
  kUsage = 2,      // a wrong command line
  kConfig = 3,     // a wrong configuration key or value
  kData = 4,       // the content of the user's data is wrong
  kFile = 5,       // a file cannot be read or written, or is damaged
  kResource = 6,   // memory, disk space, time, a missing program
  kInternal = 70,  // a bug of ours; never caused by user input
};

// "usage", "config", "data", "file", "resource", "internal".
std::string_view to_string(ErrorClass error_class);

struct ErrorText {
  std::string what;    // what failed, with the place: "systems.csv line 12: training compute is not a number"
  std::string seen;    // the value found; empty when there is none
  std::string wanted;  // the value or range that would have been right
  std::string remedy;  // what the user can do now
};

// Thrown for every failure a user or a caller can meet. `code` is stable across releases
// ("safetensors.header_too_long"): programs may switch on it, the texts may change.
class Error : public std::runtime_error {
 public:
  Error(ErrorClass error_class, std::string code, ErrorText text);

  ErrorClass error_class() const { return error_class_; }
  const std::string& code() const { return code_; }
  const ErrorText& text() const { return text_; }
  int exit_code() const { return static_cast<int>(error_class_); }

 private:
  ErrorClass error_class_;
  std::string code_;
  ErrorText text_;
};

// Same error with `place` put before `what`: for callers that know the file or the line.
Error with_place(const Error& error, std::string_view place);

// For conditions that only a bug of ours can break. Throws Error(kInternal).
void check_internal(bool condition, std::string_view what);

}  // namespace tenfold
