// SPDX-License-Identifier: Apache-2.0
// The code of the error that a call throws.
#pragma once

#include <functional>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold {

// "" when it throws none.
inline std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

}  // namespace tenfold
