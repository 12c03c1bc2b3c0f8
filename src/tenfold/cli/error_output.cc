// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/error_output.h"

#include <nlohmann/json.hpp>

namespace tenfold::cli {

std::string error_text(const Error& error) {
  const ErrorText& text = error.text();
  std::string message = "tenfold: error: " + text.what + "\n";
  if (!text.seen.empty()) message += "  seen:   " + text.seen + "\n";
  if (!text.wanted.empty()) message += "  wanted: " + text.wanted + "\n";
  if (!text.remedy.empty()) message += "  remedy: " + text.remedy + "\n";
  return message;
}

std::string error_json(const Error& error, int exit_code) {
  const ErrorText& text = error.text();
  const nlohmann::json object = {{"error",
                                  {{"code", error.code()},
                                   {"class", to_string(error.error_class())},
                                   {"exit_code", exit_code},
                                   {"what", text.what},
                                   {"seen", text.seen},
                                   {"wanted", text.wanted},
                                   {"remedy", text.remedy}}}};
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tenfold::cli
