// SPDX-License-Identifier: Apache-2.0
// config.json of a published checkpoint: values looked up by name, each checked, with errors that name the field.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tenfold/base/error.h"

namespace tenfold::nn {

// Error(kFile) about a checkpoint of a `model` ("BERT", "T5"); the code begins with its name in lower case ("bert.", "t5.").
Error bad_checkpoint(
    std::string_view model, std::string_view code, std::string what, std::string seen, std::string wanted);

// Throws Error(kFile): what io::parse_json() throws, and as said below.
class CheckpointConfig {
 public:
  // `place` begins the messages. "bert.config" when it is no object.
  CheckpointConfig(std::string_view model, std::string_view json, std::string_view place);
  ~CheckpointConfig();

  // Each: "bert.config" when the field is missing and there is no `otherwise`, or is of another kind. For text, null is as good as missing.
  std::int64_t integer(const char* name, std::optional<std::int64_t> otherwise = {}) const;  // 1 to 1e9
  double number(const char* name, double otherwise) const;                                   // 0 to 1
  std::string text(const char* name, const std::string& otherwise) const;
  bool flag(const char* name, bool otherwise) const;
  // "bert.unsupported" unless the condition holds.
  void require(bool condition, const char* name, const std::string& wanted) const;

 private:
  struct State;
  Error bad(const std::string& name, const std::string& seen, const std::string& wanted) const;

  std::string model_, place_;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::nn
