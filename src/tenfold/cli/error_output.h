// SPDX-License-Identifier: Apache-2.0
// The two forms in which the program prints an error.
#pragma once

#include <string>

#include "tenfold/base/error.h"

namespace tenfold::cli {

// "tenfold: error: ...", then what was seen, wanted and what to do, a line each. For standard error.
std::string error_text(const Error& error);

// {"error": {...}} of docs/program.md with a line end, for standard output under --json.
std::string error_json(const Error& error, int exit_code);

}  // namespace tenfold::cli
